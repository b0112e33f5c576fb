import Contracts
import Core
import Foundation
import Serving
import Tables
import Tabular
import TestSupport
import Testing

@Suite struct EmbeddedModelServerTests {
    @Test func keepsTheContract() async throws {
        try await checkModelServer(try await ServingFixture().server, ServingFixture.sample)
    }

    @Test func answersWhatTheModelAnswers() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        let model = try ServingFixture.model(flipped: false)
        let expected = try model.predict(row: [
            "hour": .int64(8), "distance": .float64(400.5), "carrier": .string("AA"), "weekend": .bool(false),
            "at": .timestamp(try #require(Timestamp(iso8601: "2013-05-01T08:00:00Z"))),
        ])
        #expect(try await fixture.server.predict("d", rows: [ServingFixture.rows[0]]).outputs == [expected])
    }

    @Test func changesAreEvents() async throws {
        let fixture = try await ServingFixture()
        try await Caller.$name.withValue("ada") { try await fixture.deploy() }
        try await fixture.deploy()
        try await fixture.deploy(version: "2")
        try await fixture.server.undeploy("d")
        let log = try await fixture.decisions.eventLog()
        #expect(log.map(\.kind) == ["deployment.created", "deployment.updated", "deployment.deleted"])
        #expect(log[0].actor == "ada" && log[0].subject == "deployment/d")
        #expect(log[1].data["from_version"] == 1 && log[1].data["version"] == 2)
    }

    @Test func requestsUnderWayFinishOnTheVersionTheyBeganWith() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        let row = ServingFixture.rows[1]
        let first = try await fixture.server.predict("d", rows: [row]).outputs
        try await fixture.deploy(version: "2")
        let second = try await fixture.server.predict("d", rows: [row]).outputs
        #expect(first != second)
        let versions = try await withThrowingTaskGroup(of: Set<Int>.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var seen: Set<Int> = []
                    for _ in 0..<200 {
                        let answer = try await fixture.server.predict("d", rows: [row])
                        #expect(answer.outputs == (answer.version == 1 ? first : second))
                        seen.insert(answer.version)
                    }
                    return seen
                }
            }
            for round in 0..<10 { try await fixture.deploy(version: round % 2 == 0 ? "1" : "2") }
            return try await group.reduce(into: Set<Int>()) { $0.formUnion($1) }
        }
        #expect(!versions.isEmpty)
        #expect(try await fixture.server.deployment("d").version == 2)
    }

    @Test func deploymentsAreThereAgainAfterARestart() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy("good")
        try await fixture.deploy("bad", version: "2")
        let expected = try await fixture.server.predict("good", rows: ServingFixture.rows).outputs
        await fixture.server.logWriter.flush()
        try fixture.decisions.close()
        try fixture.telemetry.close()

        let again = try await ServingFixture(directory: fixture.directory)
        try await again.artifacts.delete("1/run2/artifacts/model/model.json")
        try await again.server.loadDeployments()
        #expect(try await again.server.deployments().map(\.name) == ["bad", "good"])
        #expect(try await again.server.predict("good", rows: ServingFixture.rows).outputs == expected)
        let error = await #expect(throws: NestboxError.self) {
            _ = try await again.server.predict("bad", rows: ServingFixture.rows)
        }
        #expect(error?.code == .unavailable && error?.message.contains("is not a Nestbox tabular model") == true)
        let failed = try await again.decisions.eventLog().filter { $0.kind == "deployment.failed" }
        #expect(failed.map(\.subject) == ["deployment/bad"])
        #expect(try await again.server.predictions("good", limit: 10).count == 6)

        try await again.deploy("bad", version: "1")
        #expect(try await again.server.predict("bad", rows: ServingFixture.rows).outputs == expected)
    }

    @Test func whatWasAwayAtTheStartServesOnceItIsBack() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        let expected = try await fixture.server.predict("d", rows: ServingFixture.rows).outputs
        await fixture.server.logWriter.flush()
        try fixture.decisions.close()
        try fixture.telemetry.close()

        let again = try await ServingFixture(directory: fixture.directory)
        again.registry.setAway(true)
        try await again.server.loadDeployments()
        try await again.server.retryUnavailable()
        await expectError(.unavailable, mentions: "http://mlflow") {
            _ = try await again.server.predict("d", rows: ServingFixture.rows)
        }
        again.registry.setAway(false)
        try await again.server.retryUnavailable()
        #expect(try await again.server.predict("d", rows: ServingFixture.rows).outputs == expected)
        #expect(try await again.decisions.eventLog().filter { $0.kind == "deployment.failed" }.count == 1)
    }

    @Test func aFolderWithoutAModelIsRefused() async throws {
        let fixture = try await ServingFixture()
        fixture.registry.add("torch", source: "mlflow-artifacts:/1/other/artifacts/model")
        let error = await #expect(throws: NestboxError.self) {
            _ = try await fixture.server.deploy(.init(name: "x", model: "torch", version: "1"))
        }
        #expect(
            error?.message.contains("`torch` version 1 is not a Nestbox tabular model") == true && error?.hint != nil)
        #expect(try await fixture.server.deployments().isEmpty)
        #expect(try await fixture.decisions.eventLog().isEmpty)
    }

    private static let wrongTypes: [(String, JSONValue, String)] = [
        ("hour", 8.5, "8.5 is not a whole number (int64)"), ("weekend", 1, "1 is not true or false (bool)"),
        ("carrier", 7, "7 is not a string (string)"), ("at", "noon", "\"noon\" is not a time"),
        ("distance", ["a": 1], "{\"a\":1} is not a number (float64)"), ("distance", true, "true is not a number"),
    ]

    @Test(arguments: wrongTypes)
    func aValueOfTheWrongTypeIsNamed(column: String, value: JSONValue, message: String) async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy()
        var row = ServingFixture.rows[0]
        row[column] = value
        let error = await #expect(throws: NestboxError.self) { _ = try await fixture.server.predict("d", rows: [row]) }
        #expect(error?.message.contains("column `\(column)`: \(message)") == true, "\(String(describing: error))")
        #expect(error?.hint?.contains("`hour` (int64)") == true)
    }

    @Test func logIsReadBackAsTypedColumns() async throws {
        let fixture = try await ServingFixture()
        try await fixture.deploy(version: "2")
        _ = try await fixture.server.predict("d", rows: [ServingFixture.rows[1]])
        try await fixture.deploy(version: "1")
        let since = try await fixture.server.deployment("d").updatedAt
        let answer = try await fixture.server.predict("d", rows: ServingFixture.rows)
        let logged = try await fixture.server.loggedColumns("d", since: since, limit: 100)
        let table = logged.inputs
        #expect(table.schema.names == ["hour", "distance", "carrier", "weekend", "at"])
        #expect(table.schema.fields.map(\.type) == [.int64, .float64, .string, .bool, .timestamp])
        #expect(logged.outputs == answer.outputs && logged.times.allSatisfy { $0 >= since })
        #expect(try table.column("distance") == .float64([400.5, 1200, 0], Validity([true, true, false])))
        #expect(try table.column("carrier") == .string(["AA", "BB", "unseen"]))
        #expect(
            try await fixture.server.loggedColumns("d", since: since, limit: 2).outputs
                == Array(answer.outputs.suffix(2)))
        #expect(try await fixture.server.baseline("d") == Array("{\"version\":1}".utf8))
    }
}

@Test func inputsMayHaveAnyName() async throws {
    let fixture = try await ServingFixture()
    let values = (0..<200).map { Double($0) }
    let table = try Table([("predicted_at", .float64(values)), ("y", .float64(values.map { $0 / 2 }))])
    let model = try TabularModel.fit(table, target: "y", parameters: .linear(LinearParameters()))
    _ = try await fixture.artifacts.put("3/run/artifacts/model/model.json", try model.encoded())
    fixture.registry.add("named", source: "mlflow-artifacts:/3/run/artifacts/model")
    let deployment = try await fixture.server.deploy(.init(name: "d", model: "named", version: "1"))
    let answer = try await fixture.server.predict("d", rows: [["predicted_at": 7], ["predicted_at": 8.5]])
    let logged = try await fixture.server.loggedColumns("d", since: deployment.updatedAt, limit: 10)
    #expect(try logged.inputs.column("predicted_at") == .float64([7, 8.5]))
    #expect(logged.outputs == answer.outputs && logged.times.count == 2)
}

@Suite struct FeatureLookupTests {
    /// The model's `distance` under the name that a joined feature has.
    private func fixture() async throws -> ServingFixture {
        let fixture = try await ServingFixture()
        let distances = (0..<200).map { Double($0 * 10) }
        let table = try Table([
            ("trips__distance", .float64(distances)), ("minutes", .float64(distances.map { $0 / 8 })),
        ])
        let model = try TabularModel.fit(table, target: "minutes", parameters: .linear(LinearParameters()))
        _ = try await fixture.artifacts.put("2/run/artifacts/model/model.json", try model.encoded())
        fixture.registry.add("joined", source: "mlflow-artifacts:/2/run/artifacts/model")
        return fixture
    }

    @Test func leftOutInputsComeFromTheOnlineStore() async throws {
        let fixture = try await fixture()
        _ = try await fixture.server.deploy(.init(name: "d", model: "joined", version: "1", lookup: ["trips:distance"]))
        let given = try await fixture.server.predict(
            "d", rows: [["trips__distance": 1900], ["trips__distance": .null]])
        #expect(fixture.features.requests.withLock { $0 }.isEmpty)
        let answer = try await fixture.server.predict(
            "d", rows: [["route_id": "far"], ["route_id": "unknown"], ["trips__distance": 1900], ["route_id": .null]])
        #expect(answer.outputs == [given.outputs[0], given.outputs[1], given.outputs[0], given.outputs[1]])
        #expect(
            fixture.features.requests.withLock { $0 } == [
                .init(
                    features: ["trips:distance"],
                    entities: [["route_id": "far"], ["route_id": "unknown"], ["route_id": .null]])
            ])
        let logged = try await fixture.server.prediction(id: answer.id)
        #expect(logged.map(\.inputs) == [1900.0, .null, 1900.0, .null].map { ["trips__distance": $0] })
        _ = try await fixture.server.deploy(.init(name: "d", model: "joined", version: "1"))
        #expect(try await fixture.server.deployment("d").lookup == ["trips:distance"])
    }

    @Test func aNullJoinKeyLeavesTheOtherViewsAlone() async throws {
        let fixture = try await ServingFixture()
        let distances = (0..<200).map { Double($0 * 10) }
        let table = try Table([
            ("trips__distance", .float64(distances)), ("planes__seats", .float64(distances.map { 300 - $0 / 10 })),
            ("minutes", .float64(distances.map { $0 / 8 })),
        ])
        let model = try TabularModel.fit(table, target: "minutes", parameters: .linear(LinearParameters()))
        _ = try await fixture.artifacts.put("2/run/artifacts/model/model.json", try model.encoded())
        fixture.registry.add("joined", source: "mlflow-artifacts:/2/run/artifacts/model")
        _ = try await fixture.server.deploy(
            .init(name: "d", model: "joined", version: "1", lookup: ["trips:distance", "planes:seats"]))
        let answer = try await fixture.server.predict(
            "d",
            rows: [
                ["route_id": "far", "tailnum": .null], ["route_id": .null, "tailnum": "N1"],
                ["route_id": .null, "tailnum": .null],
            ])
        let logged = try await fixture.server.prediction(id: answer.id).map(\.inputs)
        #expect(logged.map { $0["trips__distance"] } == [1900.0, .null, .null])
        #expect(logged.map { $0["planes__seats"] } == [.null, 180.0, .null])
    }

    @Test func theEventTimeOfARequestGoesToTheOnlineStore() async throws {
        let fixture = try await fixture()
        _ = try await fixture.server.deploy(.init(name: "d", model: "joined", version: "1", lookup: ["trips:distance"]))
        let at = Timestamp(milliseconds: 1_370_088_000_000)
        _ = try await fixture.server.predict("d", rows: [["route_id": "far"]], at: at)
        _ = try await fixture.server.predict("d", rows: [["route_id": "far"]])
        #expect(fixture.features.requests.withLock { $0 }.map(\.at) == [at, nil])
    }

    @Test func aMissingJoinKeyIsNamed() async throws {
        let fixture = try await fixture()
        _ = try await fixture.server.deploy(.init(name: "d", model: "joined", version: "1", lookup: ["trips:distance"]))
        let error = await #expect(throws: NestboxError.self) {
            _ = try await fixture.server.predict("d", rows: [["x": 1]])
        }
        #expect(error?.message.contains("row 0: column `trips__distance` is missing, and so is `route_id`") == true)
    }

    @Test(arguments: ["trips:stops", "trips:speed", "journeys:distance", "distance"])
    func aLookupThatDoesNotFitIsRefused(reference: String) async throws {
        let fixture = try await fixture()
        await #expect(throws: NestboxError.self) {
            _ = try await fixture.server.deploy(.init(name: "d", model: "joined", version: "1", lookup: [reference]))
        }
        #expect(try await fixture.server.deployments().isEmpty)
    }
}
