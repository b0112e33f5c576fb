import Contracts
import Core
import Foundation
import Yams

extension FeatureDefinitions {
    /// Reads `features.yaml`, or the same as JSON. Throws `invalid_argument` naming line, key and what was expected; a key
    /// that does not exist is refused with the nearest that does. The datasets are not looked at.
    ///
    /// - Parameter what: names the text in errors.
    package init(yaml text: String, what: String = "features.yaml") throws {
        self = try DefinitionReader(what: what).definitions(try Self.compose(text, what: what))
    }

    private static func compose(_ text: String, what: String) throws -> Node {
        // JSON's escapes are not all YAML's (surrogate pairs), so what is JSON is read as JSON.
        if text.first(where: { !$0.isWhitespace }) == "{", let json = try? JSONReader.parse(text.utf8) {
            return node(json)
        }
        guard let node = try YAMLText.compose(text, what: what) else {
            throw NestboxError.invalid("\(what) is empty", hint: "it holds `entities:` and `feature_views:`")
        }
        return node
    }

    private static func node(_ json: JSONValue) -> Node {
        switch json {
        case .null: Node("null", Tag(.null))
        case .bool(let value): Node(value ? "true" : "false", Tag(.bool))
        case .int(let value): Node(String(value), Tag(.int))
        case .number(let value): Node(String(value), Tag(.float))
        case .string(let value): Node(value, Tag(.str), .doubleQuoted)
        case .array(let values): Node(values.map(node))
        case .object(let object):
            Node(object.sorted { $0.key < $1.key }.map { (Node($0.key, Tag(.str)), node($0.value)) })
        }
    }
}

/// Walks the tree of a definitions text. It decodes by hand because Codable knows neither lines nor keys too many.
private struct DefinitionReader {
    let what: String

    func definitions(_ root: Node) throws -> FeatureDefinitions {
        let map = try mapping(root, "", keys: ["entities", "feature_views"])
        let entities = try list(map["entities"], "entities").enumerated().map { index, node in
            try entity(node, "entities[\(index)]")
        }
        let views = try list(map["feature_views"], "feature_views").enumerated().map { index, node in
            try view(node, "feature_views[\(index)]")
        }
        return FeatureDefinitions(entities: entities, featureViews: views)
    }

    private func entity(_ node: Node, _ path: String) throws -> Entity {
        let map = try mapping(node, path, keys: ["name", "join_key", "description"])
        return Entity(
            name: try required(map, "name", node, path), joinKey: try required(map, "join_key", node, path),
            description: try map["description"].map { try string($0, "\(path).description") })
    }

    private func view(_ node: Node, _ path: String) throws -> FeatureView {
        let map = try mapping(
            node, path,
            keys: [
                "name", "entities", "dataset", "key_columns", "event_time", "ttl_seconds", "features", "description",
            ])
        let dataset = try required(map, "dataset", node, path)
        let reference: DatasetReference
        do {
            reference = try DatasetReference(parsing: dataset)
        } catch let error as NestboxError {
            throw fault(map["dataset"], "\(path).dataset", error.message, hint: error.hint)
        }
        let keyColumns = try map["key_columns"].map { node in
            try mapping(node, "\(path).key_columns", keys: nil).mapValues { try string($0, "\(path).key_columns") }
        }
        return FeatureView(
            name: try required(map, "name", node, path), entities: try names(map, "entities", node, path),
            dataset: reference, keyColumns: keyColumns,
            eventTime: try map["event_time"].map { try string($0, "\(path).event_time") },
            ttlSeconds: try map["ttl_seconds"].map { try seconds($0, "\(path).ttl_seconds") },
            features: try names(map, "features", node, path),
            description: try map["description"].map { try string($0, "\(path).description") })
    }

    /// The entries of a map; null values count as left out. With `keys`, another key is refused.
    private func mapping(_ node: Node, _ path: String, keys: [String]?) throws -> [String: Node] {
        guard let mapping = node.mapping else { throw fault(node, path, "must be a map of `key: value`") }
        var result: [String: Node] = [:]
        for (key, value) in mapping {
            let name = try string(key, path)
            if let keys, !keys.contains(name) {
                throw fault(
                    key, path.isEmpty ? name : "\(path).\(name)", "there is no such key",
                    hint: NestboxError.notFound("key", name, among: keys).hint)
            }
            if value.null == nil { result[name] = value }
        }
        return result
    }

    private func list(_ node: Node?, _ path: String) throws -> [Node] {
        guard let node else { return [] }
        guard let sequence = node.sequence else { throw fault(node, path, "must be a list") }
        return Array(sequence)
    }

    private func names(_ map: [String: Node], _ key: String, _ parent: Node, _ path: String) throws -> [String] {
        guard let node = map[key] else { throw fault(parent, "\(path).\(key)", "is required and is missing") }
        return try list(node, "\(path).\(key)").enumerated().map { try string($1, "\(path).\(key)[\($0)]") }
    }

    private func required(_ map: [String: Node], _ key: String, _ parent: Node, _ path: String) throws -> String {
        guard let node = map[key] else { throw fault(parent, "\(path).\(key)", "is required and is missing") }
        return try string(node, "\(path).\(key)")
    }

    private func string(_ node: Node, _ path: String) throws -> String {
        guard let scalar = node.scalar else { throw fault(node, path, "must be a single text") }
        guard !scalar.string.isEmpty else { throw fault(node, path, "must not be empty") }
        return scalar.string
    }

    private func seconds(_ node: Node, _ path: String) throws -> Double {
        guard let value = node.float, value.isFinite, value > 0 else {
            throw fault(node, path, "must be a number of seconds above zero, not `\(node.scalar?.string ?? "…")`")
        }
        return value
    }

    private func fault(_ node: Node?, _ path: String, _ sentence: String, hint: String? = nil) -> NestboxError {
        let place = node?.mark.map { ", line \($0.line)" } ?? ""
        let subject = path.isEmpty ? "the whole" : "`\(path)`"
        return .invalid("\(what)\(place): \(subject): \(sentence)", hint: hint)
    }
}
