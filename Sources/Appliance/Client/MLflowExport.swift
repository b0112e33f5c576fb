import Contracts
import Core

/// Brings what a Nestbox keeps in tracking and registry over to an MLflow server, over MLflow's own REST API.
///
/// MLflow gives runs and logged models identifiers of its own. So they are made first, all of them, each with a tag that says
/// where it comes from (made with the tag in one request); then their contents follow, with every reference to a run or a
/// logged model turned into its identifier there. An export that was cut off is simply called again: it finds what it made by
/// those tags, compares, and writes what is missing or differs. What is counted as exported was read back from the target.
/// Nothing is taken away there, except that what is deleted here is deleted there.
package struct MLflowExport: Exchange {
    let source: Remote
    let target: MLflowServer
    /// Names; nil for all.
    let chosen: [String]?
    private let say: @Sendable (Double, String) -> Void

    /// On all that an export makes: the address and the identifier that it comes from. The identifier alone decides: runs
    /// and logged models have unique ones, and one server may have several addresses.
    package static let sourceTag = "nestbox.export.source"
    static let pageSize = 500

    /// - Parameters:
    ///   - experiments: names of those to bring; nil for all, and then prompts and every registered model come along.
    ///   - say: hears how far it is, from 0 to 1, and what is being brought.
    package init(
        from source: Remote, to target: MLflowServer, experiments: [String]? = nil,
        say: @escaping @Sendable (Double, String) -> Void
    ) {
        self.source = source
        self.target = target
        chosen = experiments
        self.say = say
    }

    struct State: ExchangeState {
        var report = ExchangeReport()
        /// Identifiers there of what has them here.
        var experiments: [String: String] = [:]
        var runs: [String: String] = [:]
        var models: [String: String] = [:]
        /// What this call has made there.
        var created: Set<String> = []
        /// By the folder here: where its files go.
        var places: [String: Place] = [:]
        /// Files in a row that the server could not store.
        var refusedFiles = 0
        var hasTraces = false
        /// Names of registered models and prompts with what MLflow does not keep.
        var withHistory: [String] = [], withSemantics: [String] = []
        /// Things brought, of how many; a version counts once.
        var steps = 0, allSteps = 0
    }

    struct Place {
        var uri: String
        var run: String?
        var model: String?
    }

    /// An experiment here and there.
    struct Pair {
        var source: Experiment
        var target: Experiment
        var isNew: Bool
        /// Whether an export made it.
        var isOurs: Bool
    }

    /// What one thing's failure does not stop is in the report; throws when one of the servers does not answer.
    package func run() async throws -> ExchangeReport {
        do {
            return try await runAll()
        } catch let error as NestboxError {
            throw Self.explained(error, target: target.address)
        }
    }

    private func runAll() async throws -> ExchangeReport {
        var state = State()
        for kind in ["experiments", "runs"] { state.report.add(kind, source: 0) }
        var pairs: [Pair] = []
        for experiment in try await chosenExperiments() {
            try await attempt("experiments", "experiment `\(experiment.name)`", &state) { state in
                var pair = try await place(experiment, &state)
                state.experiments[experiment.id] = pair.target.id
                try await placeRuns(&pair, &state)
                try await placeLoggedModels(&pair, &state)
                pairs.append(pair)
            }
        }
        for index in pairs.indices {
            try await bringRuns(pairs[index], &state)
            try await bringLoggedModels(pairs[index], &state)
            try await bringTraces(&pairs[index], &state)
        }
        try await bringRegistry(&state)
        if state.hasTraces { try await linkTraces(pairs, &state) }
        for pair in pairs {
            try await attempt("experiments", "experiment `\(pair.source.name)`", &state) { state in
                try await close(pair, &state)
            }
        }
        func note(_ names: [String], _ what: String) {
            guard !names.isEmpty else { return }
            state.report.notes.append("\(what): " + names.map { "`\($0)`" }.joined(separator: ", "))
        }
        note(state.withHistory, "the history of aliases and stages stays here, for MLflow keeps none")
        note(state.withSemantics, "semantic versions are tags there, and nothing keeps their order")
        state.report.notes.append(
            "MLflow says itself when an experiment, a logged model, a registered model or a version was made, and keeps not who made it"
        )
        return state.report
    }

    func progress(_ what: String, _ state: inout State) {
        state.steps += 1
        say(min(1, Double(state.steps) / Double(max(1, state.allSteps))), what)
    }

    /// What a message says that somebody reads who exports.
    package static func explained(_ error: NestboxError, target address: String) -> NestboxError {
        var error = error
        let isFull = ["disk is full", "No space left on device", "DiskFull"].contains { error.message.contains($0) }
        if isFull, error.message.contains(address) || error.cause is UpstreamFault {
            return NestboxError(
                .storageFull, "the disk of the MLflow server at \(address) is full: \(error.message)",
                hint: "make room there and export again: what is there already stays", cause: error.cause)
        }
        if error.code == .permissionDenied, error.hint == nil {
            error.hint = "may the user named by NESTBOX_TRACKING_USERNAME change experiments and models there?"
        }
        guard error.code == .unavailable else { return error }
        if error.message.contains("credentials") {
            error.hint =
                "set NESTBOX_TRACKING_USERNAME and NESTBOX_TRACKING_PASSWORD, or NESTBOX_TRACKING_TOKEN, for nestbox export"
        } else if error.message.contains(address) || error.cause is UpstreamFault {
            error.hint = "is the MLflow server running there? What is there already stays; export again when it is back"
        } else {
            error.hint = [error.hint, "what was exported already stays; export again"].compactMap { $0 }
                .joined(separator: "; ")
        }
        return error
    }

    // MARK: Experiments

    private func chosenExperiments() async throws -> [Experiment] {
        let all = try await Page.all { token in
            try await source.tracking.experiments(
                ExperimentSearch(
                    view: .all, maxResults: Self.pageSize, orderBy: ["experiment_id ASC"], pageToken: token))
        }
        guard let chosen else { return all }
        let names = Set(all.map(\.name))
        if let unknown = chosen.first(where: { !names.contains($0) }) {
            throw NestboxError(
                .notFound, "there is no experiment `\(unknown)`",
                hint: names.count > 20
                    ? "its name is needed as it is, also in upper and lower case"
                    : "there are " + names.sorted().map { "`\($0)`" }.joined(separator: ", "))
        }
        return all.filter { chosen.contains($0.name) }
    }

    private func place(_ experiment: Experiment, _ state: inout State) async throws -> Pair {
        say(0, "experiment \(experiment.name)")
        if experiment.tags[MLflowImport.originTag]?.hasPrefix(target.address + "#") == true {
            throw NestboxError(
                .conflict, "it was imported from that very server",
                hint: "its runs are there already; export to another")
        }
        var tags = experiment.tags
        tags[Self.sourceTag] = origin(experiment.id)
        let there = try await absent { try await target.tracking.experiment(named: experiment.name) }
        var here: Experiment
        if let there {
            here = there
        } else {
            here = try await target.tracking.createExperiment(
                name: experiment.name, artifactLocation: nil, tags: tags)
        }
        let isOurs = here.tags[Self.sourceTag].map { Self.identifier(in: $0) == experiment.id } ?? false
        if here.lifecycleStage == .deleted {
            guard isOurs else {
                throw NestboxError(
                    .conflict, "there is a deleted experiment of that name there",
                    hint: "restore it, or remove it for good with `mlflow gc`, and export again")
            }
            if experiment.lifecycleStage == .active { try await open(&here) }
        }
        for (key, value) in experiment.tags.sorted(by: { $0.key < $1.key })
        where here.tags[key] != value && key != Self.sourceTag {
            try await open(&here)
            try await target.tracking.setExperimentTag(id: here.id, key: key, value: value)
        }
        if !isOurs, experiment.id != "0" {
            state.report.notes.append("experiment `\(experiment.name)` was there already: its runs are added to it")
        }
        return Pair(source: experiment, target: here, isNew: there == nil, isOurs: isOurs)
    }

    func origin(_ identifier: String) -> String { "\(source.client.baseURL)#\(identifier)" }

    static func identifier(in origin: String) -> String? {
        origin.lastIndex(of: "#").map { String(origin[origin.index(after: $0)...]) }
    }

    /// What is deleted takes neither new runs nor tags nor traces. Its runs are restored with it, which its deletion at the
    /// end undoes.
    func open(_ experiment: inout Experiment) async throws {
        guard experiment.lifecycleStage == .deleted else { return }
        try await target.tracking.restoreExperiment(id: experiment.id)
        experiment.lifecycleStage = .active
    }

    private func close(_ pair: Pair, _ state: inout State) async throws {
        var now = try await target.tracking.experiment(id: pair.target.id)
        if pair.source.lifecycleStage == .deleted {
            if !pair.isOurs {
                state.report.notes.append("experiment `\(pair.source.name)` is deleted here, and stays active there")
            } else if now.lifecycleStage == .active {
                try await target.tracking.deleteExperiment(id: now.id)
                now = try await target.tracking.experiment(id: now.id)
            }
        }
        let isClosed = !pair.isOurs || now.lifecycleStage == pair.source.lifecycleStage
        guard isClosed, pair.source.tags.allSatisfy({ now.tags[$0.key] == $0.value || $0.key == Self.sourceTag }) else {
            throw NestboxError(.conflict, "it was changed there while it was exported", hint: "export again")
        }
        state.report.add("experiments", imported: pair.isNew ? 1 : 0, skipped: pair.isNew ? 0 : 1)
    }

    // MARK: What MLflow keeps

    /// In characters, as MLflow counts. It cuts longer ones off, unless it is told to refuse them.
    /// Source: mlflow/utils/validation.py and the columns of mlflow/store/tracking/dbmodels/models.py (3.17).
    enum Limit {
        static let param = 6000, tag = 8000, traceEntry = 8000, preview = 1000
        static let datasetSource = 65_535, datasetSchema = 1_048_575, datasetProfile = 16_777_215
    }

    package static func fit(_ value: String, _ limit: Int) -> String {
        guard value.utf8.count > limit, value.unicodeScalars.count > limit else { return value }
        return String(String.UnicodeScalarView(value.unicodeScalars.prefix(limit)))
    }

    func note(_ what: String, _ values: [String: String], over limit: Int, _ state: inout State) {
        for (key, value) in values.sorted(by: { $0.key < $1.key }) where Self.fit(value, limit) != value {
            state.report.notes.append(
                "\(what) `\(key.prefix(80))` has \(value.unicodeScalars.count) characters: MLflow keeps the first \(limit)"
            )
        }
    }

    /// A value that is the identifier of a run or a logged model becomes the one there: that of the parent run, say.
    static func mapped(_ value: String, _ state: State) -> String {
        state.runs[value] ?? state.models[value] ?? value
    }

    static func mapped(_ values: [String: String], _ limit: Int, _ state: State) -> [String: String] {
        values.mapValues { fit(mapped($0, state), limit) }
    }

    /// Few enough for one request, in number and in bytes.
    package static func batches(_ values: [String: String]) -> [[String: String]] {
        let most = 100, bytes = 400_000
        var batches: [[String: String]] = [], batch: [String: String] = [:], size = 0
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            let length = key.utf8.count + value.utf8.count
            if batch.count == most || (size + length > bytes && !batch.isEmpty) {
                batches.append(batch)
                (batch, size) = ([:], 0)
            }
            batch[key] = value
            size += length
        }
        return batch.isEmpty ? batches : batches + [batch]
    }
}
