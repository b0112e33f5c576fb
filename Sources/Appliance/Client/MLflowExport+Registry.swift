import Contracts
import Core

extension MLflowExport {
    private static let promptSource = "dummy-source"

    /// A registered model or a prompt with its versions, the first version first.
    private struct Entry {
        let kind: MLflowModelKind
        let model: RegisteredModel
        let versions: [ModelVersion]

        var isPrompt: Bool { kind == .prompt }
        var kinds: String { kind.single + "s" }
        var what: String { "\(kind.single) `\(model.name)`" }
    }

    /// A version made from another model's waits until that one is there, so it goes round until nothing moves any more.
    func bringRegistry(_ state: inout State) async throws {
        var waiting = try await entries(&state)
        state.allSteps += waiting.count
        for entry in waiting { try await prepare(entry, &state) }
        while !waiting.isEmpty {
            var blocked: [Entry] = []
            let made = state.created.count
            for entry in waiting {
                try await attempt(entry.kinds, entry.what, &state) { state in
                    if try await !makeVersions(of: entry, isLast: false, &state) { blocked.append(entry) }
                }
            }
            if blocked.count == waiting.count, made == state.created.count {
                for entry in blocked {
                    try await attempt(nil, entry.what, &state) { state in
                        _ = try await makeVersions(of: entry, isLast: true, &state)
                    }
                }
                blocked = []
            }
            waiting = blocked
        }
        for entry in try await entries(&state, isFirst: false) {
            progress(entry.what, &state)
            try await attempt(entry.kinds, entry.what, &state) { state in try await complete(entry, &state) }
        }
    }

    private func entries(_ state: inout State, isFirst: Bool = true) async throws -> [Entry] {
        var entries: [Entry] = [], others: [String] = []
        for (kind, filter) in [(MLflowModelKind.model, ""), (.prompt, MLflowServer.prompts)] {
            let models = try await Page.all { token in
                try await source.registry.searchModels(
                    ModelSearch(filter: filter, maxResults: 100, pageToken: token))
            }
            for model in models {
                let entry = Entry(
                    kind: kind, model: model,
                    versions: try await MLflowServer.listed(model.name, kind, in: source.registry))
                if isChosen(entry, state) { entries.append(entry) } else { others.append(entry.what) }
            }
        }
        if !others.isEmpty, isFirst {
            state.report.notes.append(
                "left out, for not all their versions come from the experiments named: "
                    + others.joined(separator: ", "))
        }
        return entries
    }

    /// Numbers must stay the same, so it is a whole model or nothing of it.
    private func isChosen(_ entry: Entry, _ state: State) -> Bool {
        guard chosen != nil else { return true }
        guard !entry.isPrompt, !entry.versions.isEmpty else { return false }
        return entry.versions.allSatisfy { version in
            version.modelID.map { state.models[$0] != nil } ?? version.runID.map { state.runs[$0] != nil } ?? false
        }
    }

    private func prepare(_ entry: Entry, _ state: inout State) async throws {
        try await attempt(nil, entry.what, &state) { state in
            guard try await absent({ try await target.registry.model(entry.model.name) }) == nil else { return }
            var tags = tags(of: entry, there: [:], state)
            tags[Self.sourceTag] = origin(entry.model.name)
            _ = try await target.registry.createModel(
                name: entry.model.name, description: entry.model.description, tags: tags)
            state.created.insert("model " + entry.model.name)
        }
    }

    /// Of a prompt, the experiments that use it, between commas: MLflow's clients add to them.
    private static let experimentsTag = "_mlflow_experiment_ids"

    private func tags(of entry: Entry, there: [String: String], _ state: State) -> [String: String] {
        var tags = Self.mapped(entry.model.tags, .max, state)
        guard let experiments = tags[Self.experimentsTag] else { return tags }
        func ids(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }
        let old = there[Self.experimentsTag] ?? ""
        let new = ids(experiments).compactMap { state.experiments[$0] }.filter { !ids(old).contains($0) }
        tags[Self.experimentsTag] =
            new.isEmpty && !old.isEmpty ? old : "," + (ids(old) + new).joined(separator: ",") + ","
        return tags
    }

    // MARK: Versions

    private func origin(_ version: ModelVersion) -> String { origin("\(version.name)/\(version.version)") }

    /// What an export made for another number, to fill a gap, goes as soon as it is seen.
    private func present(_ entry: Entry) async throws -> [Int: ModelVersion] {
        var present: [Int: ModelVersion] = [:]
        for version in try await MLflowServer.listed(entry.model.name, entry.kind, in: target.registry) {
            let made = version.tags[Self.sourceTag].flatMap(Self.identifier)
            if made == "\(version.name)/\(version.version)" || made?.hasPrefix(version.name + "/") != true {
                present[version.version] = version
            } else {
                try await target.registry.deleteVersion(version.name, version.version, reason: "")
            }
        }
        return present
    }

    /// False when one has to wait for another model's.
    /// - Parameter isLast: whether nothing is left to wait for, so that what is missing is a failure.
    private func makeVersions(of entry: Entry, isLast: Bool, _ state: inout State) async throws -> Bool {
        let present = try await present(entry)
        var newest = present.keys.max() ?? 0
        for version in entry.versions.sorted(by: { $0.version < $1.version }) where present[version.version] == nil {
            let request: NewModelVersion
            switch try await place(of: version, entry, state) {
            case .waits where !isLast: return false
            case .waits(let reason), .nowhere(let reason):
                // Once, although this may go round again.
                let failure = "\(entry.what), version \(version.version): \(reason)"
                if !state.report.failures.contains(failure) { state.report.failures.append(failure) }
                continue
            case .ready(let found): request = found
            }
            guard newest < version.version else {
                state.report.failures.append(
                    "\(entry.what): version \(version.version) cannot be made there, which has version \(newest) already"
                )
                continue
            }
            try await attempt(nil, "\(entry.what), version \(version.version)", &state) { state in
                newest = try await make(version, request, after: newest, state)
                state.created.insert("version \(version.name)/\(version.version)")
            }
        }
        return true
    }

    /// MLflow counts by itself. Numbers that are free here, because their versions were deleted, are used up there.
    private func make(
        _ version: ModelVersion, _ request: NewModelVersion, after newest: Int, _ state: State
    ) async throws -> Int {
        var number = newest
        repeat {
            // Without a logged model, which would remember it.
            var filler = request
            if request.modelID != nil,
                let run = request.runID.flatMap({ id in state.places.values.first { $0.run == id && $0.model == nil } })
            {
                (filler.source, filler.modelID) = (run.uri, nil)
            }
            let isGap = number + 1 < version.version
            number = try await target.registry.createVersion(isGap ? filler : request).version
            if number != version.version {
                try await target.registry.deleteVersion(version.name, number, reason: "")
            }
        } while number < version.version
        guard number == version.version else {
            throw NestboxError(
                .conflict, "MLflow gives it number \(number): a version of its number was deleted there",
                hint: "remove the model there and export again")
        }
        return number
    }

    private enum Origin {
        case ready(NewModelVersion)
        case waits(String)
        case nowhere(String)
    }

    /// What the version is made from there.
    private func place(of version: ModelVersion, _ entry: Entry, _ state: State) async throws -> Origin {
        var tags = Self.mapped(version.tags, .max, state)
        tags[Self.sourceTag] = origin(version)
        var request = NewModelVersion(
            name: version.name, source: version.source, runID: version.runID.flatMap { state.runs[$0] },
            description: version.description, tags: tags)
        if entry.isPrompt {
            (request.source, request.runID) = (Self.promptSource, nil)
            request.tags[MLflowModelKind.promptTag] = "true"
            return .ready(request)
        }
        if version.source.hasPrefix("models:/") { return try await place(ofModel: version, request, state) }
        if version.source.hasPrefix("runs:/") {
            let parts = version.source.dropFirst(6).split(separator: "/", maxSplits: 1).map(String.init)
            guard let id = parts.first, let run = state.runs[id] else {
                return .nowhere("its source `\(version.source)` is of a run that was not exported")
            }
            request.source = (["runs:/" + run] + parts.dropFirst()).joined(separator: "/")
            request.runID = run
            return .ready(request)
        }
        guard version.source.hasPrefix("mlflow-artifacts:") else {
            request.modelID = version.modelID.flatMap { state.models[$0] }
            return .ready(request)
        }
        guard let (place, rest) = place(ofURI: version.source, state) else {
            return .nowhere("its files at `\(version.source)` belong to no run or logged model that was exported")
        }
        request.source = place.uri + rest
        request.modelID = place.model
        // MLflow asks for the run that has the files.
        request.runID = place.model == nil ? place.run : request.runID ?? place.run
        return .ready(request)
    }

    private func place(
        ofModel version: ModelVersion, _ request: NewModelVersion, _ state: State
    ) async throws -> Origin {
        var request = request
        let reference = String(version.source.dropFirst(8).drop { $0 == "/" })
        if reference.hasPrefix("m-"), !reference.contains("/") {
            guard let model = state.models[reference] else {
                return .nowhere("its logged model `\(reference)` is deleted, or was not exported")
            }
            (request.source, request.modelID) = ("models:/" + model, model)
            return .ready(request)
        }
        let parts = reference.split(separator: "/").map(String.init)
        guard parts.count == 2, let number = Int(parts[1]) else {
            return .nowhere("its source `\(version.source)` names no version")
        }
        let there = try await absent { try await target.registry.version(parts[0], number) }
        guard let there else { return .waits("its source `\(version.source)` is not there") }
        // MLflow asks for those of the version that it is made from.
        (request.runID, request.modelID) = (there.runID, there.modelID)
        return .ready(request)
    }

    private func place(ofURI uri: String, _ state: State) -> (Place, String)? {
        var folder = Substring(uri)
        while true {
            if let place = state.places[String(folder)] { return (place, String(uri.dropFirst(folder.count))) }
            guard let slash = folder.lastIndex(of: "/") else { return nil }
            folder = folder[..<slash]
        }
    }

    // MARK: What may change

    private func complete(_ entry: Entry, _ state: inout State) async throws {
        let name = entry.model.name, registry = target.registry
        let before = try await registry.model(name)
        var isWritten = state.created.contains("model " + name)
        if before.tags[Self.sourceTag] == nil {
            state.report.notes.append("\(entry.what) was there already: what is here is added to it")
        }
        if before.description != entry.model.description {
            _ = try await registry.updateModel(name, description: entry.model.description)
            isWritten = true
        }
        for (key, value) in tags(of: entry, there: before.tags, state).sorted(by: { $0.key < $1.key })
        where before.tags[key] != value && key != Self.sourceTag {
            try await registry.setModelTag(name, key: key, value: value)
            isWritten = true
        }
        let present = try await present(entry)
        var ours: Set<Int> = []
        for version in entry.versions {
            try await attempt(
                entry.kind.versions, "\(entry.what), version \(version.version)", &state
            ) {
                state in
                guard let there = present[version.version] else { return missing(version, entry, &state) }
                try await complete(version, there, entry, &state)
                ours.insert(version.version)
            }
        }
        let isSame = try await setAliases(entry, before, among: ours, &state)
        isWritten = isWritten || !isSame
        state.report.add(entry.kinds, imported: isWritten ? 1 : 0, skipped: isWritten ? 0 : 1)
        let gone = present.values.filter { there in
            there.tags[Self.sourceTag] != nil && !entry.versions.contains { $0.version == there.version }
        }
        for version in gone.map(\.version).sorted() {
            state.report.notes.append("\(entry.what): version \(version) is deleted here, and stays there")
        }
        let history = try await absent { try await source.registry.history(of: name, HistorySearch(maxResults: 1)) }
        if history?.items.isEmpty == false { state.withHistory.append(name) }
        if entry.versions.contains(where: { $0.tags[SemanticVersion.tag] != nil }) { state.withSemantics.append(name) }
    }

    /// Why is among the failures.
    private func missing(_ version: ModelVersion, _ entry: Entry, _ state: inout State) {
        state.report.add(entry.kind.versions)
    }

    private func complete(
        _ version: ModelVersion, _ there: ModelVersion, _ entry: Entry, _ state: inout State
    ) async throws {
        let name = version.name, number = version.version
        guard there.tags[Self.sourceTag].flatMap(Self.identifier) == "\(name)/\(number)" else {
            throw NestboxError(.conflict, "there is another version of that number there")
        }
        if case .ready(let request) = try await place(of: version, entry, state), request.source != there.source {
            throw NestboxError(
                .conflict, "the one there is of another model: `\(there.source)`, not `\(request.source)`",
                hint: "remove the model there and export again")
        }
        var isWritten = state.created.contains("version \(name)/\(number)")
        if there.description != version.description {
            _ = try await target.registry.updateVersion(name, number, description: version.description)
            isWritten = true
        }
        for (key, value) in Self.mapped(version.tags, .max, state).sorted(by: { $0.key < $1.key })
        where there.tags[key] != value && key != Self.sourceTag {
            try await target.registry.setVersionTag(name, number, key: key, value: value)
            isWritten = true
        }
        if there.stage != version.stage {
            _ = try await target.registry.transition(name, number, to: version.stage, archiveExisting: false)
            isWritten = true
        }
        if isWritten {
            let now = try await target.registry.version(name, number)
            guard now.stage == version.stage, now.description == version.description else {
                throw NestboxError(.conflict, "it was changed there while it was exported", hint: "export again")
            }
        }
        state.report.add(
            entry.kind.versions, imported: isWritten ? 1 : 0,
            skipped: isWritten ? 0 : 1)
    }

    /// Whether they were all there.
    private func setAliases(
        _ entry: Entry, _ before: RegisteredModel, among versions: Set<Int>, _ state: inout State
    ) async throws -> Bool {
        let name = entry.model.name
        let missing = entry.model.aliases.filter { before.aliases[$0.key] != $0.value && versions.contains($0.value) }
        for (alias, version) in missing.sorted(by: { $0.key < $1.key }) {
            try await attempt(nil, "\(entry.what): alias `\(alias)`", &state) { _ in
                try await target.registry.setAlias(name, alias: alias, version: version, reason: "")
            }
        }
        func pairs(_ model: RegisteredModel) -> [[String]] { model.aliases.map { [$0.key, String($0.value)] } }
        let after = missing.isEmpty ? before : try await target.registry.model(name)
        count("aliases", pairs(entry.model), pairs(before), pairs(after), &state)
        return missing.isEmpty
    }
}
