import Contracts
import Core

extension MLflowServer: MLflowSource {
    private static let pageSize = 500
    private static let historyPage = 25_000
    private static let tracesAtOnce = 50
    /// Searches leave prompts out unless they ask for them.
    static let prompts = "tags.`\(MLflowModelKind.promptTag)` = 'true'"

    package func leftOut() -> [String] { [] }

    package func experiments() async throws -> [Found<Experiment>] {
        try await Page.all { token in
            try await tracking.experiments(
                ExperimentSearch(
                    view: .all, maxResults: Self.pageSize, orderBy: ["experiment_id ASC"], pageToken: token))
        }.map(Found.success)
    }

    package func runs(of experiment: Experiment, page: String?) async throws -> MLflowPage<Run> {
        let answer = try await tracking.runs(
            RunSearch(
                experimentIDs: [experiment.id], view: .all, maxResults: Self.pageSize,
                orderBy: ["attributes.start_time ASC"], pageToken: page))
        var runs: [Found<Run>] = []
        for run in answer.items {
            // A search of MLflow (3.17) leaves out the logged models that a run used.
            runs.append(.success(try await tracking.run(id: run.id)))
        }
        return MLflowPage(items: runs, next: answer.nextPageToken)
    }

    package func metricKeys(of run: Run) -> [String] { run.metrics.map(\.key) }

    package func history(
        of run: Run, key: String
    ) async throws -> (points: [MetricPoint], unreadable: [NestboxError]) {
        let points = try await Page.all { token in
            try await tracking.metricHistory(runID: run.id, key: key, maxResults: Self.historyPage, pageToken: token)
        }
        return (points, [])
    }

    package func loggedModels(of experiment: Experiment) async throws -> [Found<LoggedModel>] {
        try await Page.all { token in
            try await tracking.loggedModels(
                LoggedModelSearch(experimentIDs: [experiment.id], maxResults: 50, pageToken: token))
        }.map(Found.success)
    }

    package func traces(of experiment: Experiment, page: String?) async throws -> MLflowPage<MLflowTrace> {
        let answer = try await traces.search(
            TraceSearch(
                experimentIDs: [experiment.id], orderBy: ["timestamp_ms ASC"], maxResults: Self.tracesAtOnce,
                pageToken: page))
        let spans = Dictionary(
            try await traces.traces(ids: answer.items.map(\.id)).map { ($0.info.id, $0.spans) },
            uniquingKeysWith: { $1 })
        let items = answer.items.map { info in
            let missing = NestboxError(
                .notFound, "its spans are not in the MLflow server's database",
                hint: "they lie in a file among its artifacts, which is not read")
            return Found.success(
                MLflowTrace(info: info, spans: spans[info.id].map(Result.success) ?? .failure(missing)))
        }
        return MLflowPage(items: items, next: answer.nextPageToken)
    }

    package func registeredModels(_ kind: MLflowModelKind) async throws -> [Found<RegisteredModel>] {
        try await Page.all { token in
            try await registry.searchModels(
                ModelSearch(filter: kind == .prompt ? Self.prompts : "", maxResults: 100, pageToken: token))
        }.map(Found.success)
    }

    package func versions(of model: RegisteredModel, _ kind: MLflowModelKind) async throws -> [Found<ModelVersion>] {
        var versions = try await Self.listed(model.name, kind, in: registry)
        for (index, version) in versions.enumerated()
        where version.source.hasPrefix("runs:/") || version.source.hasPrefix("models:/") {
            versions[index].artifactURI = try await registry.version(version.name, version.version).artifactURI
        }
        return versions.map(Found.success)
    }

    /// A prompt's versions, too, are found only when they are asked for.
    static func listed(
        _ name: String, _ kind: MLflowModelKind, in registry: RemoteRegistry
    ) async throws -> [ModelVersion] {
        var filter = "name = \(try RemoteRegistry.quoted(name))"
        if kind == .prompt { filter += " AND " + prompts }
        return try await Page.all { token in
            try await registry.searchVersions(
                ModelSearch(filter: filter, maxResults: 100, orderBy: ["version_number ASC"], pageToken: token))
        }
    }

    package func files(at location: String, of id: String) async throws -> [Found<MLflowFile>] {
        guard let artifacts, let root = try? ArtifactPath.path(ofURI: location) else {
            throw NestboxError(.notFound, "its files at `\(location)` are not served by the MLflow server")
        }
        var folders = [root], files: [Found<MLflowFile>] = []
        while let folder = folders.popLast() {
            for entry in try await artifacts.list(folder) {
                if entry.isDirectory {
                    folders.append(entry.path)
                } else {
                    let path = String(entry.path.dropFirst(root.count + 1))
                    files.append(.success(MLflowFile(path: path, size: entry.size ?? 0, place: entry.path)))
                }
            }
        }
        return files
    }

    package func open(_ file: MLflowFile) async throws -> ByteStream {
        guard let artifacts else { throw NestboxError(.notFound, "the MLflow server serves no files") }
        return try await artifacts.open(file.place, range: nil).body
    }
}
