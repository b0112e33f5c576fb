import Contracts
import Core

/// Brings what MLflow keeps over to a Nestbox, by comparing both: what is there already, the same, stays, and what
/// is missing or differs is written. So an import that was cut off is simply called again, and one of a server that goes on
/// brings what is new there. What is counted as imported was read back from the target.
///
/// Runs, logged models, traces and versions keep their identifiers; experiments and registered models go by name. It refuses
/// to replace a version that somebody made here, or a run of the same id in another experiment.
package struct MLflowImport: Exchange {
    let source: any MLflowSource
    let target: Remote
    let say: @Sendable (String) -> Void

    /// On experiments that were made by an import: the address and the identifier that they come from.
    static let originTag = "nestbox.import.source"

    /// - Parameter say: hears what is being brought.
    package init(from source: any MLflowSource, to target: Remote, say: @escaping @Sendable (String) -> Void) {
        self.source = source
        self.target = target
        self.say = say
    }

    /// What one thing's failure does not stop is in the report; throws when a server does not answer.
    package func run() async throws -> ExchangeReport {
        var state = State()
        for kind in ["experiments", "runs"] { state.report.add(kind, source: 0) }
        state.report.failures += try await source.leftOut()
        for found in try await source.experiments() {
            try await attempt("experiments", Self.name(of: found, "experiment", \.name), &state) { state in
                try await bring(found.get(), &state)
            }
        }
        try await bringRegisteredModels(&state)
        return state.report
    }

    struct State: ExchangeState {
        var report = ExchangeReport()
        /// Where files lay and where they lie now: folders of runs and logged models.
        var places: [(from: String, to: String)] = []
        var loggedModelPlaces: [String: String] = [:]

        /// What was said about places that cannot be read.
        var missing: Set<String> = []
    }

    /// What cannot be read says by itself where it lies.
    static func name<T>(of found: Result<T, NestboxError>, _ kind: String, _ name: (T) -> String) -> String {
        guard case .success(let item) = found else { return kind }
        return "\(kind) `\(name(item))`"
    }

    // MARK: Experiments

    private func bring(_ experiment: Experiment, _ state: inout State) async throws {
        say("experiment \(experiment.name)")
        let origin = "\(source.address)#\(experiment.id)"
        let there = try await absent { try await target.tracking.experiment(named: experiment.name) }
        var tags = experiment.tags
        tags[Self.originTag] = origin
        var here: Experiment
        if let there {
            here = there
        } else {
            here = try await target.tracking.createExperiment(name: experiment.name, artifactLocation: nil, tags: tags)
        }
        let isOurs = here.tags[Self.originTag] == origin
        if here.lifecycleStage == .deleted {
            guard isOurs else {
                throw NestboxError(
                    .conflict, "there is a deleted experiment of that name here",
                    hint: "restore it, or remove it for good with `nestbox gc --older-than 0`, and import again")
            }
            if experiment.lifecycleStage == .active { try await open(&here) }
        }
        for (key, value) in experiment.tags where here.tags[key] != value {
            try await open(&here)
            try await target.tracking.setExperimentTag(id: here.id, key: key, value: value)
        }
        here = try await target.tracking.experiment(id: here.id)
        if !isOurs {
            state.note("experiment `\(experiment.name)` was here already: its runs were added to it")
        }
        try await bringContents(of: experiment, into: here, &state)
        let isNew = there == nil
        state.report.add("experiments", imported: isNew ? 1 : 0, skipped: isNew ? 0 : 1)
        if experiment.lifecycleStage == .deleted {
            if isOurs {
                let now = try await target.tracking.experiment(id: here.id)
                if now.lifecycleStage == .active { try await target.tracking.deleteExperiment(id: here.id) }
            } else {
                state.note("experiment `\(experiment.name)` is deleted there, and stays active here")
            }
        }
    }

    /// What is deleted takes runs, but neither tags nor traces. A restored experiment's runs are restored as well, which its
    /// deletion at the end undoes.
    func open(_ experiment: inout Experiment) async throws {
        guard experiment.lifecycleStage == .deleted else { return }
        try await target.tracking.restoreExperiment(id: experiment.id)
        experiment.lifecycleStage = .active
    }

    private func bringContents(of experiment: Experiment, into here: Experiment, _ state: inout State) async throws {
        // What is damaged of one kind stops no other.
        let what = "experiment `\(experiment.name)`"
        try await attempt("runs", what, &state) { state in
            try await bringRuns(of: experiment, into: here, &state)
        }
        try await attempt("logged models", what, &state) { state in
            try await bringLoggedModels(of: experiment, into: here, &state)
        }
        try await attempt("traces", what, &state) { state in
            try await bringTraces(of: experiment, into: here, &state)
        }
    }

    private func bringRuns(of experiment: Experiment, into here: Experiment, _ state: inout State) async throws {
        var token: String?
        repeat {
            let page = try await source.runs(of: experiment, page: token)
            for found in page.items {
                try await attempt("runs", Self.name(of: found, "run", \.id), &state) { state in
                    try await bring(found.get(), into: here, &state)
                }
            }
            token = page.next
        } while token != nil
    }
}
