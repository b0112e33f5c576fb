import Contracts
import Core
import GRDB

extension MLflowDatabase {
    func loggedModels(of experiment: Experiment) async throws -> [Found<LoggedModel>] {
        guard
            tables.isSuperset(of: ["logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics"])
        else { return [] }
        return try await database.read { db in
            let arguments: StatementArguments = [Int64(experiment.id)]
            let params = try Self.pairs(
                db,
                "SELECT model_id AS owner, param_key AS key, param_value AS value FROM logged_model_params WHERE experiment_id = ?",
                arguments)
            let tags = try Self.pairs(
                db,
                "SELECT model_id AS owner, tag_key AS key, tag_value AS value FROM logged_model_tags WHERE experiment_id = ?",
                arguments)
            var metrics: [String: [LoggedModelMetric]] = [:]
            for row in try Row.fetchAll(
                db, sql: "SELECT * FROM logged_model_metrics WHERE experiment_id = ? ORDER BY rowid",
                arguments: arguments)
            {
                let metric = try Self.metric(Record(row, "a metric of a logged model"))
                metrics[metric.modelID, default: []].append(metric)
            }
            return try Row.fetchAll(
                db, sql: "SELECT * FROM logged_models WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id",
                arguments: arguments
            ).map { row in
                Self.found {
                    let id = try Record(row, "a logged model").text("model_id")
                    var model = try Self.loggedModel(id, Record(row, "logged model `\(id)`"))
                    (model.params, model.tags, model.metrics) = (params[id] ?? [:], tags[id] ?? [:], metrics[id] ?? [])
                    return model
                }
            }
        }
    }

    private static func loggedModel(_ id: String, _ record: Record) throws -> LoggedModel {
        LoggedModel(
            id: id, experimentID: try record.text("experiment_id"), name: try record.text("name"),
            modelType: try record.optionalText("model_type"), sourceRunID: try record.optionalText("source_run_id"),
            status: try LoggedModelStatus(number: record.whole("status")),
            statusMessage: try record.optionalText("status_message"),
            lifecycleStage: try record.optionalText("lifecycle_stage").flatMap(LifecycleStage.init) ?? .active,
            artifactURI: try record.text("artifact_location"),
            createdAt: Timestamp(milliseconds: try record.whole("creation_timestamp_ms")),
            updatedAt: Timestamp(milliseconds: try record.whole("last_updated_timestamp_ms")))
    }

    private static func metric(_ record: Record) throws -> LoggedModelMetric {
        LoggedModelMetric(
            modelID: try record.text("model_id"),
            point: MetricPoint(
                key: try record.text("metric_name"), value: try record.optionalNumber("metric_value") ?? .nan,
                timestamp: Timestamp(milliseconds: try record.whole("metric_timestamp_ms")),
                step: try record.optionalWhole("metric_step") ?? 0),
            runID: try record.optionalText("run_id") ?? "", datasetName: try record.optionalText("dataset_name"),
            datasetDigest: try record.optionalText("dataset_digest"))
    }

    // MARK: Registered models

    func registeredModels(_ kind: MLflowModelKind) async throws -> [Found<RegisteredModel>] {
        let condition = inWorkspace("registered_models"), of = inWorkspace("registered_model_tags")
        let hasAliases = tables.contains("registered_model_aliases"),
            ofAliases = inWorkspace("registered_model_aliases")
        return try await database.read { db in
            let tags = try Self.pairs(
                db, "SELECT name AS owner, key, value FROM registered_model_tags WHERE \(of)")
            let aliases =
                hasAliases
                ? try Self.pairs(
                    db,
                    "SELECT name AS owner, alias AS key, version AS value FROM registered_model_aliases WHERE \(ofAliases)"
                )
                : [:]
            return try Row.fetchAll(
                db, sql: "SELECT * FROM registered_models WHERE \(condition) ORDER BY name"
            ).compactMap { row -> Found<RegisteredModel>? in
                let found = Self.found {
                    let name = try Record(row, "a registered model").text("name")
                    let record = Record(row, "registered model `\(name)`")
                    let created = try record.optionalTime("creation_time") ?? Timestamp(milliseconds: 0)
                    return RegisteredModel(
                        name: name, description: try record.optionalText("description") ?? "", tags: tags[name] ?? [:],
                        aliases: (aliases[name] ?? [:]).compactMapValues { Int($0) }, latestVersion: nil,
                        createdAt: created, updatedAt: try record.optionalTime("last_updated_time") ?? created)
                }
                return kind.isOfIt(found) ? found : nil
            }
        }
    }

    func versions(of model: RegisteredModel, _ kind: MLflowModelKind) async throws -> [Found<ModelVersion>] {
        let condition = inWorkspace("model_versions"), of = inWorkspace("model_version_tags")
        return try await database.read { db in
            let tags = try Self.pairs(
                db, "SELECT version AS owner, key, value FROM model_version_tags WHERE name = ? AND \(of)", [model.name]
            )
            return try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM model_versions
                    WHERE name = ? AND coalesce(current_stage, '') <> ? AND \(condition) ORDER BY version
                    """, arguments: [model.name, ModelVersion.deletedStage]
            ).map { row in
                Self.found {
                    let version = try Record(row, "a version of `\(model.name)`").text("version")
                    let record = Record(row, "version \(version) of `\(model.name)`")
                    let source = try record.optionalText("source") ?? ""
                    let run = try record.optionalText("run_id") ?? ""
                    let created = try record.optionalTime("creation_time") ?? Timestamp(milliseconds: 0)
                    return ModelVersion(
                        name: model.name, version: Int(try record.whole("version")), source: source,
                        runID: run.isEmpty ? nil : run,
                        stage: try ModelStage(mlflow: try record.optionalText("current_stage"), version),
                        description: try record.optionalText("description") ?? "", tags: tags[version] ?? [:],
                        aliases: model.aliases.filter { String($0.value) == version }.map(\.key).sorted(),
                        createdAt: created, updatedAt: try record.optionalTime("last_updated_time") ?? created,
                        createdBy: try record.optionalText("user_id") ?? "",
                        artifactURI: try record.optionalText("storage_location") ?? source)
                }
            }
        }
    }
}

extension ModelVersion {
    /// Under which MLflow keeps what was deleted.
    static let deletedStage = "Deleted_Internal"
}

extension ModelStage {
    init(mlflow name: String?, _ version: String) throws {
        guard let name, !name.isEmpty else {
            self = .none
            return
        }
        guard let stage = ModelStage(rawValue: name) else {
            throw unreadable("version \(version): there is no stage `\(name.prefix(40))`")
        }
        self = stage
    }
}

extension LoggedModelStatus {
    /// As `mlflow/protos/service.proto` numbers them.
    init(number: Int64) throws {
        let all: [LoggedModelStatus] = [.unspecified, .pending, .ready, .failed]
        guard all.indices.contains(Int(clamping: number)) else { throw unreadable("there is no status \(number)") }
        self = all[Int(number)]
    }
}

extension MLflowModelKind {
    /// What cannot be read is said once, with the models.
    func isOfIt(_ found: Result<RegisteredModel, NestboxError>) -> Bool {
        guard case .success(let model) = found else { return self == .model }
        return (model.tags[Self.promptTag]?.lowercased() == "true") == (self == .prompt)
    }
}
