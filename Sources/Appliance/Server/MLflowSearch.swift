import Contracts
import Core

/// A filter, an order and a page, applied here to everything that a seam returns. The seams page and order by themselves
/// when a request asks for nothing more.
struct MLflowSearch: Sendable {
    private struct Key: Sendable {
        var field: MLflowFilter.Field
        var isDescending: Bool
    }

    let filter: MLflowFilter
    private var order: [Key] = []
    private var offset = 0

    /// Reads `filter`, `order_by` and `page_token`.
    ///
    /// - Parameter leavesPlainPages: whether a request with neither filter nor order goes to the seam as it is, with the
    ///   seam's own page token.
    init(_ request: MLflowRequest, _ vocabulary: MLflowFilter.Vocabulary, leavesPlainPages: Bool = false) throws {
        filter = try MLflowFilter(try request.string("filter") ?? "", vocabulary)
        order = try request.strings("order_by").map { try Self.key($0, vocabulary) }
        if !(isEmpty && leavesPlainPages) { offset = try Self.offset(try request.pageToken()) }
    }

    init(filter: MLflowFilter, pageToken: String?) throws {
        self.filter = filter
        offset = try Self.offset(pageToken)
    }

    var isEmpty: Bool { filter.isEmpty && order.isEmpty }

    /// The page of what passes, from all pages that `fetch` returns. Keeps the seam's order where `order_by` leaves a tie.
    func page<Item: Codable & Sendable>(
        limit: Int, fetch: (String?) async throws -> Page<Item>,
        value: (Item, MLflowFilter.Field) -> MLflowFilter.Value?
    ) async throws -> Page<Item> {
        var passing: [Item] = []
        var token: String?
        repeat {
            let page = try await fetch(token)
            passing += page.items.filter { item in filter.matches { value(item, $0) } }
            token = page.nextPageToken
            // Unordered, the first items that pass are the page; one more tells whether there is another.
        } while token != nil && (!order.isEmpty || passing.count <= offset + limit)
        if !order.isEmpty { passing = sorted(passing, value) }
        let items = passing.dropFirst(offset).prefix(limit)
        let end = offset + items.count
        return Page(items: Array(items), nextPageToken: end < passing.count ? "offset:\(end)" : nil)
    }

    private func sorted<Item>(_ items: [Item], _ value: (Item, MLflowFilter.Field) -> MLflowFilter.Value?) -> [Item] {
        items.enumerated().sorted { a, b in
            for key in order {
                let (left, right) = (value(a.element, key.field), value(b.element, key.field))
                switch (left, right) {
                case (.text(let x)?, .text(let y)?) where x != y:
                    // Identifiers are numbers that are written as text.
                    let isBefore = key.field == .attribute("experiment_id") ? (x.count, x) < (y.count, y) : x < y
                    return isBefore != key.isDescending
                case (.number(let x)?, .number(let y)?) where x != y: return (x < y) != key.isDescending
                // What is not set comes last either way.
                case (.some, nil): return true
                case (nil, .some): return false
                default: continue
                }
            }
            return a.offset < b.offset
        }.map(\.element)
    }

    private static func key(_ text: String, _ vocabulary: MLflowFilter.Vocabulary) throws -> Key {
        let words = text.split(separator: " ")
        let direction = words.count > 1 ? words.last?.uppercased() : nil
        let isDirected = direction == "ASC" || direction == "DESC"
        var parser = try MLflowFilterParser(words.dropLast(isDirected ? 1 : 0).joined(separator: " "), vocabulary)
        let field = try parser.field().0
        guard parser.isAtEnd else {
            throw NestboxError.invalid(
                "Invalid order_by clause `\(text.prefix(120))`", hint: "write `name ASC` or `name DESC`")
        }
        return Key(field: field, isDescending: direction == "DESC")
    }

    private static func offset(_ token: String?) throws -> Int {
        guard let token else { return 0 }
        guard token.hasPrefix("offset:"), let offset = Int(token.dropFirst(7)), offset >= 0 else {
            throw NestboxError.invalid("`\(token.prefix(80))` is not a page token of this search")
        }
        return offset
    }
}
