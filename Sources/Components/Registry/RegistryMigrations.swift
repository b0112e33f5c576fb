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
        // By name instead of by number: the history of a deleted model stays.
        Migration("registry.history.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE registry_history (
                        id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, at INTEGER NOT NULL,
                        actor TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, from_version INTEGER,
                        to_version INTEGER, from_stage TEXT, reason TEXT NOT NULL);
                    INSERT INTO registry_history
                        SELECT t.id, m.name, t.at, t.actor, t.kind, t.label, t.from_version, t.to_version, t.from_stage,
                            t.reason
                        FROM registry_transitions t JOIN registry_models m ON m.id = t.model_id ORDER BY t.id;
                    CREATE INDEX registry_history_by_model ON registry_history (model, id);
                    DROP TABLE registry_transitions;
                    """)
        },
        // Also those of deleted versions. What was registered before there were any gets 1.0.0, 1.1.0 and so on: of how far
        // they are from each other, nothing is known.
        Migration("registry.semantic.1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE registry_semantic_versions (
                        model_id INTEGER NOT NULL REFERENCES registry_models (id) ON DELETE CASCADE,
                        version INTEGER NOT NULL, major INTEGER NOT NULL, minor INTEGER NOT NULL, patch INTEGER NOT NULL,
                        PRIMARY KEY (model_id, version)) WITHOUT ROWID;
                    CREATE UNIQUE INDEX registry_semantic_versions_once
                        ON registry_semantic_versions (model_id, major, minor, patch);
                    INSERT INTO registry_semantic_versions (model_id, version, major, minor, patch)
                        SELECT model_id, version, 1, row_number() OVER (PARTITION BY model_id ORDER BY version) - 1, 0
                        FROM registry_versions WHERE model_id NOT IN (
                            SELECT model_id FROM registry_model_tags
                            WHERE key = 'mlflow.prompt.is_prompt' AND lower(value) = 'true');
                    INSERT OR REPLACE INTO registry_version_tags (version_id, key, value)
                        SELECT v.id, 'nestbox.semantic_version', s.major || '.' || s.minor || '.' || s.patch
                        FROM registry_semantic_versions s JOIN registry_versions v USING (model_id, version);
                    INSERT OR REPLACE INTO registry_version_tags (version_id, key, value)
                        SELECT v.id, 'nestbox.semantic_version_reason', 'counted: registered before semantic versions were kept'
                        FROM registry_semantic_versions s JOIN registry_versions v USING (model_id, version);
                    """)
        },
    ]
}
