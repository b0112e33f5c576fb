import Storage

extension EmbeddedWebhooks {
    /// The tables in `nestbox.db`.
    package static let migrations: [Migration] = [
        Migration("webhooks.1") { db in
            // `secret` is encrypted. Of a sender, `event` is the last one that has become messages. `target` is a webhook,
            // or an address that the server was started with and that has no row.
            try db.execute(
                sql: """
                    CREATE TABLE webhooks_hooks (
                        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                        description TEXT NOT NULL, url TEXT NOT NULL, events TEXT NOT NULL, status TEXT NOT NULL,
                        secret TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
                    CREATE TABLE webhooks_positions (sender TEXT PRIMARY KEY, event INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE TABLE webhooks_deliveries (
                        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL,
                        label TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
                        created_at INTEGER NOT NULL, due_at INTEGER NOT NULL);
                    CREATE INDEX webhooks_deliveries_by_target ON webhooks_deliveries (target, state, seq);
                    CREATE INDEX webhooks_deliveries_pending ON webhooks_deliveries (target, seq, due_at)
                        WHERE state = 'pending';
                    CREATE TABLE webhooks_attempts (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        delivery INTEGER NOT NULL REFERENCES webhooks_deliveries (seq) ON DELETE CASCADE,
                        at INTEGER NOT NULL, status INTEGER, error TEXT, milliseconds INTEGER NOT NULL);
                    CREATE INDEX webhooks_attempts_by_delivery ON webhooks_attempts (delivery, id);
                    """)
        }
    ]
}
