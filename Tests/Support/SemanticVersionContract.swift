import Contracts
import Core
import Foundation
import Testing

/// Every version of a model has a semantic version, which grows with its number.
package func checkSemanticVersions(_ registry: any ModelRegistry) async throws {
    let name = "semantic-\(UUID().uuidString.prefix(8))"
    _ = try await registry.createModel(name: name, description: "", tags: [:])
    func add(_ tags: [String: String] = [:]) async throws -> ModelVersion {
        try await registry.createVersion(
            NewModelVersion(name: name, source: "s3://models/abc/artifacts/model", runID: nil, tags: tags))
    }
    let first = try await add()
    guard !ContractProfile.lacks(.semanticVersions) else {
        #expect(first.semantic == nil)
        return await expectNotImplemented {
            try await registry.setSemanticVersion(name, 1, to: .first, reason: "")
        }
    }
    #expect(first.semantic == .first && first.tags[SemanticVersion.tag] == "1.0.0")
    #expect(first.tags[SemanticVersion.reasonTag]?.contains("first version") == true)
    let second = try await add()
    #expect(try #require(second.semantic) > .first && second.semanticIsProposed)
    let third = try await add([SemanticVersion.tag: "2.0.0"])
    #expect(third.semantic?.description == "2.0.0" && !third.semanticIsProposed)

    // Between its neighbours and nowhere else.
    let set = try await registry.setSemanticVersion(
        name, 2, to: SemanticVersion(parsing: "1.7.3"), reason: "as agreed")
    #expect(set.semantic?.description == "1.7.3" && set.tags[SemanticVersion.reasonTag] == "as agreed")
    #expect(try await registry.version(name, 2) == set)
    for wrong in ["1.0.0", "0.9.0", "2.0.0", "2.0.1"] {
        await expectError(.invalidArgument, mentions: wrong) {
            try await registry.setSemanticVersion(name, 2, to: SemanticVersion(parsing: wrong), reason: "")
        }
    }
    await expectError(.invalidArgument, mentions: "2.0.0") { try await add([SemanticVersion.tag: "1.9.0"]) }
    await expectError(.invalidArgument) { try await add([SemanticVersion.tag: "two"]) }
    #expect(try await registry.model(name).latestVersion == 3)
    await expectError(.notFound) { try await registry.setSemanticVersion(name, 9, to: .first, reason: "") }

    // By the tag, as MLflow's clients can.
    try await registry.setVersionTag(name, 3, key: SemanticVersion.tag, value: "2.1.0")
    #expect(try await registry.version(name, 3).semantic?.description == "2.1.0")
    await expectError(.invalidArgument) {
        try await registry.setVersionTag(name, 3, key: SemanticVersion.tag, value: "1.0.0")
    }
    await expectError(.invalidArgument) {
        try await registry.setVersionTag(name, 3, key: SemanticVersion.tag, value: nil)
    }

    func found(_ range: String) async throws -> [Int] {
        try await registry.versions(of: name, in: SemanticRange(parsing: range)).map(\.version)
    }
    #expect(try await found("^1") == [2, 1])
    #expect(try await found("~1.7") == [2])
    #expect(try await found(">=1.5") == [3, 2])
    #expect(try await found("3.x") == [])
    #expect(try await registry.resolve(name, "^1.0").version == 2)
    #expect(try await registry.resolve(name, "2.1.0").version == 3)
    await expectError(.notFound, mentions: "^4") { try await registry.resolve(name, "^4.0") }

    let prompt = name + "-prompt", isPrompt = ["mlflow.prompt.is_prompt": "true"]
    _ = try await registry.createModel(name: prompt, description: "", tags: isPrompt)
    let text = try await registry.createVersion(
        NewModelVersion(
            name: prompt, source: "dummy-source", runID: nil,
            tags: isPrompt.merging(["mlflow.prompt.text": "Hello"]) { $1 }))
    #expect(text.semantic == nil && text.tags[SemanticVersion.tag] == nil)
}
