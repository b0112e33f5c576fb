import Core
import Foundation

/// How JSON Lines are understood.
public struct JSONLOptions: Sendable {
    /// Fixes the names and types; keys outside it are errors, missing ones are nulls.
    public var schema: Schema?
    public var maximumLineBytes = 16 << 20
    public var maximumColumns = 10_000
    public var limits = TableLimits()

    public init(schema: Schema? = nil) { self.schema = schema }
}

/// Reads JSON Lines: one flat object per line, blank lines skipped.
///
/// Without a schema the columns are the union of the keys in order of first appearance; a missing key and `null` are
/// both null. Types are inferred as `CSVReader` does, except that JSON says which texts are strings: those become
/// timestamp (when all are ISO 8601) or string. A column of several JSON types becomes string with each token's text.
/// The bare `NaN`, `Infinity` and `-Infinity` that Python writes are read; as strings they are floats only under a
/// schema. Throws `invalid_argument` naming line and key for nested values, a key that appears twice, malformed JSON,
/// invalid UTF-8 and values that do not fit the schema.
public enum JSONLReader {
    public static func read(path: String, options: JSONLOptions = JSONLOptions()) throws -> Table {
        let parser = JSONLParser(options: options)
        try ExpandedInput.forEachChunk(path: path, limits: options.limits) { try parser.consume($0) }
        return try parser.finish()
    }

    public static func read(bytes: [UInt8], options: JSONLOptions = JSONLOptions()) throws -> Table {
        let parser = JSONLParser(options: options)
        try ExpandedInput.forEachChunk(bytes: bytes, limits: options.limits) { try parser.consume($0) }
        return try parser.finish()
    }

    public static func read(bytes: Data, options: JSONLOptions = JSONLOptions()) throws -> Table {
        try read(bytes: [UInt8](bytes), options: options)
    }
}
