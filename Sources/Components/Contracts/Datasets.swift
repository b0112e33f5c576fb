import Core
import Statistics
import Tables

package struct Dataset: Codable, Sendable, Hashable {
    package var name: String
    package var description: String
    package var latestVersion: Int
    package var createdAt: Timestamp

    package init(name: String, description: String, latestVersion: Int, createdAt: Timestamp) {
        self.name = name
        self.description = description
        self.latestVersion = latestVersion
        self.createdAt = createdAt
    }
}

/// One immutable version.
package struct DatasetVersion: Codable, Sendable, Hashable {
    package var dataset: String
    /// 1, 2, 3 …
    package var version: Int
    package var schema: Schema
    package var rowCount: Int
    package var byteCount: Int64
    /// SHA-256, in hexadecimal, of the canonical CSV with its schema.
    package var contentHash: String
    /// Where it came from, for people: a file name, an address, «point-in-time join of …».
    package var source: String
    package var createdAt: Timestamp
    package var createdBy: String

    package init(
        dataset: String, version: Int, schema: Schema, rowCount: Int, byteCount: Int64, contentHash: String,
        source: String,
        createdAt: Timestamp, createdBy: String
    ) {
        self.dataset = dataset
        self.version = version
        self.schema = schema
        self.rowCount = rowCount
        self.byteCount = byteCount
        self.contentHash = contentHash
        self.source = source
        self.createdAt = createdAt
        self.createdBy = createdBy
    }

    /// The fields of some of its columns, in the order asked. Throws `invalid_argument` for a name that it does not have.
    package func fields(_ names: [String]) throws -> [Field] {
        try names.map { name in
            if let field = schema[name] { return field }
            throw NestboxError(
                .invalidArgument, "dataset `\(dataset)@\(version)` has no column `\(name)`",
                hint: NestboxError.notFound("column", name, among: schema.names).hint)
        }
    }
}

package enum TableFormat: String, Codable, Sendable, CaseIterable {
    case csv, jsonl
}

package struct DatasetImport: Codable, Sendable {
    package var name: String
    package var format: TableFormat
    package var source: String
    package var description: String?

    package init(name: String, format: TableFormat, source: String, description: String? = nil) {
        self.name = name
        self.format = format
        self.source = source
        self.description = description
    }
}

/// The profile of every column, in schema order.
package struct DatasetProfile: Codable, Sendable {
    package struct Item: Codable, Sendable {
        package var name: String
        package var profile: ColumnProfile

        package init(name: String, profile: ColumnProfile) {
            self.name = name
            self.profile = profile
        }
    }

    package var columns: [Item]

    package init(columns: [Item]) { self.columns = columns }
}

/// `flights` or `flights@3`.
package struct DatasetReference: Codable, Sendable, Hashable, CustomStringConvertible {
    package var name: String
    /// Nil means the latest.
    package var version: Int?

    package init(name: String, version: Int? = nil) {
        self.name = name
        self.version = version
    }

    /// Throws `invalid_argument` when what follows `@` is not a version number.
    package init(parsing text: String) throws {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        name = String(parts[0])
        if parts.count == 2 {
            guard let number = Int(parts[1]), number > 0 else {
                throw NestboxError.invalid(
                    "`\(text)`: `\(parts[1])` is not a version number", hint: "write `\(name)@1`")
            }
            version = number
        }
        try Name.check(name, what: "dataset")
    }

    package init(from decoder: any Decoder) throws {
        try self.init(parsing: try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    package var description: String { version.map { "\(name)@\($0)" } ?? name }
}

package protocol DatasetStore: Sendable {
    /// Imports CSV or JSON Lines (also gzipped) as the next version. When the content equals the latest version's, that
    /// version is returned and nothing is stored.
    func importVersion(_ request: DatasetImport, body: ByteStream) async throws -> DatasetVersion
    /// Saves a table as the next version, likewise.
    func save(_ table: Table, as request: DatasetImport) async throws -> DatasetVersion
    func datasets() async throws -> [Dataset]
    func dataset(_ name: String) async throws -> Dataset
    /// Newest first.
    func versions(of name: String) async throws -> [DatasetVersion]
    /// Throws `not_found` with the nearest names.
    func version(_ reference: DatasetReference) async throws -> DatasetVersion
    /// All rows of the named columns, or of all.
    func table(_ reference: DatasetReference, columns: [String]?) async throws -> Table
    /// The first rows, for people.
    func preview(_ reference: DatasetReference, rows: Int) async throws -> Table
    func profile(_ reference: DatasetReference) async throws -> DatasetProfile
}
