import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    package func runs(_ link: RunLink, limit: Int) async throws -> [Run] {
        let table: String, condition: String, arguments: StatementArguments
        switch link {
        case .reading(let dataset, let digest):
            table = "tracking_inputs"
            (condition, arguments) = ("x.name = ? AND x.digest = ?", [dataset, digest])
        case .using(let model):
            table = "tracking_run_models"
            (condition, arguments) = ("x.model_id = ? AND x.role = ?", [model, LoggedModelRows.Role.input.rawValue])
        case .making(let model):
            table = "tracking_run_models"
            (condition, arguments) = ("x.model_id = ? AND x.role = ?", [model, LoggedModelRows.Role.output.rawValue])
        case .children(let parent):
            table = "tracking_tags"
            // In the words of the index, which leaves long values out.
            condition = "x.key = 'mlflow.parentRunId' AND x.value = ? AND \(RunQuery.isIndexed("x.value"))"
            arguments = [parent]
        }
        let ids = try await decisions.read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT r.id FROM \(table) x JOIN tracking_runs r ON r.id = x.run_id WHERE \(condition)
                    ORDER BY r.start_time DESC, r.id LIMIT ?
                    """, arguments: arguments + [limit])
        }
        return try await runs(withIDs: ids)
    }

    package func loggedModels(madeBy run: Run, limit: Int) async throws -> [LoggedModel] {
        try await decisions.read { db in
            let ids = try String.fetchAll(
                db,
                sql: "SELECT id FROM tracking_models WHERE source_run_id = ? ORDER BY created_at DESC, id LIMIT ?",
                arguments: [run.id, limit])
            return try LoggedModelRows.models(ids, in: db)
        }
    }
}
