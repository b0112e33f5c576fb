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
            }
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
        }
    ]
}
