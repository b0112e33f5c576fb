import Contracts
import Core
import Foundation

/// The fields of one MLflow request, from its JSON body or its query, or of one object inside it. Unknown fields are let
/// through; a wrong type or a missing required field is named in MLflow's own words.
package struct MLflowRequest: Sendable {
    private let fields: [String: JSONValue]
    /// Query parameters arrive as text, and a list of one cannot be told from a single value.
    private let isQuery: Bool
    /// Where this object lies: `metrics[3].`
    private let place: String

    private static let docs = " See the API docs for more information about request parameters."

    /// Reads the query of a GET that has one, and else the body. As for MLflow, the query of another method says nothing, and
    /// beside a query a GET's body says nothing.
    init(_ call: Call) async throws {
        place = ""
        let asks = call.request.method == .get || call.request.method == .head
        if asks, let query = call.request.uri.query, !query.isEmpty {
            isQuery = true
            fields = Self.query(query)
            return
        }
        let body = try await call.read { data -> [String: JSONValue]? in data.isEmpty ? nil : try Self.object(data) }
        isQuery = body == nil
        fields = body ?? [:]
    }

    init(query: String) {
        place = ""
        isQuery = true
        fields = Self.query(query)
    }

    /// - Parameter body: a JSON object.
    package init(body: some Collection<UInt8>) throws {
        place = ""
        isQuery = false
        fields = try Self.object(body)
    }

    /// The cause of the error for a body that is no JSON object.
    struct NoObject: Error {}

    private static func object(_ body: some Collection<UInt8>) throws -> [String: JSONValue] {
        let what = "the request body"
        do {
            // Some editors and shells put a byte order mark before it.
            let text = body.dropFirst(body.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0)
            var value = try JSONReader.parse(text, what: what, acceptsNonFinite: true)
            // Old clients send the object as a JSON string.
            if case .string(let inner) = value {
                value = try JSONReader.parse(inner.utf8, what: what, acceptsNonFinite: true)
            }
            guard let object = value.objectValue else {
                throw NestboxError.invalid("\(what) must be a JSON object, not \(value.kind)")
            }
            return object
        } catch var error as NestboxError where error.code == .invalidArgument {
            error.cause = NoObject()
            throw error
        }
    }

    package init(fields: [String: JSONValue], place: String = "") {
        self.fields = fields
        self.place = place
        isQuery = false
    }

    /// A query as Python's `urlencode` writes it: `+` is a space, and lists repeat their name.
    package static func query(_ text: String) -> [String: JSONValue] {
        var lists: [String: [JSONValue]] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { PercentDecoding.decode($0, plusIsSpace: true) }
            lists[parts[0], default: []].append(.string(parts.count == 2 ? parts[1] : ""))
        }
        return lists.mapValues { $0.count == 1 ? $0[0] : .array($0) }
    }

    /// Under its own name: MLflow looks for what must be there only so.
    func has(_ name: String) -> Bool { (fields[name] ?? .null) != .null }

    /// A field by its name, or in a body by its name in JSON's manner: `run_name` as `runName`. Throws when it has both.
    private func field(_ name: String) throws -> JSONValue? {
        let value = fields[name]
        guard !isQuery, name.utf8.contains(UInt8(ascii: "_")), fields.keys.contains(where: Self.hasCapital) else {
            return value
        }
        let words = name.split(separator: "_")
        let camel = words[0] + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        guard let other = fields[String(camel)] else { return value }
        guard value == nil else {
            throw NestboxError.invalid(
                "Request specifies both '\(place)\(name)' and '\(place)\(camel)'; provide only one of them.")
        }
        return other
    }

    private static func hasCapital(_ key: String) -> Bool {
        key.utf8.contains { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 }
    }

    func string(_ name: String) throws -> String? {
        switch try field(name) {
        case nil, .null: return nil
        case .string(let value): return value
        case .array(let values) where isQuery: return values.first?.stringValue
        case let other?: throw wrong(name, other, "a string")
        }
    }

    /// An empty string counts as missing, as it does for MLflow.
    package func required(_ name: String) throws -> String {
        guard has(name), let value = try string(name), !value.isEmpty else { throw missing(name) }
        return value
    }

    /// `run_id`, or `run_uuid` from old clients.
    package func runID() throws -> String {
        for name in ["run_id", "run_uuid"] where has(name) {
            if let id = try string(name), !id.isEmpty { return id }
        }
        throw missing("run_id")
    }

    /// A 64-bit integer, also written as text, as protocol buffers allow.
    func integer(_ name: String) throws -> Int64? {
        switch try field(name) {
        case nil, .null: return nil
        case .string(let text)?:
            guard let value = Int64(text) else { throw wrong(name, .string(text), "a whole number") }
            return value
        case let other?:
            guard let value = other.intValue else { throw wrong(name, other, "a whole number") }
            return value
        }
    }

    /// Throws when the number is not in `range`.
    func integer(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let value = try integer(name) else { return standard }
        guard let value = Int(exactly: value), range.contains(value) else {
            throw wrong(name, .int(value), "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(_ name: String) throws -> Double? {
        switch try field(name) {
        case nil, .null: return nil
        // As protocol buffers read it.
        case .bool(let value)?: return value ? 1 : 0
        case .string(let text)?:
            guard let value = Self.number(text) else { throw wrong(name, .string(text), "a number") }
            return value
        case let other?:
            guard let value = other.doubleValue else { throw wrong(name, other, "a number") }
            return value
        }
    }

    /// As Python reads it: `inf` and `1_000` are numbers, `0x10` is none. `nan` in small letters is refused by protocol buffers.
    private static func number(_ text: String) -> Double? {
        guard text != "nan", !text.utf8.contains(where: { $0 | 0x20 == UInt8(ascii: "x") }) else { return nil }
        if let value = Double(text) { return value }
        let plain = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let words = plain.split(separator: "_", omittingEmptySubsequences: false)
        guard words.count == 1 || words.allSatisfy({ $0.first?.isNumber == true && $0.last?.isNumber == true }) else {
            return nil
        }
        return Double(words.joined())
    }

    func bool(_ name: String) throws -> Bool? {
        switch try field(name) {
        case nil, .null: return nil
        case .bool(let value)?: return value
        case .string("true")? where isQuery, .string("True")? where isQuery: return true
        case .string("false")? where isQuery, .string("False")? where isQuery: return false
        case let other?: throw wrong(name, other, "true or false")
        }
    }

    func strings(_ name: String) throws -> [String] {
        switch try field(name) {
        case nil, .null: return []
        case .string(let value)? where isQuery: return [value]
        case .array(let items)?:
            return try items.enumerated().map { index, item in
                guard let text = item.stringValue else { throw wrong("\(name)[\(index)]", item, "a string") }
                return text
            }
        case let other?: throw wrong(name, other, "a list of strings")
        }
    }

    func object(_ name: String) throws -> MLflowRequest? {
        switch try field(name) {
        case nil, .null: return nil
        case .object(let object)?: return MLflowRequest(fields: object, place: "\(place)\(name).")
        case let other?: throw wrong(name, other, "an object")
        }
    }

    func objects(_ name: String) throws -> [MLflowRequest] {
        switch try field(name) {
        case nil, .null: return []
        case .array(let items)?:
            return try items.enumerated().map { index, item in
                guard let object = item.objectValue else { throw wrong("\(name)[\(index)]", item, "an object") }
                return MLflowRequest(fields: object, place: "\(place)\(name)[\(index)].")
            }
        case let other?: throw wrong(name, other, "a list of objects")
        }
    }

    /// `[{"key", "value"}]`; a key that is left out is empty, and of equal keys the last counts.
    func pairs(_ name: String) throws -> [String: String] {
        var map: [String: String] = [:]
        for pair in try objects(name) { map[try pair.string("key") ?? ""] = try pair.string("value") ?? "" }
        return map
    }

    /// The same where MLflow's database takes each key once.
    func distinctPairs(_ name: String) throws -> [String: String] {
        var map: [String: String] = [:]
        for pair in try objects(name) {
            let key = try pair.string("key") ?? ""
            guard map.updateValue(try pair.string("value") ?? "", forKey: key) == nil else {
                throw NestboxError(
                    .invalidArgument, "`\(place)\(name)` holds the key `\(key.prefix(80))` twice",
                    cause: MLflowCode.badRequest)
            }
        }
        return map
    }

    /// Any value, as it came.
    func value(_ name: String) -> JSONValue? { fields[name] }

    /// `{"key": "value"}`
    func map(_ name: String) throws -> [String: String] {
        guard let object = try object(name) else { return [:] }
        // Keys of the caller's own, which are no names of fields.
        return try object.fields.reduce(into: [:]) { map, entry in
            guard entry.value != .null else { return map[entry.key] = "" }
            guard let text = entry.value.stringValue else { throw object.wrong(entry.key, entry.value, "a string") }
            map[entry.key] = text
        }
    }

    /// One of an enumeration's cases, by name or by its protocol buffer number.
    func choice<T: CaseIterable & RawRepresentable>(_ name: String, numbered: [T]) throws -> T?
    where T.RawValue == String {
        guard let value = try field(name), value != .null else { return nil }
        if let text = value.stringValue, let found = T(rawValue: text.uppercased()) { return found }
        let number = value.intValue ?? value.stringValue.flatMap { Int64($0) }
        if let number, let index = Int(exactly: number), (1...numbered.count).contains(index) {
            return numbered[index - 1]
        }
        throw wrong(name, value, "one of \(numbered.map(\.rawValue).joined(separator: ", "))")
    }

    func missing(_ name: String) -> NestboxError {
        .invalid("Missing value for required parameter '\(place)\(name)'.\(Self.docs)")
    }

    func wrong(_ name: String, _ value: JSONValue, _ expected: String) -> NestboxError {
        .invalid(
            "Invalid value \(value.excerpt(120)) for parameter '\(place)\(name)' supplied: expected \(expected).\(Self.docs)"
        )
    }
}
