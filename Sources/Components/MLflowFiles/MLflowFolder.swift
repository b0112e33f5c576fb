import Contracts
import Core
import Foundation

/// An `mlruns` folder: MLflow's file store. Source: mlflow/store/tracking/file_store.py and model_registry/file_store.py (3.17).
///
///     <experiment>/meta.yaml, tags/<key>, datasets/<id>/meta.yaml
///       <run>/meta.yaml, params/<key>, tags/<key>, metrics/<key>, inputs/<id>/meta.yaml, outputs/<model>/meta.yaml, artifacts/
///       models/<logged model>/meta.yaml, params/, tags/, metrics/, artifacts/
///       traces/<trace>/trace_info.yaml, tags/, request_metadata/, assessments/<id>.yaml, artifacts/traces.json
///     .trash/<experiment>/…
///     models/<registered model>/meta.yaml, tags/<key>, aliases/<alias>, version-<n>/meta.yaml, tags/<key>
final class MLflowFolder: MLflowSource {
    let folder: StoreFolder
    let artifacts: ArtifactFolders

    static let trash = ".trash"
    static let meta = "meta.yaml"
    private static let pageSize = 200
    /// Folders of an experiment that are no runs.
    private static let reserved: Set<String> = ["tags", "datasets", "traces", "models", ".trash"]

    var address: String { folder.root }

    init(_ path: String, artifacts: String?) throws {
        folder = try StoreFolder(path)
        self.artifacts = ArtifactFolders(
            base: (folder.root as NSString).deletingLastPathComponent, given: artifacts)
    }

    /// Whether any folder in it is an experiment or a registered model.
    static func isOne(_ path: String) -> Bool {
        guard let folder = try? StoreFolder(path) else { return false }
        return ["", trash, "models"].contains { parent in
            ((try? folder.folders(parent)) ?? []).contains {
                folder.exists((parent.isEmpty ? $0 : parent + "/" + $0) + "/" + meta)
            }
        }
    }

    func leftOut() -> [String] { [] }

    static func found<T>(_ read: () throws -> T) -> Result<T, NestboxError> { MLflowDatabase.found(read) }

    // MARK: Experiments

    func experiments() throws -> [Found<Experiment>] {
        let active = try folder.folders("").filter { $0 != Self.trash && $0 != "models" }
        let paths = active + (try folder.folders(Self.trash)).map { Self.trash + "/" + $0 }
        // A server that keeps its runs in a database puts their files into such folders.
        return try paths.filter { try isExperiment($0) }.map { path in
            Self.found { try experiment(path) }
        }
    }

    private func isExperiment(_ path: String) throws -> Bool {
        if folder.exists(path + "/" + Self.meta) { return true }
        return try folder.folders(path).contains { folder.exists("\(path)/\($0)/\(Self.meta)") }
    }

    private func experiment(_ path: String) throws -> Experiment {
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        let id = try file.text("experiment_id")
        guard id == (path as NSString).lastPathComponent else {
            throw file.wrong("experiment_id", "the folder's name")
        }
        let created = try file.optionalTime("creation_time") ?? Timestamp(milliseconds: 0)
        return Experiment(
            id: id, name: try file.text("name"), artifactLocation: try file.optionalText("artifact_location") ?? "",
            lifecycleStage: path.hasPrefix(Self.trash)
                ? .deleted : try file.optionalText("lifecycle_stage").flatMap(LifecycleStage.init) ?? .active,
            createdAt: created, updatedAt: try file.optionalTime("last_update_time") ?? created,
            tags: try folder.values(path + "/tags"))
    }

    func path(of experiment: String) -> String {
        folder.exists(experiment) ? experiment : Self.trash + "/" + experiment
    }

    // MARK: Runs

    func runs(of experiment: Experiment, page: String?) throws -> MLflowPage<Run> {
        let parent = path(of: experiment.id)
        let names = try folder.folders(parent).filter {
            try !Self.reserved.contains($0) && $0 > (page ?? "") && isRun(parent + "/" + $0)
        }
        let items = names.prefix(Self.pageSize).map { name in
            Self.found { try run(name, in: parent, of: experiment) }
        }
        return MLflowPage(items: items, next: names.count > Self.pageSize ? names[Self.pageSize - 1] : nil)
    }

    private func isRun(_ path: String) throws -> Bool {
        [Self.meta, "params", "metrics", "tags"].contains { folder.exists(path + "/" + $0) }
    }

    private func run(_ name: String, in parent: String, of experiment: Experiment) throws -> Run {
        let path = parent + "/" + name
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        // Before MLflow 1.0 under the other name alone.
        let id = try file.optionalText("run_id") ?? file.text("run_uuid")
        guard id == name else { throw file.wrong("run_id", "the folder's name") }
        guard try file.text("experiment_id") == experiment.id else {
            throw file.wrong("experiment_id", "`\(experiment.id)`, of the folder that it is in")
        }
        let tags = try folder.values(path + "/tags")
        let title = try file.optionalText("run_name") ?? ""
        let inputs = try folder.folders(path + "/inputs").map {
            try MetaFile("\(path)/inputs/\($0)/\(Self.meta)", in: folder)
        }
        return Run(
            id: id, experimentID: experiment.id, name: title.isEmpty ? tags["mlflow.runName"] ?? "" : title,
            user: try file.optionalText("user_id") ?? "", status: try Self.status(file),
            startTime: try file.optionalTime("start_time") ?? Timestamp(milliseconds: 0),
            endTime: try file.optionalTime("end_time"),
            lifecycleStage: try file.optionalText("lifecycle_stage").flatMap(LifecycleStage.init) ?? .active,
            artifactURI: try file.optionalText("artifact_uri") ?? folder.path(path) + "/artifacts",
            params: try folder.values(path + "/params"), metrics: [], tags: tags,
            inputs: try inputs.compactMap { try dataset($0, in: parent) },
            modelInputs: try inputs.filter { try $0.text("source_type") == "MODEL" }.map { try $0.text("source_id") },
            modelOutputs: try folder.folders(path + "/outputs").map { try output("\(path)/outputs/\($0)") })
    }

    /// A number, as `mlflow/protos/service.proto` counts; the default is the first.
    private static func status(_ file: MetaFile) throws -> RunStatus {
        guard let text = try file.optionalText("status") else { return .running }
        let all: [RunStatus] = [.running, .scheduled, .finished, .failed, .killed]
        if let number = Int(text), all.indices.contains(number - 1) { return all[number - 1] }
        guard let status = RunStatus(rawValue: text) else { throw file.wrong("status", "a status, 1 to 5") }
        return status
    }

    private func dataset(_ input: MetaFile, in experiment: String) throws -> RunInput? {
        guard try input.text("source_type") == "DATASET" else { return nil }
        let id = try input.text("source_id")
        guard !id.contains("/"), id != ".." else { throw input.wrong("source_id", "the name of a folder") }
        let file = try MetaFile("\(experiment)/datasets/\(id)/\(Self.meta)", in: folder)
        return RunInput(
            name: try file.text("name"), digest: try file.text("digest"),
            sourceType: try file.optionalText("source_type") ?? "", source: try file.optionalText("source") ?? "",
            schema: try file.optionalText("schema"), profile: try file.optionalText("profile"),
            tags: try input.texts("tags"))
    }

    private func output(_ path: String) throws -> ModelOutput {
        let file = try MetaFile(path + "/" + Self.meta, in: folder)
        return ModelOutput(modelID: try file.text("destination_id"), step: try file.optionalWhole("step") ?? 0)
    }

    private func path(of run: Run) -> String { path(of: run.experimentID) + "/" + run.id }

    func metricKeys(of run: Run) throws -> [String] { try folder.keys(path(of: run) + "/metrics") }

    func history(of run: Run, key: String) throws -> (points: [MetricPoint], unreadable: [NestboxError]) {
        let file = path(of: run) + "/metrics/" + key
        let (lines, errors) = MetricLine.lines(try folder.metricFile(file), path: folder.path(file))
        let points = lines.map { MetricPoint(key: key, value: $0.value, timestamp: $0.timestamp, step: $0.step) }
        return (points, errors)
    }

    // MARK: Files

    func files(at location: String, of id: String) throws -> [Found<MLflowFile>] {
        guard let found = try artifacts.folder(location, of: id, own: own(location, id)) else { return [] }
        return artifacts.files(in: found)
    }

    /// Where the store itself puts the files, when their location ends as it does there: the folder may have been moved.
    func own(_ location: String, _ id: String) -> String? {
        let parts = location.split(separator: "/").map(String.init)
        let isDeep = parts.count > 3 && ["models", "traces"].contains(parts[parts.count - 3])
        let tail = parts.suffix(isDeep ? 4 : 3)
        guard tail.count == (isDeep ? 4 : 3), let experiment = tail.first, !tail.contains("..") else { return nil }
        return folder.path(([path(of: experiment)] + tail.dropFirst()).joined(separator: "/"))
    }

    func open(_ file: MLflowFile) throws -> ByteStream { try artifacts.open(file) }
}
