import Contracts
import Core

/// One `order_by` clause: `metrics.auc DESC`, `` params.`learning rate` ``, `attributes.start_time ASC`, `end_time`.
struct RunOrder: Codable, Equatable, Sendable {
    enum Field: Codable, Equatable, Sendable {
        case metric(String)
        case param(String)
        case tag(String)
        /// A column of `tracking_runs`.
        case attribute(String)
    }

    var field: Field
    var isAscending: Bool

    private static let columns = [
        "start_time": "start_time", "created": "start_time", "end_time": "end_time", "status": "status",
        "run_name": "name",
        "run name": "name", "run_id": "id", "user_id": "user", "user": "user", "artifact_uri": "artifact_uri",
    ]

    /// Throws `invalid_argument` naming the clause.
    init(parsing clause: String) throws {
        var text = Substring(clause).trimmed
        isAscending = true
        for (word, ascending) in [(" ASC", true), (" DESC", false)] where text.uppercased().hasSuffix(word) {
            text = text.dropLast(word.count).trimmed
            isAscending = ascending
            break
        }
        let parts = text.split(separator: ".", maxSplits: 1)
        let kind = parts.first.map { $0.lowercased() } ?? ""
        let key = parts.count == 2 ? try Self.key(parts[1], in: clause) : nil
        switch (kind, key) {
        case ("metrics", let key?), ("metric", let key?): field = .metric(key)
        case ("params", let key?), ("param", let key?), ("parameters", let key?), ("parameter", let key?):
            field = .param(key)
        case ("tags", let key?), ("tag", let key?): field = .tag(key)
        default:
            let isPrefixed = ["attributes", "attribute", "attr", "run"].contains(kind) && key != nil
            let name = isPrefixed ? key ?? "" : Self.unquoted(text)
            guard let column = Self.columns[name.lowercased()] else {
                throw NestboxError.invalid(
                    "cannot order runs by `\(clause)`",
                    hint: "write `metrics.KEY`, `params.KEY`, `tags.KEY`, or start_time, end_time, status, run_name, "
                        + "run_id, user_id; then ASC or DESC")
            }
            field = .attribute(column)
        }
    }

    /// A key as written; one with spaces or commas must be quoted, as in MLflow, where it would be several clauses.
    private static func key(_ text: Substring, in clause: String) throws -> String {
        let key = unquoted(text)
        if key == text, key.contains(where: { $0.isWhitespace || $0 == "," }) {
            throw NestboxError.invalid(
                "cannot order runs by `\(clause)`",
                hint: "one key, then ASC or DESC; quote a key with spaces: metrics.`a b` DESC")
        }
        return key
    }

    private static func unquoted(_ text: Substring) -> String {
        let text = text.trimmed
        for quote in ["`", "\""] where text.count >= 2 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            return String(text.dropFirst().dropLast())
        }
        return String(text)
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}

/// What a run is ordered by in one clause. NaN comes after all numbers and nothing comes last, ascending or descending.
enum RunOrderValue: Codable, Equatable, Sendable {
    case number(Double)
    case text(String)
    case notANumber
    case missing

    init(_ number: Double?) {
        guard let number else {
            self = .missing
            return
        }
        self = number.isNaN ? .notANumber : .number(number)
    }

    private var rank: Int {
        switch self {
        case .number, .text: 0
        case .notANumber: 1
        case .missing: 2
        }
    }

    /// Nil when the two are equal in this clause.
    func precedes(_ other: RunOrderValue, ascending: Bool) -> Bool? {
        switch (self, other) {
        case (.number(let a), .number(let b)): a == b ? nil : (a < b) == ascending
        case (.text(let a), .text(let b)): a == b ? nil : (a < b) == ascending
        default: rank == other.rank ? nil : rank < other.rank
        }
    }
}

/// Where a run stands in an order: its values, then newest start first, then its id.
struct RunPosition: Codable, Sendable {
    var values: [RunOrderValue]
    var startTime: Int64
    var id: String

    func precedes(_ other: RunPosition, in order: [RunOrder]) -> Bool {
        for (index, clause) in order.enumerated() where index < values.count && index < other.values.count {
            if let decided = values[index].precedes(other.values[index], ascending: clause.isAscending) {
                return decided
            }
        }
        return startTime == other.startTime ? id < other.id : startTime > other.startTime
    }
}

/// The last run of a page, together with the order that it stands in.
struct RunCursor: Codable, Sendable {
    var order: [RunOrder]
    var last: RunPosition
}
