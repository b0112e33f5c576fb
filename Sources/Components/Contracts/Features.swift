import Core
import Tables

/// Something that features describe, identified by one column: an airport by `origin`.
package struct Entity: Codable, Sendable, Hashable {
    package var name: String
    /// The column that identifies it in a spine and in online requests.
    package var joinKey: String
    package var description: String?

    enum CodingKeys: String, CodingKey {
        case name
        case joinKey = "join_key"
        case description
    }

    package init(name: String, joinKey: String, description: String? = nil) {
        self.name = name
        self.joinKey = joinKey
        self.description = description
    }
}

/// Columns of a dataset that describe one or more entities, with the time they became known.
package struct FeatureView: Codable, Sendable, Hashable {
    package var name: String
    package var entities: [String]
    package var dataset: DatasetReference
    /// Join key → the dataset's column, where they differ: `dest: faa`.
    package var keyColumns: [String: String]?
    /// The timestamp column that says when a row became known; nil for facts that never change.
    package var eventTime: String?
    /// A value older than this many seconds counts as missing, in joins and in lookups.
    package var ttlSeconds: Double?
    /// The dataset's columns that are features. Reference form: `view:feature`.
    package var features: [String]
    package var description: String?

    enum CodingKeys: String, CodingKey {
        case name, entities, dataset, features, description
        case keyColumns = "key_columns"
        case eventTime = "event_time"
        case ttlSeconds = "ttl_seconds"
    }

    package init(
        name: String, entities: [String], dataset: DatasetReference, keyColumns: [String: String]? = nil,
        eventTime: String? = nil, ttlSeconds: Double? = nil, features: [String], description: String? = nil
    ) {
        self.name = name
        self.entities = entities
        self.dataset = dataset
        self.keyColumns = keyColumns
        self.eventTime = eventTime
        self.ttlSeconds = ttlSeconds
        self.features = features
        self.description = description
    }
}

/// The whole of `features.yaml`:
///
///     entities:
///       - {name: origin_airport, join_key: origin}
///     feature_views:
///       - name: weather
///         entities: [origin_airport]
///         dataset: weather            # or weather@2
///         event_time: observed_at
///         ttl_seconds: 21600
///         features: [temp, humid, wind_speed]
package struct FeatureDefinitions: Codable, Sendable, Hashable {
    package var entities: [Entity]
    package var featureViews: [FeatureView]

    enum CodingKeys: String, CodingKey {
        case entities
        case featureViews = "feature_views"
    }

    package init(entities: [Entity], featureViews: [FeatureView]) {
        self.entities = entities
        self.featureViews = featureViews
    }
}

/// Joins features to a spine: for each of its rows the newest feature row known at (not after) the row's event time.
package struct TrainingSetRequest: Codable, Sendable, Hashable {
    /// The dataset whose rows are wanted; it holds the join keys and, for views with an event time, `eventTime`.
    package var spine: DatasetReference
    package var eventTime: String?
    /// `view:feature` references.
    package var features: [String]
    /// The dataset to save the result as; its columns are the spine's, then `view__feature` for each reference.
    package var saveAs: String

    enum CodingKeys: String, CodingKey {
        case spine, features
        case eventTime = "event_time"
        case saveAs = "save_as"
    }

    package init(spine: DatasetReference, eventTime: String?, features: [String], saveAs: String) {
        self.spine = spine
        self.eventTime = eventTime
        self.features = features
        self.saveAs = saveAs
    }
}

package struct MaterializationResult: Codable, Sendable, Hashable {
    package var view: String
    package var entityCount: Int
    package var datasetVersion: Int
    /// The newest event time that was materialized.
    package var upTo: Timestamp?

    package init(view: String, entityCount: Int, datasetVersion: Int, upTo: Timestamp?) {
        self.view = view
        self.entityCount = entityCount
        self.datasetVersion = datasetVersion
        self.upTo = upTo
    }
}

/// `{"features": ["weather:temp"], "entities": [{"origin": "JFK"}, …]}`
package struct OnlineFeatureRequest: Codable, Sendable, Hashable {
    package var features: [String]
    package var entities: [[String: JSONValue]]
    /// The event time of what is asked: a row of a later time is not yet known, one older than the view's time to live no
    /// longer. Nil is the server's clock, against which only the age is judged: a source's clock may run ahead.
    package var at: Timestamp?

    package init(features: [String], entities: [[String: JSONValue]], at: Timestamp? = nil) {
        self.features = features
        self.entities = entities
        self.at = at
    }
}

/// Whether a value still counts: one rule for the join of training and the lookup of serving.
package struct TimeToLive: Sendable, Hashable {
    /// Nil for ever.
    private let milliseconds: Int64?

    package init(seconds: Double?) { milliseconds = seconds.map { Int64(min($0 * 1000, 9e18)) } }

    /// A value of exactly that age still counts. Times are milliseconds.
    package func covers(eventTime: Int64, at time: Int64) -> Bool {
        guard let milliseconds else { return true }
        let (age, overflow) = time.subtractingReportingOverflow(eventTime)
        return !overflow && age <= milliseconds
    }
}

/// One row per requested entity, in order; a value that is not known is null.
package struct OnlineFeatureResponse: Codable, Sendable, Hashable {
    package struct Row: Codable, Sendable, Hashable {
        /// `view__feature` → value.
        package var values: [String: JSONValue]
        /// `view` → event time of the row that answered, where the view has event times. A row past its time to live is
        /// told too: it says why the values are null.
        package var eventTimes: [String: Timestamp]

        package init(values: [String: JSONValue], eventTimes: [String: Timestamp]) {
            self.values = values
            self.eventTimes = eventTimes
        }
    }

    package var rows: [Row]

    package init(rows: [Row]) { self.rows = rows }
}

package protocol FeatureStore: Sendable {
    /// Adds or replaces the named definitions after checking them against the datasets; all or nothing.
    func apply(_ definitions: FeatureDefinitions) async throws -> FeatureDefinitions
    func definitions() async throws -> FeatureDefinitions
    /// The point-in-time join, saved as a dataset version.
    func trainingSet(_ request: TrainingSetRequest) async throws -> DatasetVersion
    /// Brings the newest row of every entity (at or before `until`, when given) to the online store. All views when `views` is empty.
    func materialize(views: [String], until: Timestamp?) async throws -> [MaterializationResult]
    func materializations() async throws -> [MaterializationResult]
    func lookup(_ request: OnlineFeatureRequest) async throws -> OnlineFeatureResponse
}

package enum FeatureName {
    /// `weather:temp` → (weather, temp). Throws `invalid_argument` for another form.
    package static func parse(_ reference: String) throws -> (view: String, feature: String) {
        let parts = reference.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
            throw NestboxError.invalid("`\(reference)` is not a feature reference", hint: "write `view:feature`")
        }
        return (String(parts[0]), String(parts[1]))
    }

    /// The column of a joined feature: `weather:temp` → `weather__temp`.
    package static func column(view: String, feature: String) -> String { "\(view)__\(feature)" }
}
