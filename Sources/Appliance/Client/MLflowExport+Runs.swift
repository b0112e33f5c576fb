import Contracts
import Core

extension MLflowExport {
    private static let parentTag = "mlflow.parentRunId"
    private static let nameTag = "mlflow.runName"
    /// A text of older clients that names the run inside.
    private static let historyTag = "mlflow.log-model.history"

    /// Finds the runs that an export made, and makes the others, empty.
    func placeRuns(_ pair: inout Pair, _ state: inout State) async throws {
        var known: [String: (id: String, uri: String)] = [:]
        if !pair.isNew {
            try await eachRun(of: target.tracking, pair.target.id, filter: "tags.`\(Self.sourceTag)` LIKE '%#%'") {
                run in
                guard let id = run.tags[Self.sourceTag].flatMap(Self.identifier) else { return }
                known[id] = (run.id, run.artifactURI)
            }
        }
        try await eachRun(of: source.tracking, pair.source.id) { run in
            try await attempt("runs", "run `\(run.id)`", &state) { state in
                if known[run.id] == nil {
                    try await open(&pair.target)
                    let made = try await target.tracking.createRun(
                        NewRun(
                            experimentID: pair.target.id, name: run.name.isEmpty ? nil : run.name,
                            user: run.user.isEmpty ? nil : run.user, startTime: run.startTime,
                            tags: tags(of: run, state)))
                    known[run.id] = (made.id, made.artifactURI)
                    state.created.insert(made.id)
                }
                guard let there = known[run.id] else { return }
                state.runs[run.id] = there.id
                state.places[run.artifactURI] = Place(uri: there.uri, run: there.id)
                state.allSteps += 1
            }
        }
    }

    private func eachRun(
        of tracking: RemoteTracking, _ experiment: String, filter: String = "", _ use: (Run) async throws -> Void
    ) async throws {
        var token: String?
        repeat {
            let page = try await tracking.runs(
                RunSearch(
                    experimentIDs: [experiment], view: .all, filter: filter, maxResults: Self.pageSize,
                    orderBy: ["attributes.start_time ASC"], pageToken: token))
            for run in page.items { try await use(run) }
            token = page.nextPageToken
        } while token != nil
    }

    func bringRuns(_ pair: Pair, _ state: inout State) async throws {
        try await eachRun(of: source.tracking, pair.source.id) { run in
            // One that could not be made is in the report already; one that has begun since waits for the next export.
            guard let id = state.runs[run.id] else { return }
            try await attempt("runs", "run `\(run.id)`", &state) { state in
                try await bring(run, id, isDeleted: run.lifecycleStage == .deleted || pair.isDeleted, &state)
            }
        }
    }

    private func tags(of run: Run, _ state: State) -> [String: String] {
        var tags = run.tags
        // The name's own tag follows the name.
        tags[Self.nameTag] = nil
        if let history = tags[Self.historyTag], let id = state.runs[run.id] {
            tags[Self.historyTag] = history.replacing(run.id, with: id)
        }
        tags = Self.mapped(tags, Limit.tag, state)
        tags[Self.sourceTag] = origin(run.id)
        return tags
    }

    /// What is written to a run, which is restored for it when it is deleted.
    struct OpenRun {
        let id: String
        let tracking: RemoteTracking
        var isActive: Bool
        var isWritten = false

        mutating func open() async throws {
            isWritten = true
            guard !isActive else { return }
            try await tracking.restoreRun(id: id)
            isActive = true
        }

        mutating func close(isDeleted: Bool) async throws {
            guard isActive == isDeleted else { return }
            isWritten = true
            if isDeleted { try await tracking.deleteRun(id: id) } else { try await tracking.restoreRun(id: id) }
            isActive = !isDeleted
        }
    }

    private func bring(_ run: Run, _ id: String, isDeleted: Bool, _ state: inout State) async throws {
        progress("run \(run.id)", &state)
        let what = "run `\(run.id)`"
        let before = try await target.tracking.run(id: id)
        var open = OpenRun(id: id, tracking: target.tracking, isActive: before.lifecycleStage == .active)
        try await bringEntries(of: run, before, &open, &state)
        try await bringLinks(of: run, before, &open, &state)
        try await bringPoints(of: run, before, &open, &state)
        try await bringFiles(from: run.artifactURI, to: before.artifactURI, what, &state)
        if before.status != run.status || before.endTime != run.endTime && run.endTime != nil
            || before.name != run.name && !run.name.isEmpty
        {
            // Last, so that a run that has ended there is whole.
            try await open.open()
            _ = try await target.tracking.updateRun(
                id: id, RunUpdate(status: run.status, endTime: run.endTime, name: run.name.isEmpty ? nil : run.name))
        }
        try await open.close(isDeleted: isDeleted)
        let isNew = state.created.contains(id) || open.isWritten
        if open.isWritten {
            let now = try await target.tracking.run(id: id)
            guard now.status == run.status, run.endTime == nil || now.endTime == run.endTime,
                now.startTime == run.startTime, run.name.isEmpty || now.name == run.name,
                (now.lifecycleStage == .deleted) == isDeleted
            else { throw NestboxError(.conflict, "it was changed there while it was exported", hint: "export again") }
        }
        state.report.add("runs", imported: isNew ? 1 : 0, skipped: isNew ? 0 : 1)
    }

    // MARK: Params, tags, inputs and outputs

    private func bringEntries(
        of run: Run, _ before: Run, _ open: inout OpenRun, _ state: inout State
    ) async throws {
        let what = "run `\(run.id)`"
        note("\(what): param", run.params, over: Limit.param, &state)
        note("\(what): tag", run.tags, over: Limit.tag, &state)
        if let parent = run.parentID, state.runs[parent] == nil {
            state.report.notes.append("\(what): its parent `\(parent)` is not among what was exported")
        }
        let params = run.params.mapValues { Self.fit($0, Limit.param) }
        for (key, value) in params where before.params[key] != nil && before.params[key] != value {
            state.report.failures.append(
                "\(what): param `\(key)` has another value there, and MLflow lets none be changed")
        }
        for batch in Self.batches(params.filter { before.params[$0.key] == nil }) {
            try await attempt(nil, what, &state) { _ in
                try await open.open()
                try await target.tracking.log(runID: open.id, LogBatch(params: batch))
            }
        }
        let tags = tags(of: run, state)
        for batch in Self.batches(tags.filter { before.tags[$0.key] != $0.value }) {
            try await attempt(nil, what, &state) { _ in
                try await open.open()
                try await target.tracking.log(runID: open.id, LogBatch(tags: batch))
            }
        }
        let after = open.isWritten ? try await target.tracking.run(id: open.id) : before
        count(
            "params", params.map { Entry($0) }, before.params.map { Entry($0) }, after.params.map { Entry($0) }, &state)
        let own = tags.filter { $0.key != Self.sourceTag || run.tags[$0.key] != nil }
        // The tags that a run is made with are exported by that.
        let isNew = state.created.contains(open.id)
        count(
            "tags", own.map { Entry($0) }, isNew ? [] : before.tags.map { Entry($0) }, after.tags.map { Entry($0) },
            &state)
    }

    private struct Entry: Hashable {
        let key: String, value: String

        init(_ pair: (key: String, value: String)) { (key, value) = pair }
    }

    /// What is there afterwards, of what is wanted.
    func count<T: Hashable>(_ kind: String, _ wanted: [T], _ before: [T], _ after: [T], _ state: inout State) {
        let wanted = Set(wanted)
        let old = wanted.intersection(before)
        state.report.add(
            kind, source: wanted.count, imported: wanted.intersection(after).subtracting(old).count, skipped: old.count)
    }

    private func bringLinks(of run: Run, _ before: Run, _ open: inout OpenRun, _ state: inout State) async throws {
        let what = "run `\(run.id)`"
        func key(_ input: RunInput) -> [String] { [input.name, input.digest] }
        func ids(_ models: [String]) -> [String] { models.compactMap { state.models[$0] } }
        let lost = (run.modelInputs + run.modelOutputs.map(\.modelID)).filter { state.models[$0] == nil }
        for model in lost.sorted() {
            state.report.notes.append(
                "\(what): logged model `\(model)` is deleted or not among what was exported, so it is not linked")
        }
        let there = Set(before.inputs.map(key))
        let inputs = run.inputs.filter { !there.contains(key($0)) }.map { fit($0, what, &state) }
        for start in stride(from: 0, to: inputs.count, by: 100) {
            try await attempt(nil, what, &state) { _ in
                try await open.open()
                try await target.tracking.logInputs(runID: open.id, Array(inputs[start...].prefix(100)))
            }
        }
        let used = ids(run.modelInputs).filter { !before.modelInputs.contains($0) }
        if !used.isEmpty {
            try await open.open()
            try await target.tracking.logModelInputs(runID: open.id, modelIDs: used)
        }
        // Logged twice it would be an error there.
        let old = Set(before.modelOutputs.map(\.modelID))
        let made = run.modelOutputs.compactMap { output in
            state.models[output.modelID].map { ModelOutput(modelID: $0, step: output.step) }
        }.filter { !old.contains($0.modelID) }
        if !made.isEmpty {
            try await open.open()
            try await target.tracking.logModelOutputs(runID: open.id, made)
        }
        let isChanged = !inputs.isEmpty || !used.isEmpty || !made.isEmpty
        let after = isChanged ? try await target.tracking.run(id: open.id) : before
        count("dataset inputs", run.inputs.map(key), before.inputs.map(key), after.inputs.map(key), &state)
        func links(_ run: Run, _ inputs: [String], _ outputs: [String]) -> [[String]] {
            inputs.map { ["used", $0] } + outputs.map { ["made", $0] }
        }
        count(
            "model links", links(run, ids(run.modelInputs), ids(run.modelOutputs.map(\.modelID))),
            links(before, before.modelInputs, before.modelOutputs.map(\.modelID)),
            links(after, after.modelInputs, after.modelOutputs.map(\.modelID)), &state)
    }

    /// Half a schema is none, so one that is too long is left out.
    private func fit(_ input: RunInput, _ what: String, _ state: inout State) -> RunInput {
        var input = input
        func isLong(_ text: String?, _ limit: Int) -> Bool { text.map { Self.fit($0, limit) != $0 } ?? false }
        for (name, path, limit) in [
            ("schema", \RunInput.schema, Limit.datasetSchema), ("profile", \.profile, Limit.datasetProfile),
        ] where isLong(input[keyPath: path], limit) {
            state.report.notes.append(
                "\(what): the \(name) of dataset `\(input.name)` is longer than the \(limit) characters that MLflow keeps; left out"
            )
            input[keyPath: path] = nil
        }
        return input
    }
}

extension MLflowExport.Pair {
    /// Whether it is deleted there at the end.
    var isDeleted: Bool { source.lifecycleStage == .deleted && isOurs }
}
