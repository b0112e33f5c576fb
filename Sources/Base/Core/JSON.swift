import Foundation

/// Shared JSON coders: sorted keys, slashes unescaped, NaN and infinities as the strings MLflow's clients use.
public enum JSON {
    /// How deep what a client sends may be nested.
    public static let deepestRequest = 64
    /// How deep what this house wrote itself may be nested: requests wrapped in records, lists and answers.
    public static let deepest = 2 * deepestRequest

    // JSONEncoder is safe to share once configured; making one per call costs microseconds.
    private static let encoder = makeEncoder([.sortedKeys, .withoutEscapingSlashes])
    private static let prettyEncoder = makeEncoder([.sortedKeys, .withoutEscapingSlashes, .prettyPrinted])
    private static func makeEncoder(_ formatting: JSONEncoder.OutputFormatting) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return encoder
    }

    public static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
        try (pretty ? prettyEncoder : encoder).encode(value)
    }

    public static func string(_ value: some Encodable, pretty: Bool = false) throws -> String {
        String(decoding: try encode(value, pretty: pretty), as: UTF8.self)
    }

    /// Decodes JSON in time linear in its size, or throws `invalid_argument` naming `what`, the path inside it and what
    /// was expected there. JSON nested more than `deepest` levels is refused.
    public static func decode<T: Decodable>(
        _ type: T.Type, from data: Data, what: String = "the JSON body", deepest: Int = JSON.deepest
    ) throws -> T {
        try decode(type, value: try JSONReader.parse(data, what: what, deepest: deepest), what: what)
    }

    public static func decode<T: Decodable>(
        _ type: T.Type, from text: String, what: String = "the JSON text", deepest: Int = JSON.deepest
    ) throws -> T {
        try decode(type, value: try JSONReader.parse(text.utf8, what: what, deepest: deepest), what: what)
    }

    /// Decodes what was parsed already.
    public static func decode<T: Decodable>(_ type: T.Type, value: JSONValue, what: String) throws -> T {
        do {
            return try JSONValueDecoder(value).decode(type)
        } catch let error as DecodingError {
            throw explain(error, what: what)
        }
    }

    /// Appends `text` as a JSON string.
    public static func append(_ text: String, to out: inout [UInt8]) {
        out.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C: out += [0x5C, byte]
            case 0..<0x20:
                let low = byte & 15
                out += [0x5C, 0x75, 0x30, 0x30, 0x30 + (byte >> 4), low < 10 ? 0x30 + low : 0x57 + low]
            default: out.append(byte)
            }
        }
        out.append(0x22)
    }

    /// The sentence for a decoding error.
    public static func explain(_ error: DecodingError, what: String) -> NestboxError {
        switch error {
        case .keyNotFound(let key, let context):
            .invalid("\(what): `\(path(context.codingPath + [key]))` is required and is missing")
        case .typeMismatch(let type, let context):
            .invalid("\(what): `\(path(context.codingPath))` must be \(name(of: type))")
        case .valueNotFound(let type, let context):
            .invalid("\(what): `\(path(context.codingPath))` must be \(name(of: type)), not null")
        case .dataCorrupted(let context):
            .invalid("\(what): `\(path(context.codingPath))` is not valid: \(context.debugDescription)")
        @unknown default:
            .invalid("\(what) could not be read")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        var text = ""
        for key in keys {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : "." + key.stringValue
            }
        }
        return text.isEmpty ? "the whole" : text
    }

    private static func name(of type: Any.Type) -> String {
        let text = "\(type)"
        if text.hasPrefix("Array") { return "an array" }
        if text.hasPrefix("Dictionary") { return "an object" }
        switch text {
        case "String": return "a string"
        case "Bool": return "true or false"
        case "Int", "Int64", "Int32", "Int16", "Int8", "UInt", "UInt64", "UInt32", "UInt16", "UInt8":
            return "a whole number"
        case "Double", "Float": return "a number"
        default: return "an object"
        }
    }
}
