import Core

extension Cell {
    /// The cell as JSON: a timestamp as an ISO 8601 string (milliseconds outside the years 0 to 9999). NaN and the
    /// infinities stay numbers here; `JSON.encode` writes them as strings.
    public var json: JSONValue {
        switch self {
        case .null: .null
        case .int64(let value): .int(value)
        case .float64(let value): .number(value)
        case .bool(let value): .bool(value)
        case .string(let value): .string(value)
        case .timestamp(let value):
            value.fourDigitYearText.map { .string($0) } ?? .int(value.milliseconds)
        }
    }

    /// A JSON value as a cell of `type`; JSON null is null. A whole number fits float64 and a float without fraction
    /// fits int64; `"NaN"`, `"Infinity"` and `"-Infinity"` fit float64; a timestamp is ISO 8601 or milliseconds.
    ///
    /// - Parameter column: named in the `invalid_argument` that is thrown when the value does not fit.
    public init(json: JSONValue, type: ColumnType, column: String) throws {
        switch (json, type) {
        case (.null, _): self = .null
        case (.bool(let value), .bool): self = .bool(value)
        case (.string(let value), .string): self = .string(value)
        case (.string(var value), .float64):
            guard let number = value.withUTF8({ CellText.double($0, strict: true) }), !number.isFinite else {
                throw Self.misfit(json, type, column)
            }
            self = .float64(number)
        case (.string(let value), .timestamp):
            guard let time = Timestamp(iso8601: value) else { throw Self.misfit(json, type, column) }
            self = .timestamp(time)
        case (.int(let value), .float64): self = .float64(Double(value))
        case (.number(let value), .float64): self = .float64(value)
        case (.int, .int64), (.number, .int64), (.int, .timestamp), (.number, .timestamp):
            guard let value = json.intValue else { throw Self.misfit(json, type, column) }
            self = type == .int64 ? .int64(value) : .timestamp(Timestamp(milliseconds: value))
        default: throw Self.misfit(json, type, column)
        }
    }

    /// The cell as people and CSV write it; nil for null.
    public var text: String? {
        switch self {
        case .null: nil
        case .int64(let value): value.description
        case .float64(let value): value.text
        case .bool(let value): value ? "true" : "false"
        case .string(let value): value
        case .timestamp(let value): value.fourDigitYearText ?? "\(value.milliseconds) ms"
        }
    }

    private static func misfit(_ json: JSONValue, _ type: ColumnType, _ column: String) -> NestboxError {
        let shown: String
        switch json {
        case .string(let text): shown = "the string `\(text.prefix(40))`"
        case .int(let value): shown = "`\(value)`"
        case .number(let value): shown = "`\(value)`"
        case .bool(let value): shown = "`\(value)`"
        default: shown = json.kind
        }
        return .invalid("column `\(column)`: \(shown) is not \(type.phrase) (\(type.rawValue))")
    }
}
