import Contracts
import Core
import Features
import Testing

private let good = """
    entities:
      - {name: origin_airport, join_key: origin, description: where a flight begins}
    feature_views:
      - name: weather
        entities: [origin_airport]
        dataset: weather@2
        key_columns: {origin: code}
        event_time: observed_at
        ttl_seconds: 21600
        features: [temp, year]
      - name: airport
        entities: [origin_airport]
        dataset: airports
        ttl_seconds: null
        features:
          - alt
    """

private let expected = FeatureDefinitions(
    entities: [Entity(name: "origin_airport", joinKey: "origin", description: "where a flight begins")],
    featureViews: [
        FeatureView(
            name: "weather", entities: ["origin_airport"], dataset: DatasetReference(name: "weather", version: 2),
            keyColumns: ["origin": "code"], eventTime: "observed_at", ttlSeconds: 21_600, features: ["temp", "year"]),
        FeatureView(
            name: "airport", entities: ["origin_airport"], dataset: DatasetReference(name: "airports"),
            features: ["alt"]),
    ])

@Test func yamlBecomesDefinitions() throws {
    #expect(try FeatureDefinitions(yaml: good) == expected)
    #expect(try FeatureDefinitions(yaml: "entities: []") == FeatureDefinitions(entities: [], featureViews: []))
}

@Test func jsonBecomesDefinitions() throws {
    var described = expected
    // A surrogate pair in JSON, which YAML would refuse, and a text that looks like another type.
    described.entities[0].description = "✈ 🛫"
    described.featureViews[0].description = "12"
    let escaped = try JSON.string(described).replacing("🛫", with: "\\ud83d\\udeeb")
    #expect(escaped.contains("\\ud83d"))
    #expect(try FeatureDefinitions(yaml: escaped) == described)
}

@Test(arguments: [
    ("feature_view: []", "line 1", "`feature_view`", "`feature_views`"),
    ("entities:\n  - {name: a, joinkey: b}", "line 2", "`entities[0].joinkey`", "`join_key`"),
    ("entities:\n  - {name: a}", "line 2", "`entities[0].join_key`: is required", ""),
    ("entities:\n  - just text", "line 2", "`entities[0]`: must be a map", ""),
    ("entities: {a: b}", "line 1", "`entities`: must be a list", ""),
    ("entities:\n  - {name: [a], join_key: b}", "line 2", "`entities[0].name`: must be a single text", ""),
    ("entities:\n  - {name: '', join_key: b}", "line 2", "must not be empty", ""),
    ("feature_views:\n  - name: a\n    entities: b", "line 2", "`feature_views[0].dataset`: is required", ""),
    (
        "feature_views:\n  - name: a\n    dataset: b\n    entities: b", "line 4",
        "`feature_views[0].entities`: must be a list", ""
    ),
    (
        "feature_views:\n  - name: a\n    dataset: b@x\n    entities: [e]", "line 3", "`x` is not a version number",
        "`b@1`"
    ),
    (
        "feature_views:\n  - name: a\n    dataset: b\n    entities: [e]\n    features: [f]\n    ttl_seconds: soon",
        "line 6",
        "not `soon`", ""
    ),
    ("entities: [\n  a", "3:1", "not well-formed", ""),
    ("a: 1\na: 2", "line 1", "duplicated", ""),
    ("- a", "line 1", "the whole: must be a map", ""),
    ("", "", "is empty", ""),
    (String(repeating: "[", count: 100_000), "", "nested more than 64", ""),
])
func whatIsNotADefinitionIsRefusedWithItsPlace(text: String, place: String, message: String, hint: String) throws {
    let error = #expect(throws: NestboxError.self) { try FeatureDefinitions(yaml: text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    #expect(place.isEmpty || error?.message.contains(place) == true, "\(error?.message ?? "")")
    #expect(hint.isEmpty || error?.hint?.contains(hint) == true, "\(error?.hint ?? "")")
}
