import Foundation
import Yams

/// YAML from outside. It refuses what can exhaust a process: deep nesting, aliases (a few lines of them expand to more than
/// any memory holds), large texts.
public enum YAMLText {
    /// Bytes; recipes and definitions have hundreds of lines, not tens of thousands.
    public static let largest = 1 << 20
    public static let deepest = JSON.deepestRequest

    /// YAML or JSON as a JSON value. Plain scalars are read by the core schema of YAML 1.2: only `true` and `false` are
    /// booleans, and dates stay text. Throws `invalid_argument` naming the line, or `payload_too_large`.
    public static func parse(_ text: String, what: String, largest: Int = YAMLText.largest) throws -> JSONValue {
        try checkSize(text, what: what, largest)
        let start = text.drop { $0.isWhitespace }
        if start.hasPrefix("{"), start.dropFirst().first(where: { !$0.isWhitespace }) == "\"" {
            return try JSONReader.parse(text.utf8, what: what)
        }
        guard let root = try compose(text, what: what, largest: largest) else {
            throw NestboxError.invalid("\(what) is empty")
        }
        return try value(root, what: what)
    }

    /// The tree of a YAML text, whose nodes know their lines; nil when the text is empty.
    public static func compose(_ text: String, what: String, largest: Int = YAMLText.largest) throws -> Node? {
        try checkSize(text, what: what, largest)
        try checkTokens(text, what: what)
        do {
            let root = try Yams.compose(yaml: text)
            if let root { try checkDepth(root, what: what, left: deepest) }
            return root
        } catch let error as YamlError {
            // The error quotes the line, which may be all of the text.
            throw NestboxError.invalid("\(what) is not well-formed YAML: \("\(error)".prefix(400))")
        }
    }

    private static func checkSize(_ text: String, what: String, _ largest: Int) throws {
        guard text.utf8.count <= largest else {
            throw NestboxError(.payloadTooLarge, "\(what) is larger than \(largest) bytes", hint: "send it in parts")
        }
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

    private static func tooDeep(_ what: String, line: Int) -> NestboxError {
        .invalid("\(what) is nested more than \(deepest) levels deep, at line \(line)")
    }

    private static func checkDepth(_ node: Node, what: String, left: Int) throws {
        switch node {
        case .scalar, .alias: return
        case .sequence(let nodes):
            guard left > 0 else { throw tooDeep(what, line: node.mark?.line ?? 1) }
            for node in nodes { try checkDepth(node, what: what, left: left - 1) }
        case .mapping(let pairs):
            guard left > 0 else { throw tooDeep(what, line: node.mark?.line ?? 1) }
            for (key, value) in pairs {
                try checkDepth(key, what: what, left: left - 1)
                try checkDepth(value, what: what, left: left - 1)
            }
        }
    }

    /// What must be refused before the parser sees it, because it recurses once per level and makes a tree of every alias.
    /// Counts brackets and `- - -` without regard to quotes, which real texts never notice.
    private static func checkTokens(_ text: String, what: String) throws {
        var open = 0, dashes = 0, line = 1, previous: UInt8 = 0x0A
        var anchors: Set<String> = [], aliases: [(name: String, line: Int)] = []
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
            case UInt8(ascii: "-"), UInt8(ascii: "?"): dashes += 1
            case UInt8(ascii: "&") where startsWord(after: previous): anchors.insert(name(bytes, from: index + 1))
            case UInt8(ascii: "*") where startsWord(after: previous):
                aliases.append((name(bytes, from: index + 1), line))
            case 0x0A: line += 1
            default: break
            }
            if !"-? ".utf8.contains(byte) { dashes = 0 }
            // Four times, because a line of dashes in a comment is not nesting.
            guard open <= deepest, dashes <= 4 * deepest else { throw tooDeep(what, line: line) }
            previous = byte
        }
        // A `*word*` in a sentence names no anchor.
        if let alias = aliases.first(where: { anchors.contains($0.name) }) {
            throw NestboxError.invalid(
                "\(what), line \(alias.line): aliases (`*\(alias.name.prefix(40))`) are not supported",
                hint: "write the value out, or put text with `*` in quotes")
        }
    }

    /// Bytes above ASCII are taken for line ends, which some of them are in YAML.
    private static func startsWord(after byte: UInt8) -> Bool {
        byte <= 0x20 || byte >= 0x80 || "[]{},:\"'".utf8.contains(byte)
    }

    private static func name(_ bytes: [UInt8], from start: Int) -> String {
        let isNamed = { (byte: UInt8) in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
        return String(decoding: bytes[start...].prefix(while: isNamed), as: UTF8.self)
    }
}
