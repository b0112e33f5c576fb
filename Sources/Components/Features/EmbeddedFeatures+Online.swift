import Contracts
import Core
import Storage

extension EmbeddedFeatures {
    package func materialize(views names: [String], until: Timestamp?) async throws -> [MaterializationResult] {
        try DefinitionCheck.distinct(names, "the feature view")
        let definitions = try await definitions()
        let views = try names.isEmpty ? definitions.featureViews : names.map { try definitions.view($0) }
        guard !views.isEmpty else {
            throw NestboxError.invalid(
                "there is no feature view to materialize", hint: "apply feature definitions first")
        }
        var results: [MaterializationResult] = []
        for view in views {
            try Task.checkCancellation()
            results.append(try await changes.run { try await self.materializeAlone(view.name, until: until) })
        }
        return results
    }

    package func materializations() async throws -> [MaterializationResult] {
        let state = try await state()
        return state.definitions.featureViews.compactMap { state.online[$0.name]?.result }
    }

    package func lookup(_ request: OnlineFeatureRequest) async throws -> OnlineFeatureResponse {
        let plan = try LookupPlan(request.features, at: request.at, now: ambient.now(), try await state())
        let answer: @Sendable () throws -> OnlineFeatureResponse = {
            OnlineFeatureResponse(
                rows: try request.entities.enumerated().map { try plan.row($1, place: "entities[\($0)]") })
        }
        // A table of entities takes seconds, which the cooperative pool must not be held for.
        return request.entities.count < 256 ? try answer() : try await ComputePool.shared.run(answer)
    }

    private func materializeAlone(_ name: String, until: Timestamp?) async throws -> MaterializationResult {
        let state = try await state()
        let view = try state.definitions.view(name)
        let old = state.online[name]
        let source = try await source(view, features: view.features, state.definitions)
        let new = try await ComputePool.shared.run { try OnlineView(source, until: until) }
        try await store.write { context in
            try FeatureRows.replace(old, with: new, at: context.now, context.db)
            var data: [String: JSONValue] = [
                "dataset": .string(source.version.dataset), "dataset_version": .int(Int64(source.version.version)),
                "entities": .int(Int64(new.result.entityCount)),
            ]
            if let upTo = new.result.upTo { data["up_to"] = .int(upTo.milliseconds) }
            try context.record("feature_view.materialized", "feature_view/\(name)", .object(data))
        }
        update { $0.online[name] = new }
        return new.result
    }
}

/// What a lookup does for every entity: which views, by which keys, which of their values.
private struct LookupPlan {
    private struct Part {
        var view: OnlineView
        var joinKeys: [String]
        var ttl: TimeToLive
        /// Column of the answer, and where its value is in a row.
        var picks: [(column: String, index: Int)]
    }

    private var parts: [Part] = []
    /// The moment that was asked about; nil for now.
    private let at: Timestamp?
    private let now: Timestamp
    /// Every join key there is: an entity may name more than these features need.
    private let knownKeys: Set<String>

    init(_ references: [String], at: Timestamp?, now: Timestamp, _ state: EmbeddedFeatures.State) throws {
        self.at = at
        self.now = now
        let definitions = state.definitions
        knownKeys = Set(definitions.entities.map(\.joinKey))
        for (view, features) in try definitions.resolve(references) {
            guard let online = state.online[view.name] else {
                throw NestboxError(
                    .conflict, "the feature view `\(view.name)` is not in the online store",
                    hint: "materialize it first: POST /api/v1/features/materialize")
            }
            let picks = try features.map { feature in
                guard let index = online.features.firstIndex(of: feature) else {
                    throw NestboxError.notFound("feature", "\(view.name):\(feature)", among: online.features)
                }
                return (FeatureName.column(view: view.name, feature: feature), index)
            }
            let joinKeys = try DefinitionCheck.joinKeys(of: view, in: definitions)
            parts.append(
                Part(view: online, joinKeys: joinKeys, ttl: TimeToLive(seconds: view.ttlSeconds), picks: picks))
        }
    }

    func row(_ entity: [String: JSONValue], place: String) throws -> OnlineFeatureResponse.Row {
        for key in entity.keys where !knownKeys.contains(key) {
            throw NestboxError(
                .invalidArgument, "\(place): `\(key)` is no entity's join key",
                hint: NestboxError.notFound("join key", key, among: Array(knownKeys)).hint)
        }
        var response = OnlineFeatureResponse.Row(values: [:], eventTimes: [:])
        for part in parts {
            let name = part.view.result.view
            var atoms: [KeyAtom] = []
            for key in part.joinKeys {
                guard let value = entity[key] else {
                    throw NestboxError.invalid(
                        "\(place): the join key `\(key)` of feature view `\(name)` is missing",
                        hint: "give it as null when it is not known")
                }
                if let atom = try KeyAtom(json: value, place: "\(place): `\(key)`") { atoms.append(atom) }
            }
            var found = atoms.count == part.joinKeys.count ? part.view.rows[EntityKey.text(atoms)] : nil
            if let time = found?.eventTime {
                if let at, time > at {
                    found = nil
                } else {
                    response.eventTimes[name] = time
                    let asked = (at ?? now).milliseconds
                    if !part.ttl.covers(eventTime: time.milliseconds, at: asked) { found = nil }
                }
            }
            for pick in part.picks {
                response.values[pick.column] =
                    found.flatMap { pick.index < $0.values.count ? $0.values[pick.index] : nil } ?? .null
            }
        }
        return response
    }
}
