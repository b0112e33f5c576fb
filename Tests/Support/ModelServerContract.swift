import Contracts
import Core
import Testing

/// What the suite is given: a registered model with versions 1 and 2, both tabular, and rows that it takes.
package struct ModelServerSample: Sendable {
    package var model: String
    /// At least three rows, each with every input.
    package var rows: [[String: JSONValue]]
    /// An input of type float64.
    package var numericInput: String

    package init(model: String, rows: [[String: JSONValue]], numericInput: String) {
        self.model = model
        self.rows = rows
        self.numericInput = numericInput
    }
}

/// What every `ModelServer` keeps to. Uses deployments whose names begin with `contract`.
package func checkModelServer(_ server: any ModelServer, _ sample: ModelServerSample) async throws {
    try await checkDeployments(server, sample)
    try await checkPredictions(server, sample)
    try await checkPredictionRefusals(server, sample)
}

private func expectCode<T>(
    _ code: NestboxError.Code, naming text: String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> T
) async {
    do {
        _ = try await body()
        Issue.record("expected \(code.rawValue)", sourceLocation: sourceLocation)
    } catch let error as NestboxError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        #expect(text.isEmpty || error.message.contains(text), "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

/// Deploying creates, then moves; selectors are numbers and `latest`; undeploying forgets.
package func checkDeployments(_ server: any ModelServer, _ sample: ModelServerSample) async throws {
    let name = "contract moves"
    let created = try await server.deploy(.init(name: name, model: sample.model, version: "1"))
    #expect(created.name == name && created.model == sample.model && created.version == 1 && created.lookup.isEmpty)
    let moved = try await server.deploy(.init(name: name, model: sample.model, version: "latest"))
    #expect(moved.version == 2 && moved.createdAt == created.createdAt && moved.updatedAt >= created.updatedAt)
    #expect(try await server.deployment(name) == moved)
    #expect(try await server.deployments().filter { $0.name == name } == [moved])
    let again = try await server.deploy(.init(name: name, model: sample.model, version: "2"))
    #expect(again == moved)

    await expectCode(.notFound) { try await server.deploy(.init(name: name, model: sample.model, version: "99")) }
    await expectCode(.notFound) {
        try await server.deploy(.init(name: name, model: sample.model + "-no", version: "1"))
    }
    await expectCode(.invalidArgument, naming: "a/b") {
        try await server.deploy(.init(name: "a/b", model: sample.model, version: "1"))
    }
    #expect(try await server.deployment(name) == moved)

    try await server.undeploy(name)
    #expect(try await !server.deployments().contains { $0.name == name })
    await expectCode(.notFound, naming: name) { try await server.deployment(name) }
    await expectCode(.notFound, naming: name) { try await server.predict(name, rows: sample.rows) }
    await expectCode(.notFound, naming: name) { try await server.undeploy(name) }
}

/// One output per row, in order, the same alone and in a batch; everything is logged and counted.
package func checkPredictions(_ server: any ModelServer, _ sample: ModelServerSample) async throws {
    let name = "contract-predicts"
    _ = try await server.deploy(.init(name: name, model: sample.model, version: "1"))
    let signature = try await server.signature(name)
    let known = Set(sample.rows.flatMap(\.keys))
    #expect(!signature.inputs.isEmpty && signature.inputs.allSatisfy { known.contains($0.name) })

    let answer = try await server.predict(name, rows: sample.rows)
    #expect(answer.deployment == name && answer.model == sample.model && answer.version == 1)
    #expect(answer.outputs.count == sample.rows.count && answer.outputs.allSatisfy(\.isFinite))
    var alone: [Double] = []
    for row in sample.rows { alone += try await server.predict(name, rows: [row]).outputs }
    #expect(alone == answer.outputs)
    let many = try await server.predict(name, rows: Array(repeating: sample.rows, count: 200).flatMap { $0 })
    #expect(many.outputs == Array(repeating: answer.outputs, count: 200).flatMap { $0 })

    var padded = sample.rows[0]
    padded["not an input"] = "x"
    padded[sample.numericInput] = .null
    let other = try await server.predict(name, rows: [padded])
    #expect(other.id != answer.id)

    let logged = try await server.prediction(id: answer.id)
    #expect(logged.map(\.row) == Array(sample.rows.indices) && logged.map(\.output) == answer.outputs)
    #expect(logged.allSatisfy { $0.id == answer.id && $0.deployment == name && $0.version == 1 })
    #expect(logged.allSatisfy { Set($0.inputs.keys) == Set(signature.inputs.map(\.name)) })
    #expect(logged[0].inputs[sample.numericInput]?.doubleValue == sample.rows[0][sample.numericInput]?.doubleValue)
    let newest = try await server.predictions(name, limit: 2)
    #expect(newest.count == 2 && newest[0].id == other.id && newest[0].inputs[sample.numericInput] == .null)
    #expect(newest[0].inputs["not an input"] == nil)

    let statistics = try await server.statistics(name)
    #expect(statistics.requests == sample.rows.count + 3 && statistics.rows == sample.rows.count * 202 + 1)
    #expect(
        statistics.errors == 0 && statistics.logDropped == 0
            && statistics.latencyP99 ?? -1 >= statistics.latencyP50 ?? 0)
    #expect(statistics.perSecond.count == 60)
    try await server.undeploy(name)
}

/// A refusal names row, column and the expected type, counts as an error, and logs nothing.
package func checkPredictionRefusals(_ server: any ModelServer, _ sample: ModelServerSample) async throws {
    let name = "contract-refuses"
    _ = try await server.deploy(.init(name: name, model: sample.model, version: "1"))
    var wrong = sample.rows
    wrong[1][sample.numericInput] = "seven"
    await expectCode(.invalidArgument, naming: "row 1, column `\(sample.numericInput)`") {
        try await server.predict(name, rows: wrong)
    }
    var missing = sample.rows
    missing[2].removeValue(forKey: sample.numericInput)
    await expectCode(.invalidArgument, naming: "row 2: column `\(sample.numericInput)` (float64) is missing") {
        try await server.predict(name, rows: missing)
    }
    await expectCode(.invalidArgument, naming: "empty") { try await server.predict(name, rows: []) }
    #expect(try await server.statistics(name).errors == 3)
    #expect(try await server.predictions(name, limit: 10).isEmpty)
    await expectCode(.notFound) { try await server.prediction(id: "0123456789abcdef0123456789abcdef") }
    await expectCode(.notFound) { try await server.signature("contract-no-such") }
    await expectCode(.notFound) { try await server.statistics("contract-no-such") }
    try await server.undeploy(name)
}
