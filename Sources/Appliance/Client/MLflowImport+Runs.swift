import Contracts
import Core

extension MLflowImport {
    private static let batch = 1000
    private static let historyPage = 25_000

    func bring(_ run: Run, into experiment: Experiment, _ state: inout State) async throws {
        say("run \(run.id)")
        var wanted = run
        wanted.experimentID = experiment.id
        wanted.artifactURI = place(
            run.artifactURI, here: "\(experiment.artifactLocation)/\(run.id)/artifacts", &state)
        wanted.metrics = []
        // Before MLflow 2 a run needed no name.
        if wanted.name.isEmpty { wanted.name = run.id }
        let here = try await absent { try await target.tracking.run(id: run.id) }
        let isSame = here.map { Self.holds($0, wanted) } ?? false
        if !isSame { try await target.exchange.importRun(wanted) }
        state.places.append((run.artifactURI, wanted.artifactURI))
        try await bringPoints(of: run, isActive: wanted.lifecycleStage == .active, wanted, &state)
        try await bringFiles(from: run.artifactURI, to: wanted.artifactURI, of: run.id, "run `\(run.id)`", &state)
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
    struct Identity: Hashable {
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
        for key in try await source.metricKeys(of: run) {
            try await attempt("metric points", "run `\(run.id)`, metric `\(key)`", &state) { state in
                try await bringPoints(of: run, key, &isOpen, wanted, &state)
            }
        }
        if isOpen, !isActive { try await target.exchange.importRun(wanted) }
    }

    private func bringPoints(
        of run: Run, _ key: String, _ isOpen: inout Bool, _ wanted: Run, _ state: inout State
    ) async throws {
        let (points, unreadable) = try await source.history(of: run, key: key)
        for error in unreadable { state.fail("run `\(run.id)`, metric `\(key)`", error) }
        let before = Set(try await stored(run.id, key).map(Identity.init))
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
            after = Set(try await stored(run.id, key).map(Identity.init))
        }
        let distinct = Set(points.map(Identity.init))
        let old = distinct.intersection(before).count
        state.report.add(
            "metric points", source: distinct.count, imported: distinct.intersection(after).count - old,
            skipped: old)
    }

    private func stored(_ run: String, _ key: String) async throws -> [MetricPoint] {
        var points: [MetricPoint] = [], token: String?
        repeat {
            let page = try await target.tracking.metricHistory(
                runID: run, key: key, maxResults: Self.historyPage, pageToken: token)
            points += page.items
            token = page.nextPageToken
        } while token != nil
        return points
    }

    // MARK: Files

    /// Where the files of a run or logged model are afterwards: `here`, unless clients find them where they are.
    func place(_ location: String, here: String, _ state: inout State) -> String {
        guard MLflowLocation.isElsewhere(location) else { return here }
        let parts = location.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        let store = parts.prefix(3).joined(separator: "/")
        state.note("files at \(store) were not copied: runs and models go on naming them there")
        return location
    }

    /// The files below an artifact URI. One is the same when its path and size are; whole files appear at once or not at all.
    func bringFiles(
        from: String, to: String, of id: String, _ what: String, _ state: inout State
    ) async throws {
        guard !MLflowLocation.isElsewhere(from) else { return }
        let files: [Result<MLflowFile, NestboxError>]
        do {
            files = try await source.files(at: from, of: id)
        } catch let error as NestboxError where [.notFound, .invalidArgument].contains(error.code) {
            // A folder that is missing is missing for all that lay below it.
            if state.missing.insert(error.message).inserted { state.fail(what, error) }
            return
        }
        let goal = try ArtifactPath.path(ofURI: to)
        for found in files {
            try await attempt("artifact files", Self.name(of: found, "\(what): file", \.path), &state) { state in
                let file = try found.get(), path = goal + "/" + file.path
                let there = try await absent { try await target.artifacts.entry(path) }
                if let there, !there.isDirectory, there.size == file.size {
                    state.report.add("artifact files", skipped: 1)
                    return
                }
                let stored = try await target.artifacts.put(path, try await source.open(file))
                guard stored.size == file.size else {
                    throw NestboxError(
                        .conflict, "\(stored.size ?? 0) of \(file.size) bytes came", hint: "import again")
                }
                state.report.add("artifact files", imported: 1)
            }
        }
    }
}
