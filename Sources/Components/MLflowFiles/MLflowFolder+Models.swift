import Contracts
import Core

extension MLflowFolder {
    func loggedModels(of experiment: Experiment) throws -> [Found<LoggedModel>] {
        let parent = path(of: experiment.id) + "/models"
        return try folder.folders(parent).filter { folder.exists("\(parent)/\($0)/\(Self.meta)") }.map { name in
            Self.found { try loggedModel(name, in: parent, of: experiment) }
        }
    }

    private func loggedModel(_ name: String, in parent: String, of experiment: Experiment) throws -> LoggedModel {
        let path = parent + "/" + name
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        guard try file.text("model_id") == name else { throw file.wrong("model_id", "the folder's name") }
        let created = Timestamp(milliseconds: try file.whole("creation_timestamp"))
        return LoggedModel(
            id: name, experimentID: experiment.id, name: try file.text("name"),
            modelType: try file.optionalText("model_type"), sourceRunID: try file.optionalText("source_run_id"),
            status: try LoggedModelStatus(number: try file.whole("status")),
            statusMessage: try file.optionalText("status_message"),
            lifecycleStage: try file.optionalText("lifecycle_stage").flatMap(LifecycleStage.init) ?? .active,
            artifactURI: try file.optionalText("artifact_location") ?? folder.path(path) + "/artifacts",
            createdAt: created, updatedAt: try file.optionalTime("last_updated_timestamp") ?? created,
            params: try folder.values(path + "/params"), tags: try folder.values(path + "/tags"),
            metrics: try folder.keys(path + "/metrics").flatMap { try metrics(of: name, $0, in: path) })
    }

    private func metrics(of model: String, _ key: String, in path: String) throws -> [LoggedModelMetric] {
        let file = "\(path)/metrics/\(key)"
        let (lines, errors) = MetricLine.lines(try folder.metricFile(file), path: folder.path(file))
        if let error = errors.first { throw error }
        return lines.map { line in
            let dataset = line.dataset(from: 1)
            return LoggedModelMetric(
                modelID: model,
                point: MetricPoint(key: key, value: line.value, timestamp: line.timestamp, step: line.step),
                runID: line.rest.first.map(String.init) ?? "", datasetName: dataset?.name,
                datasetDigest: dataset?.digest)
        }
    }

    // MARK: Registered models

    func registeredModels(_ kind: MLflowModelKind) throws -> [Found<RegisteredModel>] {
        try folder.folders("models").filter { folder.exists("models/\($0)/\(Self.meta)") }.compactMap { name in
            let found = Self.found { try registeredModel(name) }
            return kind.isOfIt(found) ? found : nil
        }
    }

    private func registeredModel(_ name: String) throws -> RegisteredModel {
        let path = "models/" + name
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        guard try file.text("name") == name else { throw file.wrong("name", "the folder's name") }
        let created = try file.optionalTime("creation_timestamp") ?? Timestamp(milliseconds: 0)
        let aliases = try folder.values(path + "/aliases").map { alias, text in
            guard let version = Int(text.filter { !$0.isWhitespace }) else {
                throw unreadable(
                    "`\(folder.path(path))/aliases/\(alias)`, line 1: `\(text.prefix(40))` is no version's number")
            }
            return (alias, version)
        }
        return RegisteredModel(
            name: name, description: try file.optionalText("description") ?? "",
            tags: try folder.values(path + "/tags"), aliases: Dictionary(aliases) { $1 }, latestVersion: nil,
            createdAt: created, updatedAt: try file.optionalTime("last_updated_timestamp") ?? created)
    }

    func versions(of model: RegisteredModel, _ kind: MLflowModelKind) throws -> [Found<ModelVersion>] {
        let prefix = "version-"
        let numbers = try folder.folders("models/" + model.name).filter { $0.hasPrefix(prefix) }
            .map { ($0, Int($0.dropFirst(prefix.count)) ?? 0) }.sorted { $0.1 < $1.1 }
        return numbers.compactMap { name, number in
            let found = Self.found { try version(number, "models/\(model.name)/\(name)", of: model) }
            if case .success(nil) = found { return nil }
            return found.map { $0! }
        }
    }

    /// Nil when it is deleted.
    private func version(_ number: Int, _ path: String, of model: RegisteredModel) throws -> ModelVersion? {
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        let stage = try file.optionalText("current_stage")
        if stage == ModelVersion.deletedStage { return nil }
        guard try file.whole("version") == Int64(number), number > 0 else {
            throw file.wrong("version", "the number in the folder's name")
        }
        let source = try file.optionalText("source") ?? "", run = try file.optionalText("run_id") ?? ""
        let created = try file.optionalTime("creation_timestamp") ?? Timestamp(milliseconds: 0)
        return ModelVersion(
            name: model.name, version: number, source: source, runID: run.isEmpty ? nil : run,
            stage: try ModelStage(mlflow: stage, String(number)),
            description: try file.optionalText("description") ?? "",
            tags: try folder.values(path + "/tags"),
            aliases: model.aliases.filter { $0.value == number }.map(\.key).sorted(), createdAt: created,
            updatedAt: try file.optionalTime("last_updated_timestamp") ?? created,
            createdBy: try file.optionalText("user_id") ?? "",
            modelID: try file.optionalText("model_id"),
            artifactURI: try file.optionalText("storage_location") ?? source)
    }
}
