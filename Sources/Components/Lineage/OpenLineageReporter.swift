import Contracts
import Core
import Foundation

/// An event of this house as what OpenLineage would hear of it.
///
/// A run of an experiment is a run of the job of that name; a child's job is `EXPERIMENT.child`, so that no job is its own parent.
/// Registering and deploying are jobs too, because that is how OpenLineage says that one thing was made from another: `register.NAME` turns a logged model
/// into a version, `deploy.NAME` a version into a deployment. A version of what a run merely stored has that very run as its
/// maker, and is told as something that became known of it later.
package struct OpenLineageReporter: Sendable {
    /// The name that the messages are addressed to, and the sender's.
    package static let target = "openlineage"

    package struct Settings: Sendable {
        /// Where jobs and things of this server are named; another server needs another one.
        package var namespace: String
        /// Of the binary.
        package var version: String

        package init(namespace: String, version: String) {
            self.namespace = namespace
            self.version = version
        }
    }

    /// The kinds of events that something is told of.
    static let kinds: Set<String> = [
        "run.created", "run.updated", "run.finished", "run.logged", "logged_model.created", "model_version.created",
        "deployment.created", "deployment.updated", "deployment.deleted", "dataset.imported",
    ]

    private let sources: LineageSources
    private let settings: Settings
    private let event: OpenLineageEvent
    private let datasets: OpenLineageDatasets

    package init(_ sources: LineageSources, _ settings: Settings) {
        self.sources = sources
        self.settings = settings
        event = OpenLineageEvent(producer: "urn:nestbox:\(settings.version)")
        datasets = OpenLineageDatasets(event: event, namespace: settings.namespace)
    }

    /// - Parameter endsLater: whether the log holds an end of the run after this event, which then tells all of it.
    func messages(
        for fact: (kind: String, subject: String, at: Timestamp, data: JSONValue, id: Int64),
        endsLater: (_ run: String) async throws -> Bool
    ) async throws -> [OutboxMessage] {
        let name = String(fact.subject.drop { $0 != "/" }.dropFirst())
        let events: [JSONValue]
        switch fact.kind {
        case "run.created": events = [try await run(name, .start, at: fact.at)]
        case "run.updated":
            // A client takes an ended run up again. A new name alone tells nothing.
            let isResumed = fact.data["status"] == "RUNNING" && fact.data["name"] == nil
            guard isResumed else { return [] }
            events = [try await run(name, .running, at: fact.at)]
        case "run.finished":
            let state: OpenLineageEvent.RunState =
                switch fact.data["status"]?.stringValue {
                case "FAILED": .fail
                case "KILLED": .abort
                default: .complete
                }
            events = [try await run(name, state, at: fact.at)]
        case "run.logged":
            let isLink = ["inputs", "model_inputs", "model_outputs"].contains { fact.data[$0] != nil }
            events = try await isLink ? late(name, fact.at, endsLater) : []
        case "logged_model.created":
            events = if let run = fact.data["run"]?.stringValue { try await late(run, fact.at, endsLater) } else { [] }
        case "model_version.created":
            guard fact.data["prompt"]?.boolValue != true, let number = fact.data["version"]?.intValue else { return [] }
            events = try await registration(try await sources.registry.version(name, Int(number)), at: fact.at)
        case "deployment.created", "deployment.updated":
            guard let model = fact.data["model"]?.stringValue, let number = fact.data["version"]?.intValue else {
                return []
            }
            events = try await deployment(name, model, Int(number), fact.id, at: fact.at)
        case "deployment.deleted":
            events = [event.dataset(datasets.dataset(deployment: name, version: nil, isGone: true, .fact), at: fact.at)]
        case "dataset.imported":
            guard let number = fact.data["version"]?.intValue else { return [] }
            let version = try await sources.datasets.version(DatasetReference(name: name, version: Int(number)))
            events = [event.dataset(datasets.dataset(version, .fact), at: fact.at)]
        default: events = []
        }
        return try events.map { event in
            let label = event["eventType"]?.stringValue.map { "\(fact.kind) \($0)" } ?? fact.kind
            return OutboxMessage(target: Self.target, label: label, body: try JSON.string(event))
        }
    }

    // MARK: runs

    private func late(
        _ id: String, _ at: Timestamp, _ endsLater: (String) async throws -> Bool
    ) async throws -> [JSONValue] {
        let known = try await sources.tracking.run(id: id)
        let hasEnded = [.finished, .failed, .killed].contains(known.status)
        guard hasEnded, try await !endsLater(id) else { return [] }
        return [try await run(id, .other, at: at)]
    }

    private func run(_ id: String, _ state: OpenLineageEvent.RunState, at: Timestamp) async throws -> JSONValue {
        let run = try await sources.tracking.run(id: id)
        let time =
            switch state {
            case .start: run.startTime
            case .complete, .fail, .abort: run.endTime ?? at
            default: at
            }
        return try await event(of: run, state, at: time)
    }

    private func event(
        of run: Run, _ state: OpenLineageEvent.RunState, at time: Timestamp, adding outputs: [JSONValue] = []
    ) async throws -> JSONValue {
        var facts = LineageFacts(sources)
        let experiment = try await sources.tracking.experiment(id: run.experimentID).name
        var inputs: [JSONValue] = [], made: [JSONValue] = []
        for input in run.inputs { inputs.append(try await dataset(try await facts.dataset(of: input), input, &facts)) }
        let links = try await facts.stated(by: .run(run))
        for link in links where link.kind == .used {
            if let model = try await model(link.from, .input, &facts) { inputs.append(model) }
        }
        let named = links.filter { $0.kind == .made }.map(\.to)
        let others = try await sources.tracking.loggedModels(madeBy: run, limit: Self.mostModels)
        for key in named + others.map({ .loggedModel($0.id) }).filter({ !named.contains($0) }) {
            if let model = try await model(key, .output, &facts) { made.append(model) }
        }
        return event.run(
            state, at: time, id: OpenLineageEvent.uuid(run.id), runFacets: try await facets(of: run, state),
            job: job(experiment, of: run), inputs: inputs, outputs: made + outputs)
    }

    /// Models of one run that are told of, beside those that it named as its outputs.
    private static let mostModels = 1000

    private func dataset(_ key: LineageKey, _ input: RunInput, _ facts: inout LineageFacts) async throws -> JSONValue {
        if case .dataset(let version) = try await facts.thing(key) { return datasets.dataset(version, .input) }
        return datasets.dataset(input, .input)
    }

    /// Nil for one that was removed for good.
    private func model(
        _ key: LineageKey, _ role: OpenLineageDatasets.Role, _ facts: inout LineageFacts
    ) async throws -> JSONValue? {
        guard case .loggedModel(let model) = try await facts.thing(key) else { return nil }
        return try await dataset(model, role)
    }

    private func dataset(_ model: LoggedModel, _ role: OpenLineageDatasets.Role) async throws -> JSONValue {
        let experiment = try await sources.tracking.experiment(id: model.experimentID).name
        return datasets.dataset(model, experiment: experiment, role)
    }

    private func job(_ experiment: String, of run: Run) -> OpenLineageEvent.Job {
        var facets = ["jobType": jobType("RUN")]
        if let remote = Self.address(ofRepository: run.tags["mlflow.source.git.repoURL"]) {
            var code: [String: JSONValue] = ["type": "git", "url": .string(remote), "repoUrl": .string(remote)]
            code["version"] = run.tags["mlflow.source.git.commit"].map { .string($0) }
            code["branch"] = run.tags["mlflow.source.git.branch"].map { .string($0) }
            facets["sourceCodeLocation"] = event.facet(.sourceCodeLocation, code)
        }
        return .init(namespace: settings.namespace, name: Self.name(ofJob: experiment, of: run), facets: facets)
    }

    private static func name(ofJob experiment: String, of run: Run) -> String {
        run.parentID == nil ? experiment : experiment + ".child"
    }

    private func jobType(_ type: String) -> JSONValue {
        event.facet(
            .jobType, ["processingType": "BATCH", "integration": "NESTBOX", "jobType": .string(type)])
    }

    private func facets(of run: Run, _ state: OpenLineageEvent.RunState) async throws -> [String: JSONValue] {
        var facets = engine
        if let id = run.parentID, id != run.id,
            let parent = try await optional({ try await sources.tracking.run(id: id) })
        {
            let experiment = try await sources.tracking.experiment(id: parent.experimentID).name
            facets["parent"] = self.parent(parent.id, Self.name(ofJob: experiment, of: parent))
        }
        if state == .fail {
            let message = run.tags["nestbox.error"] ?? "the run ended with the status \(run.status.rawValue)"
            facets["errorMessage"] = event.facet(
                .errorMessage,
                ["message": .string(message), "programmingLanguage": .string(Self.language(of: run))])
        }
        return facets
    }

    private var engine: [String: JSONValue] {
        [
            "processing_engine": event.facet(
                .processingEngine, ["name": "nestbox", "version": .string(settings.version)])
        ]
    }

    private func parent(_ run: String, _ job: String) -> JSONValue {
        event.facet(
            .parent,
            [
                "run": ["runId": .string(OpenLineageEvent.uuid(run))],
                "job": ["namespace": .string(settings.namespace), "name": .string(job)],
            ])
    }

    private static func language(of run: Run) -> String {
        if run.tags["nestbox.job"] != nil { return "SWIFT" }
        let source = run.tags["mlflow.source.name"] ?? ""
        let isPython =
            source.hasSuffix(".py") || source.hasSuffix(".ipynb") || run.tags["mlflow.source.type"] == "NOTEBOOK"
        return isPython ? "PYTHON" : "UNKNOWN"
    }

    /// `git@host:org/name.git` as the address that it is, without a user.
    static func address(ofRepository text: String?) -> String? {
        guard let text, !text.isEmpty else { return nil }
        if let match = text.firstMatch(of: #/^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)(\S+)$/#) {
            return "https://\(match.output.1)/\(match.output.2)"
        }
        guard var parts = URLComponents(string: text), parts.scheme != nil, parts.host != nil else { return nil }
        (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
        return parts.string
    }

    // MARK: versions and deployments

    private func registration(_ version: ModelVersion, at: Timestamp) async throws -> [JSONValue] {
        var facts = LineageFacts(sources)
        let output = datasets.dataset(version, .output)
        var inputs: [JSONValue] = [], maker: Run?
        for link in try await facts.stated(by: .modelVersion(version)) {
            switch try await facts.thing(link.from) {
            case .loggedModel(let model): inputs.append(try await dataset(model, .input))
            case .modelVersion(let other): inputs.append(datasets.dataset(other, .input))
            case .run(let run): maker = run
            default: break
            }
        }
        if inputs.isEmpty, let maker { return [try await event(of: maker, .other, at: at, adding: [output])] }
        var facets = engine
        if let id = version.runID, let run = try await optional({ try await sources.tracking.run(id: id) }) {
            let experiment = try await sources.tracking.experiment(id: run.experimentID).name
            facets["parent"] = parent(run.id, Self.name(ofJob: experiment, of: run))
        }
        return moment(
            "register.\(version.name)", "REGISTRATION", id: "register/\(version.name)/\(version.version)", facets, at,
            inputs, [output])
    }

    private func deployment(
        _ name: String, _ model: String, _ number: Int, _ id: Int64, at: Timestamp
    ) async throws -> [JSONValue] {
        let version = try await sources.registry.version(model, number)
        return moment(
            "deploy.\(name)", "DEPLOYMENT", id: "deploy/\(name)/\(id)", engine, at, [datasets.dataset(version, .input)],
            [datasets.dataset(deployment: name, version: "\(model)@\(number)", .output)])
    }

    /// A run that begins and ends in one moment: OpenLineage wants both told.
    private func moment(
        _ job: String, _ type: String, id: String, _ facets: [String: JSONValue], _ at: Timestamp,
        _ inputs: [JSONValue], _ outputs: [JSONValue]
    ) -> [JSONValue] {
        let uuid = OpenLineageEvent.uuid("\(settings.namespace)/\(id)")
        return [OpenLineageEvent.RunState.start, .complete].map { state in
            event.run(
                state, at: at, id: uuid, runFacets: facets,
                job: .init(namespace: settings.namespace, name: job, facets: ["jobType": jobType(type)]),
                inputs: inputs,
                outputs: outputs)
        }
    }

    private func optional<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
        do { return try await body() } catch let error as NestboxError where error.code == .notFound { return nil }
    }
}
