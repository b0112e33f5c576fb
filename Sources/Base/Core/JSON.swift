import Foundation

/// Shared JSON coders: sorted keys, slashes unescaped, NaN and infinities as the strings MLflow's clients use.
public enum JSON {
    // JSONEncoder and JSONDecoder are safe to share once configured; making one per call costs microseconds.
    private static let encoder = makeEncoder([.sortedKeys, .withoutEscapingSlashes])
    private static let prettyEncoder = makeEncoder([.sortedKeys, .withoutEscapingSlashes, .prettyPrinted])
    private static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return decoder
    }()

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

    /// Decodes JSON, or throws `invalid_argument` naming `what`, the path inside it and what was expected there.
    public static func decode<T: Decodable>(_ type: T.Type, from data: Data, what: String = "the JSON body") throws -> T
    {
        do {
            return try decoder.decode(type, from: data)
        } catch let error as DecodingError {
            throw explain(error, what: what)
        }
    }

    public static func decode<T: Decodable>(_ type: T.Type, from text: String, what: String = "the JSON text") throws
        -> T
    {
        try decode(type, from: Data(text.utf8), what: what)
    }

    /// The sentence for a decoding error; also used for YAML, which decodes through the same protocol.
    public static func explain(_ error: DecodingError, what: String) -> NestboxError {
        switch error {
        case .keyNotFound(let key, let context):
            .invalid("\(what): `\(path(context.codingPath + [key]))` is required and is missing")
        case .typeMismatch(let type, let context):
            .invalid("\(what): `\(path(context.codingPath))` must be \(name(of: type))")
        case .valueNotFound(let type, let context):
            .invalid("\(what): `\(path(context.codingPath))` must be \(name(of: type)), not null")
        case .dataCorrupted(let context):
            if context.codingPath.isEmpty {
                .invalid("\(what) is not well-formed: \(detail(context))")
            } else {
                .invalid("\(what): `\(path(context.codingPath))` is not valid: \(context.debugDescription)")
            }
        @unknown default:
            .invalid("\(what) could not be read")
        }
    }

    private static func detail(_ context: DecodingError.Context) -> String {
        if let cause = context.underlyingError as NSError?,
            let text = cause.userInfo["NSDebugDescription"] as? String
        {
            return text
        }
        return context.debugDescription
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
        case "Int", "Int64", "Int32", "UInt64": return "a whole number"
        case "Double", "Float": return "a number"
        default: return "an object"
        }
    }
}
