import Core
import Foundation
import Yams

/// YAML from outside as a JSON value. Plain scalars are read by the core schema of YAML 1.2: only `true` and `false` are
/// booleans, and dates stay text. It refuses what can exhaust a process: deep nesting, aliases, large texts.
package enum YAMLText {
    static let largestText = 256 << 10
    static let deepestNesting = 32

    package static func parse(_ text: String, what: String) throws -> JSONValue {
        guard text.utf8.count <= largestText else {
            throw NestboxError(.payloadTooLarge, "\(what) is larger than \(largestText) bytes")
        }
        try checkNesting(text, what: what)
        let start = text.drop { $0.isWhitespace }
        if start.hasPrefix("{"), start.dropFirst().first(where: { !$0.isWhitespace }) == "\"" {
            return try JSON.decode(JSONValue.self, from: text, what: what)
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw NestboxError.invalid("\(what) is not well-formed YAML: \(error)")
        }
        guard let root else { throw NestboxError.invalid("\(what) is empty") }
        return try value(root, what: what)
    }

    private static func value(_ node: Node, what: String) throws -> JSONValue {
        switch node {
        case .scalar(let scalar):
            return scalar.style == .plain || scalar.style == .any ? plain(scalar.string) : .string(scalar.string)
        case .sequence(let nodes):
            return .array(try nodes.map { try value($0, what: what) })
        case .mapping(let pairs):
            var object: [String: JSONValue] = [:]
            for (key, item) in pairs {
                guard case .scalar(let name) = key else {
                    throw NestboxError.invalid("\(what)\(place(key)): a key must be a single word")
                }
                object[name.string] = try value(item, what: what)
            }
            return .object(object)
        case .alias:
            throw NestboxError.invalid("\(what)\(place(node)): aliases are not supported")
        }
    }

    private static func place(_ node: Node) -> String { node.mark.map { " at line \($0.line)" } ?? "" }

    private static func plain(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        guard let first = text.utf8.first, first < 0x3A, text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) })
        else {
            return .string(text)
        }
        if let whole = Int64(text) { return .int(whole) }
        if let number = Double(text), number.isFinite { return .number(number) }
        return .string(text)
    }

    /// The parser recurses once per level, so the depth is bounded before it starts. Counts brackets and `- - -` without
    /// regard to quotes, which a real recipe never notices.
    private static func checkNesting(_ text: String, what: String) throws {
        var open = 0, dashes = 0, previous: UInt8 = 0x0A
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
            case UInt8(ascii: "-"), UInt8(ascii: "?"): dashes += 1
            case UInt8(ascii: " "): break
            default: dashes = 0
            }
            guard open <= deepestNesting, dashes <= 4 * deepestNesting else {
                throw NestboxError.invalid("\(what) is nested more than \(deepestNesting) levels deep")
            }
            let isWordStart = previous <= 0x20 || "[{,:".utf8.contains(previous)
            if byte == UInt8(ascii: "*"), isWordStart, index + 1 < bytes.count, bytes[index + 1] > 0x20 {
                throw NestboxError.invalid(
                    "\(what): aliases (`*name`) are not supported", hint: "put text with `*` in quotes")
            }
            previous = byte
        }
    }
}
