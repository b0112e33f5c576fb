import Contracts
import Core
import Tables

/// Definitions that hold together: names, join keys, and the datasets' columns.
enum DefinitionCheck {
    /// What is stored once `new` has been applied to `old`; order of first appearance. Throws `invalid_argument` when a name
    /// appears twice in `new`.
    static func merge(_ old: FeatureDefinitions, _ new: FeatureDefinitions) throws -> FeatureDefinitions {
        try distinct(new.entities.map(\.name), "the entity")
        try distinct(new.featureViews.map(\.name), "the feature view")
        var merged = old
        for entity in new.entities {
            if let index = merged.entities.firstIndex(where: { $0.name == entity.name }) {
                merged.entities[index] = entity
            } else {
                merged.entities.append(entity)
            }
        }
        for view in new.featureViews {
            if let index = merged.featureViews.firstIndex(where: { $0.name == view.name }) {
                merged.featureViews[index] = view
            } else {
                merged.featureViews.append(view)
            }
        }
        return merged
    }

    /// Checks the entities and everything about a view that needs no dataset.
    static func check(_ view: FeatureView, in definitions: FeatureDefinitions) throws {
        let place = "feature view `\(view.name)`"
        try Name.check(view.name, what: "feature view")
        guard !view.entities.isEmpty else { throw NestboxError.invalid("\(place) names no entity") }
        guard !view.features.isEmpty else { throw NestboxError.invalid("\(place) names no feature") }
        try distinct(view.features, "\(place): the feature")
        let joinKeys = try joinKeys(of: view, in: definitions)
        try distinct(joinKeys, "\(place): its entities share the join key")
        for key in (view.keyColumns ?? [:]).keys.sorted() where !joinKeys.contains(key) {
            throw NestboxError(
                .invalidArgument, "\(place): `key_columns` names `\(key)`, which is no join key of its entities",
                hint: NestboxError.notFound("join key", key, among: joinKeys).hint)
        }
        if let ttl = view.ttlSeconds {
            guard ttl.isFinite, ttl > 0 else {
                throw NestboxError.invalid("\(place): `ttl_seconds` is `\(ttl)`; expected a number above zero")
            }
            guard view.eventTime != nil else {
                throw NestboxError.invalid(
                    "\(place) has `ttl_seconds` and no `event_time`", hint: "without an event time nothing grows old")
            }
        }
    }

    static func check(_ entity: Entity) throws {
        try Name.check(entity.name, what: "entity")
        guard !entity.joinKey.isEmpty else {
            throw NestboxError.invalid("entity `\(entity.name)` has an empty `join_key`")
        }
    }

    /// Checks that the dataset has the view's columns and that its times are times.
    static func check(_ view: FeatureView, _ definitions: FeatureDefinitions, against version: DatasetVersion) throws {
        let dataset = "dataset `\(version.dataset)@\(version.version)`"
        func field(_ name: String, _ role: String) throws -> Field {
            if let field = version.schema[name] { return field }
            throw NestboxError(
                .invalidArgument, "feature view `\(view.name)`: \(dataset) has no column `\(name)` (\(role))",
                hint: NestboxError.notFound("column", name, among: version.schema.names).hint)
        }
        for key in try joinKeys(of: view, in: definitions) {
            let name = view.column(ofKey: key)
            if try field(name, name == key ? "join key" : "join key `\(key)`").type == .timestamp {
                throw NestboxError.invalid(
                    "feature view `\(view.name)`: column `\(name)` of \(dataset) is a timestamp; expected a key",
                    hint: "a join key is a string, a whole number or a boolean")
            }
        }
        if let time = view.eventTime {
            let type = try field(time, "event_time").type
            guard type == .timestamp else {
                throw NestboxError.invalid(
                    "feature view `\(view.name)`: `event_time` column `\(time)` of \(dataset) is \(type.rawValue); expected timestamp",
                    hint: "write it as ISO 8601, for example 2013-01-01T05:00:00Z")
            }
        }
        for name in view.features { _ = try field(name, "feature") }
    }

    /// Join keys of the view's entities, in its order. Throws for an entity that is not defined.
    static func joinKeys(of view: FeatureView, in definitions: FeatureDefinitions) throws -> [String] {
        try view.entities.map { name in
            guard let entity = definitions.entities.first(where: { $0.name == name }) else {
                throw NestboxError(
                    .invalidArgument, "feature view `\(view.name)` names the entity `\(name)`, which is not defined",
                    hint: NestboxError.notFound("entity", name, among: definitions.entities.map(\.name)).hint)
            }
            return entity.joinKey
        }
    }

    static func distinct(_ names: [String], _ what: String) throws {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw NestboxError.invalid("\(what) `\(name)` appears twice")
        }
    }
}

extension FeatureView {
    /// The dataset's column that holds a join key.
    func column(ofKey key: String) -> String { keyColumns?[key] ?? key }
}

extension FeatureDefinitions {
    /// Throws `not_found` with the nearest names.
    func view(_ name: String) throws -> FeatureView {
        guard let view = featureViews.first(where: { $0.name == name }) else {
            throw NestboxError.notFound("feature view", name, among: featureViews.map(\.name))
        }
        return view
    }

    /// `view:feature` references grouped by view, in order of first appearance. Throws `not_found` for an unknown view or
    /// feature, `invalid_argument` for another form, a repetition and an empty list.
    func resolve(_ references: [String]) throws -> [(view: FeatureView, features: [String])] {
        guard !references.isEmpty else {
            throw NestboxError.invalid("no feature is named", hint: "write `view:feature` references in `features`")
        }
        try DefinitionCheck.distinct(references, "the feature")
        var groups: [(view: FeatureView, features: [String])] = []
        for reference in references {
            let (name, feature) = try FeatureName.parse(reference)
            let view = try view(name)
            guard view.features.contains(feature) else {
                throw NestboxError.notFound("feature", reference, among: view.features.map { "\(view.name):\($0)" })
            }
            if let index = groups.firstIndex(where: { $0.view.name == name }) {
                groups[index].features.append(feature)
            } else {
                groups.append((view, [feature]))
            }
        }
        return groups
    }
}
