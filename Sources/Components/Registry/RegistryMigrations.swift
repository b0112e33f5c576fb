import Storage

extension EmbeddedRegistry {
    /// The tables in `nestbox.db`. Everything hangs on a model's number, so that a rename changes one row.
    package static let migrations: [Migration] = [
        Migration("registry.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE registry_models (
                        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
                        last_number INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
                    CREATE TABLE registry_model_tags (
                        model_id INTEGER NOT NULL REFERENCES registry_models (id) ON DELETE CASCADE, key TEXT NOT NULL,
                        value TEXT NOT NULL, PRIMARY KEY (model_id, key)) WITHOUT ROWID;
                    CREATE TABLE registry_versions (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        model_id INTEGER NOT NULL REFERENCES registry_models (id) ON DELETE CASCADE,
                        version INTEGER NOT NULL, source TEXT NOT NULL, run_id TEXT, stage TEXT NOT NULL,
                        description TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
                        created_by TEXT NOT NULL, UNIQUE (model_id, version));
                    CREATE TABLE registry_version_tags (
                        version_id INTEGER NOT NULL REFERENCES registry_versions (id) ON DELETE CASCADE, key TEXT NOT NULL,
                        value TEXT NOT NULL, PRIMARY KEY (version_id, key)) WITHOUT ROWID;
                    CREATE TABLE registry_aliases (
                        model_id INTEGER NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
                        PRIMARY KEY (model_id, alias),
                        FOREIGN KEY (model_id, version) REFERENCES registry_versions (model_id, version) ON DELETE CASCADE
                        ) WITHOUT ROWID;
                    CREATE TABLE registry_transitions (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        model_id INTEGER NOT NULL REFERENCES registry_models (id) ON DELETE CASCADE, at INTEGER NOT NULL,
                        actor TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, from_version INTEGER,
                        to_version INTEGER, from_stage TEXT, reason TEXT NOT NULL);
                    CREATE INDEX registry_transitions_by_model ON registry_transitions (model_id, id);
                    """)
        },
        Migration("registry.models.1") { db in
            // `artifact_uri` is null where `source` says it already.
            try db.execute(
                sql: """
                    ALTER TABLE registry_versions ADD COLUMN logged_model_id TEXT;
                    ALTER TABLE registry_versions ADD COLUMN artifact_uri TEXT;
                    """)
        },
        // What a version was made from finds the version.
        Migration("registry.lineage.1") { db in
            try db.execute(
                sql: """
                    CREATE INDEX registry_versions_by_run ON registry_versions (run_id) WHERE run_id IS NOT NULL;
                    CREATE INDEX registry_versions_by_logged_model ON registry_versions (logged_model_id)
                        WHERE logged_model_id IS NOT NULL;
                    CREATE INDEX registry_versions_by_source ON registry_versions (source);
                    """)
        },
    ]
}
