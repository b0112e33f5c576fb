import Contracts
import Core
import Foundation
import Tables
import Testing

/// What every `FeatureStore` keeps to, together with the datasets that it joins. Names begin with `prefix`.
package func checkFeatureStore(
    _ features: any FeatureStore, datasets: any DatasetStore, prefix: String = "contract_"
) async throws {
    let world = try await FeatureWorld(features, datasets, prefix)
    try await world.checkDefinitions()
    try await world.checkTrainingSet()
    try await world.checkRefusals()
    try await world.checkOnline()
    try await world.checkTimeToLive()
}

/// Weather by airport and hour, airports by code, and flights as the spine.
private struct FeatureWorld {
    let features: any FeatureStore
    let datasets: any DatasetStore
    let prefix: String
    let definitions: FeatureDefinitions

    init(_ features: any FeatureStore, _ datasets: any DatasetStore, _ prefix: String) async throws {
        self.features = features
        self.datasets = datasets
        self.prefix = prefix
        // Not in order of time, two rows at 06:00 of which the later line counts, and one without a time.
        try await Self.load(
            datasets, prefix + "weather",
            """
            origin,observed_at,temp,sky
            JFK,2013-01-01T06:00:00Z,6.5,old
            JFK,2013-01-01T05:00:00Z,5.5,clear
            JFK,2013-01-01T06:00:00Z,6.25,rain
            LGA,2013-01-01T05:30:00Z,,fog
            JFK,,99,never
            ,2013-01-01T05:00:00Z,98,nowhere
            """)
        try await Self.load(
            datasets, prefix + "airports", "faa,alt,hub\nBOS,20,true\nLAX,126,true\nLAX,128,true\nORD,672,\n")
        try await Self.load(
            datasets, prefix + "flights",
            """
            flight,origin,dest,at
            1,JFK,LAX,2013-01-01T06:00:00Z
            2,JFK,BOS,2013-01-01T05:59:59Z
            3,JFK,XXX,2013-01-01T04:59:59Z
            4,LGA,ORD,2013-01-01T06:00:00Z
            5,JFK,,2013-01-01T09:00:01Z
            6,,LAX,2013-01-01T06:00:00Z
            7,JFK,LAX,
            """)
        definitions = FeatureDefinitions(
            entities: [
                Entity(name: prefix + "origin", joinKey: "origin", description: "where a flight begins"),
                Entity(name: prefix + "destination", joinKey: "dest"),
            ],
            featureViews: [
                FeatureView(
                    name: prefix + "weather", entities: [prefix + "origin"],
                    dataset: DatasetReference(name: prefix + "weather"),
                    eventTime: "observed_at", ttlSeconds: 10_800, features: ["temp", "sky"]),
                FeatureView(
                    name: prefix + "airport", entities: [prefix + "destination"],
                    dataset: DatasetReference(name: prefix + "airports", version: 1), keyColumns: ["dest": "faa"],
                    features: ["alt", "hub"]),
            ])
    }

    private static func load(_ datasets: any DatasetStore, _ name: String, _ csv: String) async throws {
        _ = try await datasets.importVersion(
            DatasetImport(name: name, format: .csv, source: "a test"), body: ByteStream(Data(csv.utf8)))
    }

    private var weather: String { prefix + "weather" }
    private var airport: String { prefix + "airport" }

    func checkDefinitions() async throws {
        let applied = try await features.apply(definitions)
        #expect(applied.entities.filter { $0.name.hasPrefix(prefix) } == definitions.entities)
        #expect(applied.featureViews.filter { $0.name.hasPrefix(prefix) } == definitions.featureViews)
        #expect(try await features.definitions() == applied)
        // Replacing one leaves the others.
        var described = definitions.entities[1]
        described.description = "where it ends"
        let again = try await features.apply(FeatureDefinitions(entities: [described], featureViews: []))
        #expect(again.entities.contains(described) && again.entities.count == applied.entities.count)
        #expect(again.featureViews == applied.featureViews)
    }

    func checkTrainingSet() async throws {
        let request = TrainingSetRequest(
            spine: DatasetReference(name: prefix + "flights"), eventTime: "at",
            features: ["\(weather):temp", "\(airport):alt", "\(weather):sky", "\(airport):hub"],
            saveAs: prefix + "training")
        let version = try await features.trainingSet(request)
        #expect(version.dataset == prefix + "training" && version.rowCount == 7)
        #expect(version.source.contains("\(prefix)flights@1") && version.source.contains("\(prefix)weather@1"))
        let table = try await datasets.table(
            DatasetReference(name: version.dataset, version: version.version), columns: nil)
        #expect(
            table.schema.names
                == [
                    "flight", "origin", "dest", "at", "\(weather)__temp", "\(airport)__alt", "\(weather)__sky",
                    "\(airport)__hub",
                ])
        func cells(_ name: String) throws -> [String?] {
            try (0..<table.rowCount).map { try table.cell($0, name).text }
        }
        #expect(try cells("flight") == ["1", "2", "3", "4", "5", "6", "7"])
        // At 06:00 sharp the 06:00 row is known; a second before it is not; after three hours and a second it is too old.
        #expect(try cells("\(weather)__temp") == ["6.25", "5.5", nil, nil, nil, nil, nil])
        #expect(try cells("\(weather)__sky") == ["rain", "clear", nil, "fog", nil, nil, nil])
        #expect(try cells("\(airport)__alt") == ["128", "20", nil, "672", nil, "128", "128"])
        #expect(try cells("\(airport)__hub") == ["true", "true", nil, nil, nil, "true", "true"])
        // The same join again is the same content.
        #expect(try await features.trainingSet(request) == version)
    }

    func checkRefusals() async throws {
        let before = try await features.definitions()
        func refused(
            _ text: String, hint: String? = nil, _ code: NestboxError.Code = .invalidArgument,
            sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout FeatureDefinitions) -> Void
        ) async {
            var bad = definitions
            bad.entities.append(Entity(name: prefix + "extra", joinKey: "extra"))
            change(&bad)
            let error = await #expect(throws: NestboxError.self, sourceLocation: sourceLocation) {
                try await features.apply(bad)
            }
            #expect(error?.code == code, sourceLocation: sourceLocation)
            #expect(error?.message.contains(text) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
            if let hint {
                #expect(error?.hint?.contains(hint) == true, "\(error?.hint ?? "")", sourceLocation: sourceLocation)
            }
        }
        await refused("no column `tmp`", hint: "`temp`") { $0.featureViews[0].features = ["tmp"] }
        await refused("is float64; expected timestamp") { $0.featureViews[0].eventTime = "temp" }
        await refused("entity `\(prefix)orign`", hint: "`\(prefix)origin`") {
            $0.featureViews[0].entities = ["\(prefix)orign"]
        }
        await refused("there is no dataset named `\(prefix)wether`", hint: "`\(prefix)weather`") {
            $0.featureViews[0].dataset.name = "\(prefix)wether"
        }
        await refused("no version 9") { $0.featureViews[0].dataset.version = 9 }
        await refused("`temp` appears twice") { $0.featureViews[0].features = ["temp", "temp"] }
        await refused("`\(weather)` appears twice") { $0.featureViews.append($0.featureViews[0]) }
        await refused("no column `dest` (join key)") { $0.featureViews[1].keyColumns = nil }
        await refused("`key_columns` names `destt`", hint: "`dest`") {
            $0.featureViews[1].keyColumns = ["destt": "faa"]
        }
        await refused("no feature") { $0.featureViews[1].features = [] }
        await refused("no `event_time`") { $0.featureViews[0].eventTime = nil }
        // All or nothing: the extra entity of each attempt is not there.
        #expect(try await features.definitions() == before)

        func refusedSet(_ text: String, _ code: NestboxError.Code, _ change: (inout TrainingSetRequest) -> Void) async {
            var request = TrainingSetRequest(
                spine: DatasetReference(name: prefix + "flights"), eventTime: "at", features: ["\(weather):temp"],
                saveAs: prefix + "refused")
            change(&request)
            let error = await #expect(throws: NestboxError.self) { try await features.trainingSet(request) }
            #expect(error?.code == code, "\(error?.message ?? "")")
            #expect((error.map { "\($0.message) \($0.hint ?? "")" } ?? "").contains(text), "\(error?.message ?? "")")
        }
        await refusedSet("`\(weather):temp`", .notFound) { $0.features = ["\(weather):tmp"] }
        await refusedSet("`\(weather)`", .notFound) { $0.features = ["\(prefix)wether:temp"] }
        await refusedSet("write `view:feature`", .invalidArgument) { $0.features = ["temp"] }
        await refusedSet("appears twice", .invalidArgument) { $0.features += $0.features }
        await refusedSet("no feature", .invalidArgument) { $0.features = [] }
        await refusedSet("names no `event_time`", .invalidArgument) { $0.eventTime = nil }
        await refusedSet("`flight` of", .invalidArgument) { $0.eventTime = "flight" }
        await refusedSet("no column `att`", .invalidArgument) { $0.eventTime = "att" }
        await refusedSet("no column `dest`", .invalidArgument) { request in
            request.spine.name = prefix + "weather"
            request.eventTime = nil
            request.features = ["\(airport):alt"]
        }
        await refusedSet("no version 5", .notFound) { $0.spine.version = 5 }
        await refusedSet("cannot be the name", .invalidArgument) { $0.saveAs = "a/b" }
        #expect(try await datasets.datasets().allSatisfy { $0.name != prefix + "refused" })
    }

    func checkOnline() async throws {
        var request = OnlineFeatureRequest(
            features: ["\(weather):temp", "\(weather):sky", "\(airport):alt"],
            entities: [
                ["origin": "JFK", "dest": "LAX"], ["origin": "LGA", "dest": "nowhere"],
                ["origin": .null, "dest": "BOS"],
            ])
        let early = await #expect(throws: NestboxError.self) { try await features.lookup(request) }
        #expect(early?.code == .conflict && early?.message.contains(weather) == true)

        let half = try #require(Timestamp(iso8601: "2013-01-01T05:45:00Z"))
        let five = try #require(Timestamp(iso8601: "2013-01-01T05:00:00Z"))
        let halfPast = try #require(Timestamp(iso8601: "2013-01-01T05:30:00Z"))
        let six = try #require(Timestamp(iso8601: "2013-01-01T06:00:00Z"))
        let results = try await features.materialize(views: [weather, airport], until: half)
        #expect(
            results == [
                MaterializationResult(view: weather, entityCount: 2, datasetVersion: 1, upTo: halfPast),
                MaterializationResult(view: airport, entityCount: 3, datasetVersion: 1, upTo: nil),
            ])
        request.at = half
        let then = try await features.lookup(request).rows
        #expect(then.map { $0.values["\(weather)__sky"] } == ["clear", "fog", .null])
        #expect(then.map { $0.eventTimes[weather] } == [five, halfPast, nil])

        let now = try await features.materialize(views: [weather], until: nil)
        #expect(now.first?.upTo == six)
        #expect(try await features.materializations().filter { $0.view.hasPrefix(prefix) } == [now[0], results[1]])
        request.at = Timestamp(iso8601: "2013-01-01T08:30:00Z")
        let rows = try await features.lookup(request).rows
        #expect(rows.count == 3)
        #expect(
            rows[0].values == ["\(weather)__temp": .number(6.25), "\(weather)__sky": "rain", "\(airport)__alt": 128])
        #expect(rows[0].eventTimes == [weather: six])
        #expect(rows[1].values == ["\(weather)__temp": .null, "\(weather)__sky": "fog", "\(airport)__alt": .null])
        #expect(rows[2].values == ["\(weather)__temp": .null, "\(weather)__sky": .null, "\(airport)__alt": 20])
        #expect(rows[2].eventTimes.isEmpty)

        func refused(_ text: String, _ request: OnlineFeatureRequest) async {
            let error = await #expect(throws: NestboxError.self) { try await features.lookup(request) }
            #expect((error.map { "\($0.message) \($0.hint ?? "")" } ?? "").contains(text), "\(error?.message ?? "")")
        }
        await refused(
            "`origin`", OnlineFeatureRequest(features: request.features, entities: [["orign": "JFK", "dest": "LAX"]]))
        await refused(
            "entities[1]", OnlineFeatureRequest(features: ["\(airport):alt"], entities: [["dest": "A"], [:]]))
        await refused("entities[0]", OnlineFeatureRequest(features: ["\(airport):alt"], entities: [["dest": ["A"]]]))
        await refused("`\(airport):alt`", OnlineFeatureRequest(features: ["\(airport):al"], entities: [["dest": "A"]]))
        let unknown = await #expect(throws: NestboxError.self) {
            try await features.materialize(views: [prefix + "wether"], until: nil)
        }
        #expect(unknown?.code == .notFound && unknown?.hint?.contains(weather) == true)
    }

    /// One rule for the join and the lookup: a value of exactly the view's three hours counts, a millisecond later it does
    /// not, and what is not known yet does not either.
    func checkTimeToLive() async throws {
        let moments = [
            "2013-01-01T05:29:59.999Z", "2013-01-01T05:30:00Z", "2013-01-01T08:30:00Z", "2013-01-01T08:30:00.001Z",
        ]
        try await Self.load(
            datasets, prefix + "moments", "origin,at\n" + moments.map { "LGA,\($0)\n" }.joined())
        let joined = try await features.trainingSet(
            TrainingSetRequest(
                spine: DatasetReference(name: prefix + "moments"), eventTime: "at", features: ["\(weather):sky"],
                saveAs: prefix + "moments_joined"))
        let table = try await datasets.table(
            DatasetReference(name: joined.dataset, version: joined.version), columns: nil)
        let offline = try (0..<table.rowCount).map { try table.cell($0, "\(weather)__sky").text }
        #expect(offline == [nil, "fog", "fog", nil])

        _ = try await features.materialize(views: [weather], until: nil)
        var online: [OnlineFeatureResponse.Row] = []
        for moment in moments.map({ Timestamp(iso8601: $0) }) + [nil] {
            let request = OnlineFeatureRequest(features: ["\(weather):sky"], entities: [["origin": "LGA"]], at: moment)
            online += try await features.lookup(request).rows
        }
        // The last is asked of the server's own clock, years later.
        #expect(online.map { $0.values["\(weather)__sky"] } == [.null, "fog", "fog", .null, .null])
        let known = Timestamp(iso8601: "2013-01-01T05:30:00Z")
        #expect(online.map { $0.eventTimes[weather] } == [nil, known, known, known, known])
    }
}
