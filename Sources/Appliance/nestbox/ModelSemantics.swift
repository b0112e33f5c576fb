import ArgumentParser
import Client
import Contracts
import Core

extension ModelsCommand {
    struct Semantic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A version's semantic version: show it with what would be proposed now, or set it.",
            discussion: """
                Every version gets one when it is registered: the first 1.0.0, the next by what changed. A column that is gone, \
                has another type or is newly required is a major change; other columns, another algorithm or other metrics are \
                a minor one; the rest is a patch. Semantic versions grow with the versions; one that would not is refused.
                """)
        @Argument(help: "The model.") var name: String
        @Argument(help: "The version's number, an alias, or latest.") var version: String
        @Argument(help: "The semantic version to set, like 2.0.0.") var semantic: String?
        @Option(help: "Instead: how far from the version before, major, minor or patch.") var bump: String?
        @Option(help: "Why.") var reason: String?
        @OptionGroup var client: ClientOptions

        func validate() throws {
            if semantic != nil, bump != nil { throw ValidationError("give either a semantic version or --bump") }
            if let bump, SemanticVersion.Bump(rawValue: bump) == nil {
                throw ValidationError("--bump is \(bump); expected major, minor or patch")
            }
        }

        func run() async throws {
            let remote = try client.connect()
            let number = try await remote.registry.resolve(name, version).version
            let path = "/api/v1/models/\(APIClient.escape(name))/versions/\(number)/semantic"
            if semantic != nil || bump != nil {
                let choice = SemanticChoice(
                    semanticVersion: try semantic.map { try SemanticVersion(parsing: $0) },
                    bump: bump.flatMap(SemanticVersion.Bump.init(rawValue:)), reason: reason)
                let changed: ModelVersion = try await remote.client.send(.PUT, path, body: choice)
                if client.json { return try Terminal.json(changed) }
                return print("\(name) version \(number) is \(changed.semantic?.description ?? "–")")
            }
            let status: JSONValue = try await remote.client.get(path)
            if client.json { return try Terminal.json(status) }
            print("\(name) version \(number) is \(status["semanticVersion"]?.stringValue ?? "–")")
            print("  \(status["reason"]?.stringValue ?? "")")
            if let proposal = status["proposal"], let reason = proposal["reason"]?.stringValue {
                print(
                    "proposed now: \(proposal["semanticVersion"]?.stringValue ?? "") (\(proposal["bump"]?.stringValue ?? ""): \(reason))"
                )
            }
        }
    }
}
