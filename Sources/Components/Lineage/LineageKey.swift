import Contracts
import Core
import Foundation

/// The name of a node.
enum LineageKey: Hashable, Sendable, CustomStringConvertible {
    case dataset(String, Int)
    case externalDataset(String, digest: String)
    case run(String)
    case loggedModel(String)
    case modelVersion(String, Int)
    case deployment(String)

    var kind: LineageNode.Kind {
        switch self {
        case .dataset: .dataset
        case .externalDataset: .externalDataset
        case .run: .run
        case .loggedModel: .loggedModel
        case .modelVersion: .modelVersion
        case .deployment: .deployment
        }
    }

    var description: String {
        switch self {
        case .dataset(let name, let version): "dataset:\(name)/\(version)"
        case .externalDataset(let name, let digest): "external-dataset:\(name)/\(Self.escaped(digest))"
        case .run(let id): "run:\(id)"
        case .loggedModel(let id): "logged-model:\(id)"
        case .modelVersion(let name, let version): "model:\(name)/\(version)"
        case .deployment(let name): "deployment:\(name)"
        }
    }

    /// For people.
    var name: String {
        switch self {
        case .dataset(let name, let version): "\(name)@\(version)"
        case .externalDataset(let name, _): name
        case .run(let id): String(id.prefix(8))
        case .loggedModel(let id): String(id.prefix(10))
        case .modelVersion(let name, let version): "\(name)@\(version)"
        case .deployment(let name): name
        }
    }

    /// A name holds slashes now and then, a digest hardly ever; the last slash divides them.
    static func escaped(_ digest: String) -> String {
        digest.replacingOccurrences(of: "%", with: "%25").replacingOccurrences(of: "/", with: "%2F")
    }
}

/// What somebody wrote to name a node: its kind, a name, and what selects one of several versions.
struct LineageReference {
    var kind: LineageNode.Kind
    var name: String
    /// `3`, `latest`, an alias, a digest; nil when nothing was said.
    var selector: String?

    init(_ text: String) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, let kind = LineageNode.Kind(rawValue: String(parts[0])) else {
            throw NestboxError.invalid(
                "`\(text.prefix(120))` names nothing that has a lineage",
                hint:
                    "write run:ID, dataset:NAME/VERSION, logged-model:ID, model:NAME/VERSION, deployment:NAME or external-dataset:NAME/DIGEST"
            )
        }
        self.kind = kind
        name = String(parts[1])
        guard [.dataset, .externalDataset, .modelVersion].contains(kind) else { return }
        // `flights/3` as in addresses, `flights@3` as in the other commands.
        let marks: Set<Character> = kind == .externalDataset ? ["/"] : ["/", "@"]
        guard let cut = name.lastIndex(where: { marks.contains($0) }) else { return }
        let rest = String(name[name.index(after: cut)...])
        selector = kind == .externalDataset ? rest.removingPercentEncoding ?? rest : rest
        name = String(name[..<cut])
    }
}
