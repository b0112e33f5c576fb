import Contracts
import Core

extension MLflowImport {
    private static let batch = 1000
    private static let historyPage = 25_000

    func bring(_ run: Run, into experiment: Experiment, _ state: inout State) async throws {
        say("run \(run.id)")
        var wanted = run
        wanted.experimentID = experiment.id
        wanted.artifactURI = "\(experiment.artifactLocation)/\(run.id)/artifacts"
        wanted.metrics = []
        // Before MLflow 2 a run needed no name.
        if wanted.name.isEmpty { wanted.name = run.id }
        let here = try await absent { try await target.tracking.run(id: run.id) }
        let isSame = here.map { Self.holds($0, wanted) } ?? false
        if !isSame { try await target.exchange.importRun(wanted) }
        state.places.append((run.artifactURI, wanted.artifactURI))
        try await bringPoints(of: run, isActive: wanted.lifecycleStage == .active, wanted, &state)
        try await bringFiles(from: run.artifactURI, to: wanted.artifactURI, "run `\(run.id)`", &state)
        guard Self.holds(try await target.tracking.run(id: run.id), wanted) else {
            throw NestboxError(.conflict, "it was changed here while it was imported", hint: "import again")
        }
        state.report.add("runs", imported: isSame ? 0 : 1, skipped: isSame ? 1 : 0)
        for (kind, count) in [
            ("params", run.params.count), ("tags", run.tags.count), ("dataset inputs", run.inputs.count),
        ] {
            state.report.add(kind, source: count, imported: isSame ? 0 : count, skipped: isSame ? count : 0)
        }
    }

    /// Whether all of `wanted` is there; tags that were added here since may stay.
    private static func holds(_ here: Run, _ wanted: Run) -> Bool {
        here.experimentID == wanted.experimentID && here.status == wanted.status && here.startTime == wanted.startTime
            && here.endTime == wanted.endTime && here.lifecycleStage == wanted.lifecycleStage
            && here.name == wanted.name && here.artifactURI == wanted.artifactURI
            && wanted.params.allSatisfy { here.params[$0.key] == $0.value }
            && wanted.tags.allSatisfy { here.tags[$0.key] == $0.value }
            && Set(here.inputs.map { [$0.name, $0.digest] }).isSuperset(of: wanted.inputs.map { [$0.name, $0.digest] })
            && Set(here.modelInputs).isSuperset(of: wanted.modelInputs)
            && Set(here.modelOutputs).isSuperset(of: wanted.modelOutputs)
    }

    // MARK: Metrics

    /// A point as both sides keep it: NaN is one value, and ±Inf is the largest number to MLflow.
    private struct Identity: Hashable {
        let step: Int64, time: Int64, value: Double?

        init(_ point: MetricPoint) {
            step = point.step
            time = point.timestamp.milliseconds
            let most = Double.greatestFiniteMagnitude
            value = point.value.isNaN ? nil : min(max(point.value, -most), most)
        }
    }

    private func bringPoints(of run: Run, isActive: Bool, _ wanted: Run, _ state: inout State) async throws {
        var isOpen = isActive
        for key in run.metrics.map(\.key) {
            let points = try await history(source.tracking, run.id, key)
            let before = Set(try await history(target.tracking, run.id, key).map(Identity.init))
            let missing = points.filter { !before.contains(Identity($0)) }
            var after = before
            if !missing.isEmpty {
                if !isOpen {
                    // Nothing can be logged to a deleted run.
                    var open = wanted
                    open.lifecycleStage = .active
                    try await target.exchange.importRun(open)
                    isOpen = true
                }
                for start in stride(from: 0, to: missing.count, by: Self.batch) {
                    let batch = LogBatch(metrics: Array(missing[start...].prefix(Self.batch)))
                    try await target.tracking.log(runID: run.id, batch)
                }
                after = Set(try await history(target.tracking, run.id, key).map(Identity.init))
            }
            let distinct = Set(points.map(Identity.init))
            let old = distinct.intersection(before).count
            state.report.add(
                "metric points", source: distinct.count, imported: distinct.intersection(after).count - old,
                skipped: old)
        }
        if isOpen, !isActive { try await target.exchange.importRun(wanted) }
    }

    private func history(_ tracking: RemoteTracking, _ run: String, _ key: String) async throws -> [MetricPoint] {
        try await Self.all { token in
            try await tracking.metricHistory(runID: run, key: key, maxResults: Self.historyPage, pageToken: token)
        }
    }

    // MARK: Files

    /// The files below an artifact URI. One is the same when its path and size are; whole files appear at once or not at all.
    func bringFiles(from: String, to: String, _ what: String, _ state: inout State) async throws {
        guard let artifacts = source.artifacts, let root = try? ArtifactPath.path(ofURI: from) else {
            state.report.failures.append("\(what): its files at `\(from)` are not served by the MLflow server")
            return
        }
        let goal = try ArtifactPath.path(ofURI: to)
        var folders = [root]
        while let folder = folders.popLast() {
            for entry in try await artifacts.list(folder) {
                guard !entry.isDirectory else {
                    folders.append(entry.path)
                    continue
                }
                let path = goal + entry.path.dropFirst(root.count)
                let there = try await absent { try await target.artifacts.entry(path) }
                if let there, !there.isDirectory, there.size == entry.size {
                    state.report.add("artifact files", skipped: 1)
                    continue
                }
                try await attempt("artifact files", "\(what): file `\(entry.path)`", &state) { state in
                    let stored = try await target.artifacts.put(
                        path, try await artifacts.open(entry.path, range: nil).body)
                    guard stored.size == entry.size else {
                        throw NestboxError(
                            .conflict, "\(stored.size ?? 0) of \(entry.size ?? 0) bytes came", hint: "import again")
                    }
                    state.report.add("artifact files", imported: 1)
                }
            }
        }
    }
}
