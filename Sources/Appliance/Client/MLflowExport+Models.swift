import Contracts
import Core

extension MLflowExport {
    /// MLflow's own note of a logged model's versions.
    private static let versionsTag = "mlflow.modelVersions"
    private static let modelPage = 50

    /// Finds the logged models that an export made, and makes the others. Deleted ones are named by no server.
    func placeLoggedModels(_ pair: inout Pair, _ state: inout State) async throws {
        var known: [String: LoggedModel] = [:]
        if !pair.isNew {
            try await eachLoggedModel(of: target.tracking, pair.target.id) { model in
                if let id = model.tags[Self.sourceTag].flatMap(Self.identifier) { known[id] = model }
            }
        }
        try await eachLoggedModel(of: source.tracking, pair.source.id) { model in
            try await attempt("logged models", "logged model `\(model.id)`", &state) { state in
                var there = known[model.id]
                if there == nil {
                    try await open(&pair.target)
                    there = try await target.tracking.createLoggedModel(
                        NewLoggedModel(
                            experimentID: pair.target.id, name: model.name, modelType: model.modelType,
                            sourceRunID: model.sourceRunID.flatMap { state.runs[$0] }, params: model.params,
                            tags: tags(of: model, state)))
                    there.map { _ = state.created.insert($0.id) }
                }
                guard let there else { return }
                state.models[model.id] = there.id
                state.places[model.artifactURI] = Place(
                    uri: there.artifactURI, run: model.sourceRunID.flatMap { state.runs[$0] }, model: there.id)
                state.allSteps += 1
            }
        }
    }

    private func eachLoggedModel(
        of tracking: RemoteTracking, _ experiment: String, _ use: (LoggedModel) async throws -> Void
    ) async throws {
        var token: String?
        repeat {
            let page = try await tracking.loggedModels(
                LoggedModelSearch(experimentIDs: [experiment], maxResults: Self.modelPage, pageToken: token))
            for model in page.items { try await use(model) }
            token = page.nextPageToken
        } while token != nil
    }

    private func tags(of model: LoggedModel, _ state: State) -> [String: String] {
        var tags = model.tags
        tags[Self.versionsTag] = nil
        tags = tags.mapValues { Self.mapped($0, state) }
        tags[Self.sourceTag] = origin(model.id)
        return tags
    }

    func bringLoggedModels(_ pair: Pair, _ state: inout State) async throws {
        try await eachLoggedModel(of: source.tracking, pair.source.id) { model in
            guard let id = state.models[model.id] else { return }
            try await attempt("logged models", "logged model `\(model.id)`", &state) { state in
                try await bring(model, id, &state)
            }
        }
    }

    private func bring(_ model: LoggedModel, _ id: String, _ state: inout State) async throws {
        progress("logged model \(model.id)", &state)
        let what = "logged model `\(model.id)`"
        let before = try await target.tracking.loggedModel(id: id, includingDeleted: true)
        let tags = tags(of: model, state).filter { before.tags[$0.key] != $0.value }
        let params = model.params.filter { before.params[$0.key] == nil }
        for batch in Self.batches(tags) { try await target.tracking.setLoggedModelTags(id: id, batch) }
        for batch in Self.batches(params) { try await target.tracking.logLoggedModelParams(id: id, batch) }
        let isMeasured = try await bringMetrics(of: model, before, &state)
        try await bringFiles(from: model.artifactURI, to: before.artifactURI, what, &state)
        let hasEnded = [.ready, .failed].contains(model.status) && before.status != model.status
        if hasEnded { _ = try await target.tracking.finalizeLoggedModel(id: id, status: model.status) }
        let isWritten = !tags.isEmpty || !params.isEmpty || hasEnded || isMeasured
        let after = isWritten ? try await target.tracking.loggedModel(id: id, includingDeleted: true) : before
        if let run = model.sourceRunID, state.runs[run] == nil {
            state.report.notes.append("\(what): the run `\(run)` that made it is not among what was exported")
        }
        guard [.pending, .unspecified].contains(model.status) || after.status == model.status,
            model.params.allSatisfy({ after.params[$0.key] == $0.value }),
            self.tags(of: model, state).allSatisfy({ after.tags[$0.key] == $0.value })
        else {
            throw NestboxError(.conflict, "it is another one there, or was changed meanwhile", hint: "export again")
        }
        let isNew = state.created.contains(id) || isWritten
        state.report.add("logged models", imported: isNew ? 1 : 0, skipped: isNew ? 0 : 1)
    }

    // MARK: Metrics

    /// What MLflow tells measurements apart by.
    private struct Measurement: Hashable {
        let key: String, step: Int64, time: Int64, run: String

        init(_ metric: LoggedModelMetric, run: String) {
            key = metric.point.key
            step = metric.point.step
            time = metric.point.timestamp.milliseconds
            self.run = run
        }
    }

    /// They are logged by the runs that measured, of which they are metrics, too.
    private func bringMetrics(
        of model: LoggedModel, _ before: LoggedModel, _ state: inout State
    ) async throws -> Bool {
        let what = "logged model `\(model.id)`"
        var wanted: [Measurement: LoggedModelMetric] = [:], lost: Set<String> = []
        for metric in model.metrics {
            guard let run = state.runs[metric.runID] else {
                lost.insert(
                    "its metric `\(metric.point.key)` was measured by run `\(metric.runID)`, which was not exported")
                continue
            }
            guard !metric.point.value.isNaN else {
                lost.insert(
                    "its metric `\(metric.point.key)` is NaN at step \(metric.point.step), which MLflow keeps for runs only"
                )
                continue
            }
            var moved = metric
            moved.modelID = before.id
            if wanted.updateValue(moved, forKey: Measurement(metric, run: run)) != nil {
                lost.insert("its metric `\(metric.point.key)` was measured twice at one moment: MLflow keeps one value")
            }
        }
        state.report.notes += lost.sorted().map { "\(what): \($0)" }
        let old = before.metrics.map { Measurement($0, run: $0.runID) }
        let missing = wanted.filter { !Set(old).contains($0.key) }
        for (run, metrics) in Dictionary(grouping: missing, by: \.key.run).sorted(by: { $0.key < $1.key }) {
            let there = try await target.tracking.run(id: run)
            var open = OpenRun(id: run, tracking: target.tracking, isActive: there.lifecycleStage == .active)
            let values = metrics.map(\.value)
            for start in stride(from: 0, to: values.count, by: 1000) {
                let batch = Array(values[start...].prefix(1000))
                try await attempt(nil, "\(what): metrics", &state) { _ in
                    try await open.open()
                    try await target.tracking.log(
                        runID: run, LogBatch(metrics: batch.map(\.point), modelMetrics: batch))
                }
            }
            try await open.close(isDeleted: there.lifecycleStage == .deleted)
        }
        let after =
            missing.isEmpty
            ? old
            : try await target.tracking.loggedModel(id: before.id, includingDeleted: true).metrics
                .map { Measurement($0, run: $0.runID) }
        count("model metrics", Array(wanted.keys), old, after, &state)
        return !missing.isEmpty
    }
}
