import Core
import Foundation
import GRDB

/// One expression that rows are ordered by.
public struct SortTerm: Sendable {
    public var expression: SQL
    public var isAscending: Bool

    public init(_ expression: SQL, isAscending: Bool = true) {
        self.expression = expression
        self.isAscending = isAscending
    }
}

/// What a row has for one term.
public enum SortValue: Codable, Sendable, Hashable {
    case null
    case integer(Int64)
    case number(Double)
    case text(String)

    public init(_ value: DatabaseValue) {
        switch value.storage {
        case .int64(let number): self = .integer(number)
        case .double(let number): self = .number(number)
        case .string(let text): self = .text(text)
        case .null, .blob: self = .null
        }
    }

    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let number): number.databaseValue
        case .number(let number): number.databaseValue
        case .text(let text): text.databaseValue
        }
    }
}

/// Pages of an ordered search that begin after a row, not after a count: a row that comes in between moves no other row to
/// another page, and a late page costs no more than the first.
public enum Keyset {
    private struct Token: Codable {
        var search: String
        var last: [SortValue]
    }

    public static func order(_ terms: [SortTerm]) -> SQL {
        terms.map { "\(literal: $0.expression) \(sql: $0.isAscending ? "ASC" : "DESC")" as SQL }
            .joined(separator: ", ")
    }

    /// The condition that a row comes after `position`. A term that can be NULL must follow one that tells NULL from the
    /// rest (`x IS NULL`): where the position has NULL, the rows that the terms before leave equal all have it.
    public static func after(_ position: [SortValue], in terms: [SortTerm]) -> SQL {
        // Side by side, not inside each other: SQLite's parser has a stack of a hundred entries.
        var alternatives: [SQL] = [], equal: [SQL] = []
        for (term, value) in zip(terms, position) where value != .null {
            let value = value.databaseValue, sign = term.isAscending ? ">" : "<"
            let beyond: SQL = "(\(literal: term.expression)) \(sql: sign) \(value)"
            alternatives.append("(\(literal: (equal + [beyond]).joined(separator: " AND ")))")
            equal.append("(\(literal: term.expression)) = \(value)")
        }
        let condition: SQL = alternatives.isEmpty ? "0" : "(\(literal: alternatives.joined(separator: " OR ")))"
        // Says the same of the first term once more, in the form that an index can begin at.
        guard let term = terms.first, let value = position.first, value != .null else { return condition }
        let sign = term.isAscending ? ">=" : "<="
        return "(\(literal: term.expression)) \(sql: sign) \(value.databaseValue) AND \(literal: condition)"
    }

    /// Where the next page begins, as text that clients hand back unread.
    ///
    /// - Parameter search: everything that the page depends on, but for its length.
    public static func token(after position: [SortValue], search: [String]) throws -> String {
        try JSON.encode(Token(search: fingerprint(search), last: position)).base64EncodedString()
    }

    /// Throws `invalid_argument` for a text that is no token, and for one that belongs to another search.
    public static func position(in token: String?, search: [String], terms: Int) throws -> [SortValue]? {
        guard let token, !token.isEmpty else { return nil }
        guard let data = Data(base64Encoded: token), let decoded = try? JSON.decode(Token.self, from: data),
            decoded.search == fingerprint(search), decoded.last.count == terms
        else {
            throw NestboxError.invalid(
                "the page token `\(token.prefix(40))` does not belong to this search",
                hint: "pass the token of the page before, with the same filter, order and experiments")
        }
        return decoded.last
    }

    /// FNV-1a: the same in every process, unlike `Hasher`.
    private static func fingerprint(_ parts: [String]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in parts {
            for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xFF) &* 0x100_0000_01b3
        }
        return String(hash, radix: 16)
    }
}
