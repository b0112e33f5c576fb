import Contracts
import Core
import GRDB
import Storage

extension EmbeddedRegistry {
    package func versions(from origin: VersionOrigin, limit: Int) async throws -> [ModelVersion] {
        // Each by an index of its own.
        var finds = ["run_id = ?", "logged_model_id = ?"]
        var arguments: StatementArguments = [origin.runID, origin.modelID]
        for source in origin.sources {
            // `0` comes after `/`: everything below the folder.
            finds += ["source = ?", "source > ? AND source < ?"]
            arguments += [source, source + "/", source + "0"]
        }
        let statement = finds.map { "SELECT id FROM registry_versions WHERE \($0)" }.joined(separator: " UNION ")
        return try await store.read { [arguments] db in
            let ids = try Int64.fetchAll(
                db, sql: "\(statement) ORDER BY id DESC LIMIT ?", arguments: arguments + [limit])
            return try RegistryRows.versions(ids, in: db)
        }
    }
}
