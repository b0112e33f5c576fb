import Core
import Foundation
import Yams

/// A YAML file as MLflow writes one: a mapping of words to scalars, and here and there to a mapping.
///
/// Scalars are kept as they are written, because PyYAML (YAML 1.1) leaves text like `1e5` without quotes, which is a number in
/// YAML 1.2: half of all hexadecimal digests with one `e` in them would change.
struct MetaFile {
    private static let largest = 64 << 20

    private let path: String
    private let nodes: [String: Node]

    /// Throws, naming file and line, when `text` is no mapping.
    init(_ text: String, path: String) throws {
        self.path = path
        let root: Node?
        do {
            root = try YAMLText.compose(text, what: "`\(path)`", largest: Self.largest)
        } catch let error as NestboxError {
            throw unreadable(error.message, hint: error.hint)
        }
        guard let root else { throw unreadable("`\(path)` is empty") }
        guard case .mapping(let mapping) = root else {
            throw unreadable("`\(path)`, line \(root.mark?.line ?? 1): expected `key: value`")
        }
        var nodes: [String: Node] = [:]
        for (key, value) in mapping {
            guard case .scalar(let name) = key else {
                throw unreadable("`\(path)`, line \(key.mark?.line ?? 1): a key must be a word")
            }
            nodes[name.string] = value
        }
        self.nodes = nodes
    }

    init(_ file: String, in folder: StoreFolder) throws {
        try self.init(try folder.text(file), path: folder.path(file))
    }

    func wrong(_ key: String, _ expected: String) -> NestboxError {
        let line = nodes[key]?.mark.map { ", line \($0.line)" } ?? ""
        return unreadable("`\(path)`\(line): `\(key)`: expected \(expected)")
    }

    /// Nil when it is null or missing. A number is the text that it is written as.
    func optionalText(_ key: String) throws -> String? {
        guard let node = nodes[key] else { return nil }
        guard case .scalar(let scalar) = node else { throw wrong(key, "text") }
        return Self.isNull(scalar) ? nil : scalar.string
    }

    func text(_ key: String) throws -> String {
        guard let text = try optionalText(key) else { throw wrong(key, "text") }
        return text
    }

    func optionalWhole(_ key: String) throws -> Int64? {
        guard let text = try optionalText(key) else { return nil }
        // Times of some clients are floating-point numbers.
        guard let whole = Int64(text) ?? Double(text).flatMap({ Int64(exactly: $0.rounded()) }) else {
            throw wrong(key, "a whole number")
        }
        return whole
    }

    func whole(_ key: String) throws -> Int64 {
        guard let whole = try optionalWhole(key) else { throw wrong(key, "a whole number") }
        return whole
    }

    func optionalTime(_ key: String) throws -> Timestamp? {
        try optionalWhole(key).map { Timestamp(milliseconds: $0) }
    }

    /// Text by text; none when it is null or missing.
    func texts(_ key: String) throws -> [String: String] {
        guard let node = nodes[key] else { return [:] }
        switch node {
        case .scalar(let scalar) where Self.isNull(scalar): return [:]
        case .mapping(let pairs):
            var texts: [String: String] = [:]
            for (name, value) in pairs {
                guard case .scalar(let name) = name, case .scalar(let value) = value else {
                    throw wrong(key, "words and texts")
                }
                texts[name.string] = value.string
            }
            return texts
        default: throw wrong(key, "words and texts")
        }
    }

    /// All of it as JSON.
    func json() throws -> JSONValue { .object(try nodes.mapValues(json)) }

    private func json(_ node: Node) throws -> JSONValue {
        switch node {
        case .scalar(let scalar): return Self.value(scalar)
        case .sequence(let nodes): return .array(try nodes.map(json))
        case .mapping(let pairs):
            var object: [String: JSONValue] = [:]
            for (key, value) in pairs {
                guard case .scalar(let name) = key else { break }
                object[name.string] = try json(value)
            }
            return .object(object)
        case .alias:
            throw unreadable("`\(path)`\(node.mark.map { ", line \($0.line)" } ?? ""): aliases are not supported")
        }
    }

    private static func isPlain(_ scalar: Node.Scalar) -> Bool { scalar.style == .plain || scalar.style == .any }

    private static func isNull(_ scalar: Node.Scalar) -> Bool {
        isPlain(scalar) && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// By the rules of YAML 1.1, in which a floating-point number has a point.
    private static func value(_ scalar: Node.Scalar) -> JSONValue {
        guard isPlain(scalar) else { return .string(scalar.string) }
        if isNull(scalar) { return .null }
        switch scalar.string {
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".nan", ".NaN", ".NAN": return .number(.nan)
        case ".inf", ".Inf", ".INF": return .number(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .number(-.infinity)
        case let text:
            guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else { return .string(text) }
            if let whole = Int64(text) { return .int(whole) }
            return text.contains(".") ? Double(text).map(JSONValue.number) ?? .string(text) : .string(text)
        }
    }
}
