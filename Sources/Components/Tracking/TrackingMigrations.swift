import Core
import GRDB
import Storage

extension EmbeddedTracking {
    /// The tables in `nestbox.db`.
    package static let decisionMigrations: [Migration] =
        [
            Migration("tracking.1") { db in
                try db.execute(
                    sql: """
                        CREATE TABLE tracking_experiments (
                            id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, artifact_location TEXT NOT NULL,
                            stage TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
                        CREATE TABLE tracking_experiment_tags (
                            experiment_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                            PRIMARY KEY (experiment_id, key)) WITHOUT ROWID;
                        CREATE TABLE tracking_runs (
                            id TEXT PRIMARY KEY, experiment_id INTEGER NOT NULL, name TEXT NOT NULL, user TEXT NOT NULL,
                            status TEXT NOT NULL, start_time INTEGER NOT NULL, end_time INTEGER, stage TEXT NOT NULL,
                            artifact_uri TEXT NOT NULL);
                        CREATE INDEX tracking_runs_by_start ON tracking_runs (experiment_id, stage, start_time DESC, id);
                        CREATE TABLE tracking_params (
                            run_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                            PRIMARY KEY (run_id, key)) WITHOUT ROWID;
                        CREATE TABLE tracking_tags (
                            run_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
                            PRIMARY KEY (run_id, key)) WITHOUT ROWID;
                        CREATE TABLE tracking_inputs (
                            id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
                            source_type TEXT NOT NULL, source TEXT NOT NULL, schema TEXT, profile TEXT, tags TEXT NOT NULL,
                            UNIQUE (run_id, name, digest));
                        CREATE TABLE tracking_pending_metrics (
                            id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, points TEXT NOT NULL);
                        """)
                let now = Ambient.live.now().milliseconds
                try db.execute(
                    sql:
                        "INSERT INTO tracking_experiments VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', ?, ?)",
                    arguments: [now, now])
            },
            // What filters find runs by. Long values are left out: nobody asks for one as a whole.
            Migration("tracking.search.1") { db in
                for table in ["tracking_params", "tracking_tags"] {
                    try db.execute(
                        sql: """
                            CREATE INDEX \(table)_by_value ON \(table) (key, value, run_id) WHERE length(value) <= 250
                            """)
                }
                try db.execute(
                    sql: """
                        CREATE INDEX tracking_inputs_by_name ON tracking_inputs (name, run_id);
                        CREATE INDEX tracking_inputs_by_digest ON tracking_inputs (digest, run_id);
                        """)
            },
            // What was deleted is kept for a while, and its files and points outlive its rows until they are removed too.
            Migration("tracking.retention.1") { db in
                try db.execute(
                    sql: """
                        ALTER TABLE tracking_runs ADD COLUMN deleted_at INTEGER;
                        UPDATE tracking_runs SET deleted_at = \(Ambient.live.now().milliseconds) WHERE stage = 'deleted';
                        CREATE INDEX tracking_runs_deleted ON tracking_runs (deleted_at) WHERE stage = 'deleted';
                        CREATE TABLE tracking_purged (
                            kind TEXT NOT NULL, id TEXT NOT NULL, experiment_id TEXT NOT NULL, artifact_uri TEXT NOT NULL,
                            PRIMARY KEY (kind, id)) WITHOUT ROWID;
                        """)
            },
        ] + modelMigrations

    /// The tables in `telemetry.db`. A series is one key of one run and carries its latest point; its points are keyed by
    /// the series' number, so that a point costs some thirty bytes and a repeated one is stored once.
    package static let telemetryMigrations: [Migration] = [
        Migration("tracking.metrics.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE tracking_series (
                        id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL,
                        timestamp INTEGER NOT NULL, value REAL NOT NULL, is_nan INTEGER NOT NULL,
                        UNIQUE (run_id, key));
                    CREATE TABLE tracking_points (
                        series INTEGER NOT NULL, step INTEGER NOT NULL, timestamp INTEGER NOT NULL, value REAL NOT NULL,
                        is_nan INTEGER NOT NULL, PRIMARY KEY (series, step, timestamp, value, is_nan)) WITHOUT ROWID;
                    """)
        },
        // What runs are ordered and found by. Only for keys that somebody has searched by: in an index of all, the points of
        // one batch lie on as many pages as the batch has keys, which makes logging it five times as slow.
        Migration("tracking.metrics.search.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE tracking_ranked_keys (key TEXT PRIMARY KEY) WITHOUT ROWID;
                    ALTER TABLE tracking_series ADD COLUMN is_ranked INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX tracking_series_by_value ON tracking_series (key, is_nan, value) WHERE is_ranked = 1;
                    """)
        },
    ]
}
