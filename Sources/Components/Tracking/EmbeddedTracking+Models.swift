import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking: LoggedModelStore {
    package func createLoggedModel(_ request: NewLoggedModel) async throws -> LoggedModel {
        try TrackingRules.check(request)
        let number = try Self.experimentNumber(request.experimentID)
        let id = "m-" + ambient.newID()
        let name = request.name ?? RunNames.make(ambient)
        return try await decisions.write { context in
            let experiment = try Self.activeExperiment(number, in: context.db)
            let model = LoggedModel(
                id: id, experimentID: experiment.id, name: name, modelType: request.modelType,
                sourceRunID: request.sourceRunID, status: .pending,
                artifactURI: "\(experiment.artifactLocation)/models/\(id)/artifacts", createdAt: context.now,
                updatedAt: context.now, params: request.params, tags: request.tags)
            try LoggedModelRows.insert(model, in: context.db)
            try context.record(
                "logged_model.created", Self.subject(id),
                [
                    "experiment": .string(experiment.id), "name": .string(name),
                    "run": model.sourceRunID.map { .string($0) } ?? .null,
                ])
            return model
        }
    }

    package func loggedModel(id: String, includingDeleted: Bool) async throws -> LoggedModel {
        try await decisions.read { db in
            let model = try Self.loggedModel(id, in: db)
            guard includingDeleted || model.lifecycleStage == .active else {
                throw NestboxError(
                    .notFound, "logged model `\(id)` is deleted", hint: "ask for it with allow_deleted=true")
            }
            return model
        }
    }

    package func finalizeLoggedModel(id: String, status: LoggedModelStatus) async throws -> LoggedModel {
        try await changeModel(id, "logged_model.finalized", ["status": .string(status.rawValue)]) { context in
            try context.db.execute(
                sql: "UPDATE tracking_models SET status = ?, updated_at = ? WHERE id = ?",
                arguments: [status.rawValue, context.now.milliseconds, id])
            return try Self.loggedModel(id, in: context.db)
        }
    }

    package func deleteLoggedModel(id: String) async throws {
        try await changeModel(id, "logged_model.deleted", [:]) { context in
            try context.db.execute(
                sql: "UPDATE tracking_models SET stage = 'deleted', updated_at = ? WHERE id = ?",
                arguments: [context.now.milliseconds, id])
        }
    }

    package func setLoggedModelTags(id: String, _ tags: [String: String]) async throws {
        for (key, value) in tags { try TrackingRules.checkModelEntry(key, value, of: "tag") }
        let keys = JSONValue.array(tags.keys.sorted().map { .string($0) })
        try await changeModel(id, "logged_model.tagged", ["keys": keys]) { context in
            try LoggedModelRows.insert(tags, into: "tracking_model_tags", model: id, in: context.db)
        }
    }

    package func deleteLoggedModelTag(id: String, key: String) async throws {
        try await changeModel(id, "logged_model.tagged", ["removed": .string(key)]) { context in
            try context.db.execute(
                sql: "DELETE FROM tracking_model_tags WHERE model_id = ? AND key = ?", arguments: [id, key])
            guard context.db.changesCount > 0 else {
                throw NestboxError(.notFound, "logged model `\(id)` has no tag `\(key)`")
            }
        }
    }

    package func logLoggedModelParams(id: String, _ params: [String: String]) async throws {
        for (key, value) in params { try TrackingRules.checkModelEntry(key, value, of: "param") }
        let keys = JSONValue.array(params.keys.sorted().map { .string($0) })
        try await changeModel(id, "logged_model.logged", ["params": keys]) { context in
            let old = try Self.loggedModel(id, in: context.db).params
            for (key, value) in params {
                guard let old = old[key] else { continue }
                throw NestboxError(
                    .invalidArgument,
                    "param `\(key)` of logged model `\(id)` is `\(old.prefix(200))` and cannot be logged again as "
                        + "`\(value.prefix(200))`", hint: "params are written once; use a tag for what changes",
                    cause: MLflowCode.badRequest)
            }
            try LoggedModelRows.insert(params, into: "tracking_model_params", model: id, in: context.db)
        }
    }

    // MARK: Runs

    package func logModelInputs(runID: String, modelIDs: [String]) async throws {
        try await link(runID, modelIDs.map { ModelOutput(modelID: $0) }, as: .input, key: "model_inputs")
    }

    package func logModelOutputs(runID: String, _ outputs: [ModelOutput]) async throws {
        try await link(runID, outputs, as: .output, key: "model_outputs")
    }

    private func link(
        _ run: String, _ models: [ModelOutput], as role: LoggedModelRows.Role, key: String
    ) async throws {
        for model in models { try TrackingRules.checkModelID(model.modelID) }
        try await decisions.write { context in
            let row = try Self.activeRun(run, in: context.db)
            guard !models.isEmpty else { return }
            let statement = try context.db.cachedStatement(
                sql: """
                    INSERT INTO tracking_run_models (run_id, role, model_id, step) VALUES (?, ?, ?, ?)
                    ON CONFLICT (run_id, role, model_id) DO NOTHING
                    """)
            for model in models {
                try statement.execute(arguments: [run, role.rawValue, model.modelID, model.step])
                guard role == .input || context.db.changesCount > 0 else {
                    throw NestboxError(
                        .invalidArgument, "run `\(run)` has logged model `\(model.modelID)` among its outputs already",
                        cause: MLflowCode.badRequest)
                }
            }
            try context.record(
                "run.logged", "run/\(run)",
                [
                    "experiment": .string(String(row["experiment_id"] as Int64)),
                    key: .array(models.map { .string($0.modelID) }),
                ])
        }
    }

    // MARK: Rows

    /// One change of a model that is there, deleted or not, and its event in one transaction.
    private func changeModel<T: Sendable>(
        _ id: String, _ event: String, _ data: [String: JSONValue],
        _ body: @escaping @Sendable (WriteContext) throws -> T
    ) async throws -> T {
        try await decisions.write { context in
            let experiment = try LoggedModelRows.experiment(of: id, in: context.db)
            guard let experiment else { throw Self.noModel(id) }
            let result = try body(context)
            var data = data
            data["experiment"] = .string(String(experiment))
            try context.record(event, Self.subject(id), .object(data))
            return result
        }
    }

    private static func loggedModel(_ id: String, in db: Database) throws -> LoggedModel {
        guard let model = try LoggedModelRows.models([id], in: db).first else { throw noModel(id) }
        return model
    }

    private static func subject(_ id: String) -> String { "logged_model/\(id)" }

    static func noModel(_ id: String) -> NestboxError {
        NestboxError(
            .notFound, "there is no logged model with id `\(id)`",
            hint: "search the experiment's logged models to see their ids")
    }
}
