import Contracts
import Core

/// `/features`
package struct FeaturesPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var description: String
        var entities: String
        var dataset: String
        var count: String
        var online: Badge
        var upTo: String
    }

    struct EntityRow {
        var name: String
        var key: String
        var description: String
    }

    package let template = "features"
    package let title = "Features"
    package let section = Section.features
    package let path = "/features"
    package let events = ["feature_view", "features"]

    let rows: [Row]
    let entities: [EntityRow]
    let hasEntities: Bool
    let empty = Empty(
        "No feature view yet",
        "A feature view names columns of a dataset that describe an entity, and when each row became known. Training sets and predictions read the same definition.",
        command: "nestbox features apply samples/flights/features.yaml")

    package init(_ definitions: FeatureDefinitions, materializations: [MaterializationResult]) {
        rows = definitions.featureViews.map { view in
            let online = materializations.first { $0.view == view.name }
            return Row(
                name: view.name, href: Format.link("features", view.name), description: view.description ?? "",
                entities: view.entities.joined(separator: ", "), dataset: view.dataset.description,
                count: Format.counted(view.features.count, "feature"),
                online: online.map { Badge("\(Format.count($0.entityCount)) online", "good") } ?? Badge("offline only"),
                upTo: online?.upTo.map { Format.date($0) } ?? "–")
        }
        entities = definitions.entities.map {
            EntityRow(name: $0.name, key: $0.joinKey, description: $0.description ?? "")
        }
        hasEntities = !entities.isEmpty
    }
}

/// What a lookup found, or why it failed.
package enum LookupOutcome: Sendable {
    case notAsked
    case found(OnlineFeatureResponse.Row)
    case failed(NestboxError)
}

/// `/features/{view}`: the definition, and a form that reads the online store.
package struct FeatureViewPage: DashboardPage {
    struct Input {
        var label: String
        var name: String
        var value: String
        var hint = ""
    }

    struct Value {
        var name: String
        var value: String
        var style: String
    }

    package let template = "feature-view"
    package let title: String
    package let section = Section.features
    package let path: String
    package let trail = [Crumb("Features", "/features")]
    package let events = ["feature_view", "features"]

    let description: String?
    let definition: [Pair]
    let features: [String]
    let online: [Pair]
    let isOnline: Bool
    let offline: Empty
    let inputs: [Input]
    let values: [Value]
    let hasValues: Bool
    let eventTime: String?
    let failure: String?
    let failureHint: String?

    /// - Parameters:
    ///   - keys: join key → what the form was sent with.
    ///   - at: the time that the form was sent with.
    package init(
        _ view: FeatureView, entities: [Entity], materialization: MaterializationResult?, keys: [String: String],
        at: String = "", outcome: LookupOutcome
    ) {
        title = view.name
        path = Format.link("features", view.name)
        description = view.description
        let used = view.entities.map { name in entities.first { $0.name == name } ?? Entity(name: name, joinKey: name) }
        definition =
            [
                Pair("Dataset", view.dataset.description, href: Format.link("datasets", view.dataset.name)),
                Pair("Entities", used.map { "\($0.name) (by \($0.joinKey))" }.joined(separator: ", ")),
                Pair("Event time", view.eventTime ?? "none: facts that never change"),
                Pair("Time to live", view.ttlSeconds.map { Format.duration($0) } ?? "for ever"),
            ] + (view.keyColumns ?? [:]).sorted { $0.key < $1.key }.map { Pair("Key \($0.key)", "column \($0.value)") }
        features = view.features
        isOnline = materialization != nil
        online =
            materialization.map {
                [
                    Pair("Entities", Format.count($0.entityCount)), Pair("From version", "\($0.datasetVersion)"),
                    Pair("Newest event", $0.upTo.map { Format.date($0) } ?? "–"),
                ]
            } ?? []
        offline = Empty(
            "Not in the online store", "Materialize the view, and predictions can look its values up by key.",
            command: "nestbox features materialize \(view.name)")
        let asOf = Input(label: "as of", name: "at", value: at, hint: "now, or like 2013-06-01T12:00:00Z")
        inputs =
            used.map { Input(label: $0.joinKey, name: "key.\($0.joinKey)", value: keys[$0.joinKey] ?? "") }
            + (view.eventTime == nil ? [] : [asOf])
        switch outcome {
        case .notAsked: (values, eventTime, failure, failureHint) = ([], nil, nil, nil)
        case .failed(let error): (values, eventTime, failure, failureHint) = ([], nil, error.message, error.hint)
        case .found(let row):
            values = view.features.map { feature in
                let value = row.values[FeatureName.column(view: view.name, feature: feature)] ?? .null
                return Value(name: feature, value: Format.json(value), style: value == .null ? "soft" : "")
            }
            eventTime = row.eventTimes[view.name].map { Format.date($0) }
            (failure, failureHint) = (nil, nil)
        }
        hasValues = !values.isEmpty
    }
}
