import Storage

extension EmbeddedTracking {
    /// The tables of logged models, in `nestbox.db`. Their metrics lie here and not with the points of runs: a model is
    /// measured a few times, and is found by what was measured.
    static let modelMigrations: [Migration] = [
        Migration("tracking.models.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE tracking_models (
                        id TEXT PRIMARY KEY, experiment_id INTEGER NOT NULL, name TEXT NOT NULL, model_type TEXT,
                        source_run_id TEXT, status TEXT NOT NULL, status_message TEXT, stage TEXT NOT NULL,
                        artifact_uri TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
                    CREATE INDEX tracking_models_by_creation
                        ON tracking_models (experiment_id, stage, created_at DESC, id);
                    CREATE TABLE tracking_model_params (
                        model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (model_id, key)) WITHOUT ROWID;
                    CREATE TABLE tracking_model_tags (
                        model_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (model_id, key)) WITHOUT ROWID;
                    CREATE TABLE tracking_model_metrics (
                        id INTEGER PRIMARY KEY, model_id TEXT NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL,
                        value REAL NOT NULL, is_nan INTEGER NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL,
                        dataset_name TEXT NOT NULL, dataset_digest TEXT NOT NULL,
                        UNIQUE (model_id, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest));
                    CREATE TABLE tracking_run_models (
                        id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, role TEXT NOT NULL, model_id TEXT NOT NULL,
                        step INTEGER NOT NULL, UNIQUE (run_id, role, model_id));
                    CREATE INDEX tracking_run_models_by_model ON tracking_run_models (model_id);
                    """)
        },
        Migration("tracking.lineage.1") { db in
            try db.execute(
                sql: "CREATE INDEX tracking_models_by_run ON tracking_models (source_run_id, created_at DESC)")
        },
    ]
}
