import Contracts
import Core
import Foundation
import Testing

/// What every `ModelRegistry` keeps to. Makes models of its own, so that it can run against a server in use.
package func checkRegistry(_ registry: any ModelRegistry) async throws {
    try await checkModels(registry)
    try await checkModelPages(registry)
    try await checkVersions(registry)
    try await checkVersionPages(registry)
    try await checkVersionNumbers(registry)
    try await checkSemanticVersions(registry)
    try await checkAliases(registry)
    try await checkAliasRules(registry)
    try await checkReasons(registry)
    try await checkHistoryPages(registry)
    try await checkStages(registry)
    try await checkModelRename(registry)
    try await checkModelDeletion(registry)
    try await checkModelSearch(registry)
    try await checkVersionSearch(registry)
    try await checkVersionOrigins(registry)
}

// A place that every server takes as it is: of `mlflow-artifacts:/`, MLflow wants to see the run that it belongs to.
private let source = "s3://models/abc/artifacts/model"

private func newModel(_ registry: any ModelRegistry, versions: Int = 0) async throws -> String {
    let name = "model-\(UUID().uuidString.prefix(8))"
    _ = try await registry.createModel(name: name, description: "", tags: [:])
    for _ in 0..<versions {
        _ = try await registry.createVersion(NewModelVersion(name: name, source: source, runID: nil))
    }
    return name
}

package func checkModels(_ registry: any ModelRegistry) async throws {
    let name = "flights late-\(UUID().uuidString.prefix(8))"
    let made = try await registry.createModel(name: name, description: "later than 15 min", tags: ["team": "ops"])
    #expect(made.name == name && made.description == "later than 15 min")
    #expect(made.tags == ["team": "ops"])
    #expect(made.aliases.isEmpty && made.latestVersion == nil)
    #expect(made.createdAt == made.updatedAt)
    #expect(try await registry.model(name) == made)
    #expect(try await registry.ensureModel(named: name) == made)

    let updated = try await registry.updateModel(name, description: "wörds")
    #expect(updated.description == "wörds" && updated.createdAt == made.createdAt)
    try await registry.setModelTag(name, key: "team", value: "data")
    try await registry.setModelTag(name, key: "tier", value: "1")
    #expect(try await registry.model(name).tags == ["team": "data", "tier": "1"])
    try await registry.setModelTag(name, key: "tier", value: nil)
    try await registry.setModelTag(name, key: "tier", value: nil)
    #expect(try await registry.model(name).tags == ["team": "data"])

    await expectError(.alreadyExists, mentions: name) {
        try await registry.createModel(name: name, description: "", tags: [:])
    }
    for bad in ["", "a/b", "a:b", "../x"] {
        await expectError(.invalidArgument) { try await registry.createModel(name: bad, description: "", tags: [:]) }
    }
    let missing = "missing-\(UUID().uuidString)"
    await expectError(.notFound, mentions: missing) { try await registry.model(missing) }
    await expectError(.notFound) { try await registry.updateModel(missing, description: "") }
    await expectError(.notFound) { try await registry.setModelTag(missing, key: "k", value: "v") }
    await expectError(.invalidArgument) { try await registry.setModelTag(name, key: "", value: "v") }
}

package func checkModelPages(_ registry: any ModelRegistry) async throws {
    let mark = UUID().uuidString.prefix(8)
    let names = ["c", "a", "e", "b", "d"].map { "Page_\(mark)-\($0)" }
    for name in names { _ = try await registry.createModel(name: name, description: name, tags: ["n": name]) }
    for size in [1, 2, 5, 100] {
        var found: [RegisteredModel] = [], token: String?
        repeat {
            let page = try await registry.models(nameContains: "page_\(mark)", maxResults: size, pageToken: token)
            #expect(page.items.count <= size)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        #expect(found.map(\.name) == names.sorted())
        #expect(found.allSatisfy { $0.tags == ["n": $0.name] })
    }
    // Wildcards of the storage are plain characters here.
    #expect(try await registry.models(nameContains: "page%\(mark)", maxResults: 10, pageToken: nil).items.isEmpty)
    #expect(try await registry.models(nameContains: nil, maxResults: 5, pageToken: nil).items.count == 5)
    await expectError(.invalidArgument) { try await registry.models(nameContains: nil, maxResults: 0, pageToken: nil) }
    await expectError(.invalidArgument) { try await registry.models(nameContains: nil, maxResults: 1, pageToken: "!!") }
}

/// What a client set itself.
private func plainTags(_ version: ModelVersion) -> [String: String] {
    version.tags.filter { !$0.key.hasPrefix("nestbox.") }
}

package func checkVersions(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry)
    let first = try await registry.createVersion(
        NewModelVersion(name: name, source: source, runID: "run-1", description: "first", tags: ["gate": "open"]))
    #expect(first.name == name && first.version == 1)
    #expect(first.source == source && first.runID == "run-1" && first.description == "first")
    #expect(first.stage == .none && plainTags(first) == ["gate": "open"] && first.aliases.isEmpty)
    let second = try await registry.createVersion(NewModelVersion(name: name, source: source, runID: nil))
    #expect(second.version == 2 && second.runID == nil)
    #expect(try await registry.version(name, 1) == first)
    #expect(try await registry.model(name).latestVersion == 2)
    #expect(try await registry.resolve(name, "latest").version == 2)
    #expect(try await registry.resolve(name, "1") == first)

    #expect(try await registry.updateVersion(name, 1, description: "better").description == "better")
    try await registry.setVersionTag(name, 1, key: "gate", value: "shut")
    try await registry.setVersionTag(name, 1, key: "auc", value: "0.8")
    #expect(plainTags(try await registry.version(name, 1)) == ["gate": "shut", "auc": "0.8"])
    try await registry.setVersionTag(name, 1, key: "auc", value: nil)
    #expect(plainTags(try await registry.version(name, 1)) == ["gate": "shut"])
    #expect(plainTags(try await registry.version(name, 2)).isEmpty)

    let missing = "missing-\(UUID().uuidString)"
    await expectError(.notFound, mentions: missing) {
        try await registry.createVersion(NewModelVersion(name: missing, source: source, runID: nil))
    }
    await expectError(.invalidArgument) {
        try await registry.createVersion(NewModelVersion(name: name, source: "", runID: nil))
    }
    await expectError(.notFound, mentions: name, "7") { try await registry.version(name, 7) }
    await expectError(.notFound) { try await registry.updateVersion(name, 7, description: "") }
    await expectError(.notFound) { try await registry.setVersionTag(name, 7, key: "k", value: "v") }
    await expectError(.notFound) { try await registry.deleteVersion(name, 7) }
    await expectError(.notFound) { try await registry.version(missing, 1) }
}

package func checkVersionPages(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 5)
    _ = try await newModel(registry, versions: 1)
    for size in [1, 2, 5, 100] {
        var found: [ModelVersion] = [], token: String?
        repeat {
            let page = try await registry.versions(of: name, maxResults: size, pageToken: token)
            #expect(page.items.count <= size)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        #expect(found.map(\.version) == [5, 4, 3, 2, 1])
        #expect(found.allSatisfy { $0.name == name })
    }
    #expect(try await registry.versions(of: nil, maxResults: 6, pageToken: nil).items.count == 6)
    await expectError(.notFound) { try await registry.versions(of: "missing-\(UUID())", maxResults: 5, pageToken: nil) }
    await expectError(.invalidArgument) { try await registry.versions(of: name, maxResults: 0, pageToken: nil) }
}

/// A number once given is never given again.
package func checkVersionNumbers(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 3)
    try await registry.deleteVersion(name, 3)
    #expect(try await registry.model(name).latestVersion == 2)
    #expect(try await registry.createVersion(NewModelVersion(name: name, source: source, runID: nil)).version == 4)
    for version in [1, 2, 4] { try await registry.deleteVersion(name, version) }
    #expect(try await registry.model(name).latestVersion == nil)
    await expectError(.notFound) { try await registry.resolve(name, "latest") }
    #expect(try await registry.createVersion(NewModelVersion(name: name, source: source, runID: nil)).version == 5)
}

package func checkAliases(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 3)
    try await registry.setAlias(name, alias: "champion", version: 1, reason: "first one")
    try await registry.setAlias(name, alias: "challenger", version: 2, reason: "")
    #expect(try await registry.model(name).aliases == ["champion": 1, "challenger": 2])
    #expect(try await registry.version(name, alias: "champion").version == 1)
    #expect(try await registry.version(name, 1).aliases == ["champion"])
    #expect(try await registry.resolve(name, "@challenger").version == 2)

    try await registry.setAlias(name, alias: "champion", version: 2, reason: "auc 0.81 over 0.78")
    // Nothing moves, so nothing is recorded.
    try await registry.setAlias(name, alias: "champion", version: 2, reason: "again")
    #expect(try await registry.version(name, 2).aliases == ["challenger", "champion"])
    #expect(try await registry.version(name, 1).aliases.isEmpty)
    try await registry.deleteAlias(name, alias: "challenger")
    try await registry.deleteAlias(name, alias: "challenger")
    await expectError(.notFound, mentions: "challenger", "champion") {
        try await registry.version(name, alias: "challenger")
    }

    // With a version go its aliases.
    try await registry.deleteVersion(name, 2)
    #expect(try await registry.model(name).aliases.isEmpty)
    if let history = try await history(of: name, registry) {
        #expect(history.map(\.label) == ["deleted", "champion", "challenger", "champion", "challenger", "champion"])
        #expect(history.map(\.fromVersion) == [2, 2, 2, 1, nil, nil])
        #expect(history.map(\.toVersion) == [nil, nil, nil, 2, 2, 1])
        #expect(history.map(\.reason).suffix(3) == ["auc 0.81 over 0.78", "", "first one"])
        #expect(history.map(\.kind) == [.version, .alias, .alias, .alias, .alias, .alias])
        #expect(history.allSatisfy { $0.model == name && !$0.actor.isEmpty })
        #expect(history.dropFirst().allSatisfy { $0.fromStage == nil })
    }

    await expectError(.notFound, mentions: "9") {
        try await registry.setAlias(name, alias: "champion", version: 9, reason: "")
    }
    let missing = "missing-\(UUID().uuidString)"
    await expectError(.notFound) { try await registry.setAlias(missing, alias: "champion", version: 1, reason: "") }
    await expectError(.notFound) { try await registry.deleteAlias(missing, alias: "champion") }
    await expectError(.notFound) { try await registry.version(missing, alias: "champion") }
    if !ContractProfile.lacks(.history) {
        await expectError(.notFound, mentions: missing) { try await registry.history(of: missing, .init()) }
    }
}

/// Why comes with the request, or from the tag that a client sets beforehand, and goes along with what follows from a move.
package func checkReasons(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 3), tag = ModelTransition.reasonTag
    try await registry.setVersionTag(name, 1, key: tag, value: "from the tag")
    try await registry.setAlias(name, alias: "champion", version: 1, reason: "said so")
    _ = try await registry.transition(name, 1, to: .production, archiveExisting: false, reason: "")
    _ = try await registry.transition(name, 2, to: .production, archiveExisting: true, reason: "better")
    try await registry.deleteAlias(name, alias: "champion", reason: "frozen")
    try await registry.setAlias(name, alias: "live", version: 2, reason: "")
    try await registry.deleteVersion(name, 2, reason: "leaks")
    guard let history = try await history(of: name, registry) else { return }
    #expect(try await registry.version(name, 1).tags[tag] == nil, "the move takes the tag away")
    #expect(
        history.reversed().map(\.reason) == [
            "said so", "from the tag", "replaced by version 2: better", "better", "frozen", "",
            "version 2 was deleted: leaks", "leaks",
        ])
    #expect(history[0].kind == .version && history[0].fromVersion == 2 && history[0].fromStage == .production)
    await expectError(.invalidArgument, mentions: "reason") {
        try await registry.setAlias(name, alias: "live", version: 1, reason: String(repeating: "x", count: 5001))
    }
}

package func checkHistoryPages(_ registry: any ModelRegistry) async throws {
    guard !ContractProfile.lacks(.history) else { return }
    let name = try await newModel(registry, versions: 3)
    for turn in 1...7 {
        try await registry.setAlias(name, alias: "a", version: turn % 3 + 1, reason: "\(turn)")
        try await registry.setAlias(name, alias: "b", version: turn % 2 + 1, reason: "b")
    }
    for size in [1, 4, 100] {
        var found: [ModelTransition] = [], token: String?
        repeat {
            let page = try await registry.history(
                of: name, HistorySearch(alias: "a", maxResults: size, pageToken: token))
            #expect(page.items.count <= size)
            found += page.items
            token = page.nextPageToken
        } while token != nil
        #expect(found.map(\.reason) == (1...7).reversed().map { "\($0)" })
    }
    let third = try await registry.history(of: name, HistorySearch(version: 3)).items
    #expect(!third.isEmpty && third.allSatisfy { $0.label == "a" && [$0.fromVersion, $0.toVersion].contains(3) })
    #expect(try await registry.history(of: name, HistorySearch(alias: "c")).items.isEmpty)
    await expectError(.invalidArgument) { try await registry.history(of: name, HistorySearch(maxResults: 0)) }
    await expectError(.invalidArgument) { try await registry.history(of: name, HistorySearch(pageToken: "!!")) }
}

/// The recorded moves, newest first; nil where none are kept, which the implementation must say.
private func history(of name: String, _ registry: any ModelRegistry) async throws -> [ModelTransition]? {
    guard ContractProfile.lacks(.history) else { return try await registry.history(of: name, .init()).items }
    await expectNotImplemented { try await registry.history(of: name, .init()) }
    return nil
}

package func checkAliasRules(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 1)
    for alias in ["", "latest", "Latest", "v1", "V23", "a b", "a/b", "a@b", String(repeating: "a", count: 256)] {
        await expectError(.invalidArgument) { try await registry.setAlias(name, alias: alias, version: 1, reason: "") }
    }
    for alias in ["v1a", "version", "prod-eu_1", "3", String(repeating: "a", count: 255)] {
        try await registry.setAlias(name, alias: alias, version: 1, reason: "")
    }
    #expect(try await registry.model(name).aliases.count == 5)
    #expect(try await registry.version(name, alias: "3").version == 1)
}

package func checkStages(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 3)
    #expect(try await registry.transition(name, 1, to: .production, archiveExisting: false).stage == .production)
    #expect(try await registry.transition(name, 2, to: .production, archiveExisting: false).stage == .production)
    #expect(try await registry.version(name, 1).stage == .production)
    #expect(try await registry.transition(name, 3, to: .production, archiveExisting: true).stage == .production)
    #expect(try await registry.version(name, 1).stage == .archived)
    #expect(try await registry.version(name, 2).stage == .archived)
    #expect(try await registry.transition(name, 3, to: .production, archiveExisting: true).stage == .production)

    if let history = try await history(of: name, registry) {
        #expect(history.map(\.label) == ["Production", "Archived", "Archived", "Production", "Production"])
        #expect(history.map(\.toVersion) == [3, 2, 1, 2, 1])
        #expect(
            history.map(\.fromStage) == [.none, .production, .production, .none, .none].map(Optional<ModelStage>.some))
        #expect(history.allSatisfy { $0.kind == .stage && $0.fromVersion == $0.toVersion })
    }

    await expectError(ContractProfile.lacks(.mistakes) ? .internalError : .invalidArgument) {
        try await registry.transition(name, 1, to: .archived, archiveExisting: true)
    }
    await expectError(.notFound) { try await registry.transition(name, 9, to: .staging, archiveExisting: false) }
}

package func checkModelRename(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 2), other = try await newModel(registry)
    try await registry.setAlias(name, alias: "champion", version: 2, reason: "good")
    let newName = name + " renamed"
    let renamed = try await registry.renameModel(name, to: newName)
    #expect(renamed.name == newName && renamed.aliases == ["champion": 2] && renamed.latestVersion == 2)
    #expect(try await registry.version(newName, alias: "champion").name == newName)
    #expect(
        try await registry.versions(of: newName, maxResults: 10, pageToken: nil).items.map(\.name) == [
            newName, newName,
        ])
    if let history = try await history(of: newName, registry) { #expect(history.map(\.model) == [newName]) }
    await expectError(.notFound) { try await registry.model(name) }
    await expectError(.alreadyExists) { try await registry.renameModel(newName, to: other) }
    await expectError(.invalidArgument) { try await registry.renameModel(newName, to: "a/b") }
    await expectError(.notFound) { try await registry.renameModel(name, to: "x\(UUID())") }
}

package func checkModelDeletion(_ registry: any ModelRegistry) async throws {
    let name = try await newModel(registry, versions: 2)
    try await registry.setAlias(name, alias: "champion", version: 1, reason: "")
    try await registry.setVersionTag(name, 1, key: "k", value: "v")
    try await registry.deleteModel(name)
    await expectError(.notFound) { try await registry.model(name) }
    await expectError(.notFound) { try await registry.version(name, 1) }
    await expectError(.notFound) { try await registry.deleteModel(name) }
    if let history = try await history(of: name, registry) {
        #expect(history.map(\.kind) == [.model, .alias, .alias] && history[1].toVersion == nil)
        #expect(history[1].reason == "the model was deleted")
    }
    // The name is free again, and of the old model nothing but its history clings to it.
    let again = try await registry.createModel(name: name, description: "", tags: [:])
    #expect(again.aliases.isEmpty && again.latestVersion == nil)
    let moved = name + " moved"
    _ = try await registry.renameModel(name, to: moved)
    if let history = try await history(of: moved, registry) { #expect(history.isEmpty) }
    if let history = try await history(of: name, registry) { #expect(history.count == 3) }
    _ = try await registry.renameModel(moved, to: name)
    #expect(
        plainTags(try await registry.createVersion(NewModelVersion(name: name, source: source, runID: nil))).isEmpty)
}
