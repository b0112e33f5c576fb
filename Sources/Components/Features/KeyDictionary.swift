import Core
import Tables

/// A key value whatever its type was: 12, 12.0 and "12" are the same, "012" is another.
enum KeyAtom: Hashable {
    case integer(Int64)
    case text(String)

    /// Nil for null, and for NaN, which equals nothing.
    init?(_ cell: Cell) {
        switch cell {
        case .null: return nil
        case .int64(let value): self = .integer(value)
        case .float64(let value): self.init(value)
        case .bool(let value): self = .text(value ? "true" : "false")
        case .string(let value): self.init(value)
        case .timestamp(let value): self = .text(value.iso8601)
        }
    }

    /// Throws `invalid_argument` for a list or an object; nil for null.
    init?(json: JSONValue, place: @autoclosure () -> String) throws {
        switch json {
        case .null: return nil
        case .int(let value): self = .integer(value)
        case .number(let value): self.init(value)
        case .bool(let value): self = .text(value ? "true" : "false")
        case .string(let value): self.init(value)
        case .array, .object:
            throw NestboxError.invalid("\(place()) is \(json.kind); expected a string, a number or a boolean")
        }
    }

    init?(_ value: Double) {
        guard !value.isNaN else { return nil }
        self = Int64(exactly: value).map { .integer($0) } ?? .text(String(value))
    }

    init(_ text: String) {
        if text.utf8.count <= 20, let value = Int64(text), String(value) == text {
            self = .integer(value)
        } else {
            self = .text(text)
        }
    }

    var text: String {
        switch self {
        case .integer(let value): String(value)
        case .text(let value): value
        }
    }
}

/// The distinct values of one key column, numbered in order of first appearance.
private struct AtomDictionary: Sendable {
    private var integers: [Int64: Int32] = [:]
    private var texts: [String: Int32] = [:]
    private(set) var count: Int32 = 0

    func code(_ atom: KeyAtom) -> Int32 {
        switch atom {
        case .integer(let value): integers[value] ?? -1
        case .text(let value): texts[value] ?? -1
        }
    }

    private mutating func add(_ atom: KeyAtom) -> Int32 {
        let known = code(atom)
        if known >= 0 { return known }
        defer { count += 1 }
        switch atom {
        case .integer(let value): integers[value] = count
        case .text(let value): texts[value] = count
        }
        return count
    }

    /// Numbers every value of `column`; -1 for null.
    mutating func add(_ column: Column) -> [Int32] {
        switch column {
        case .string(let strings):
            // Only entries that a row uses, or a gathered table's dictionary would bring keys that are not there.
            var codes = [Int32](repeating: -2, count: strings.dictionary.count)
            return strings.codes.map { entry in
                guard entry >= 0 else { return -1 }
                if codes[Int(entry)] == -2 { codes[Int(entry)] = add(KeyAtom(strings.dictionary[Int(entry)])) }
                return codes[Int(entry)]
            }
        default:
            return (0..<column.count).map { row in KeyAtom(column[row]).map { add($0) } ?? -1 }
        }
    }

    /// The numbers of some rows of `column`; -1 for null and for values that were never added.
    func codes(_ column: Column, _ rows: Range<Int>) -> [Int32] {
        switch column {
        case .int64(let values, let validity):
            return rows.map { row in validity[row] ? integers[values[row]] ?? -1 : -1 }
        case .string(let strings):
            var codes = [Int32](repeating: -2, count: strings.dictionary.count)
            return rows.map { row in
                let entry = strings.codes[row]
                guard entry >= 0 else { return -1 }
                if codes[Int(entry)] == -2 { codes[Int(entry)] = code(KeyAtom(strings.dictionary[Int(entry)])) }
                return codes[Int(entry)]
            }
        default:
            return rows.map { row in KeyAtom(column[row]).map { code($0) } ?? -1 }
        }
    }
}

/// One or more key columns as one small number per row.
struct KeyDictionary: Sendable {
    private var columns: [AtomDictionary] = []
    /// For each column after the first: (number so far, the column's number) → number from here on.
    private var pairs: [[UInt64: Int32]] = []
    /// The number of each row; -1 where a key is null.
    private(set) var codes: [Int32] = []
    /// One more than the largest number.
    private(set) var count = 0

    /// - Parameter keys: at least one, all of the same length.
    init(_ keys: [Column]) {
        for (index, key) in keys.enumerated() {
            var dictionary = AtomDictionary()
            let next = dictionary.add(key)
            columns.append(dictionary)
            if index == 0 {
                codes = next
                count = Int(dictionary.count)
            } else {
                combine(next)
            }
        }
    }

    private mutating func combine(_ next: [Int32]) {
        var numbers: [UInt64: Int32] = [:]
        for row in codes.indices {
            guard codes[row] >= 0, next[row] >= 0 else {
                codes[row] = -1
                continue
            }
            let pair = Self.pair(codes[row], next[row])
            if let known = numbers[pair] {
                codes[row] = known
            } else {
                codes[row] = Int32(numbers.count)
                numbers[pair] = codes[row]
            }
        }
        count = numbers.count
        pairs.append(numbers)
    }

    /// The numbers of some rows of another table's keys; -1 for null and for keys that are not here.
    func codes(_ keys: [Column], rows: Range<Int>) -> [Int32] {
        var result = columns[0].codes(keys[0], rows)
        for index in 1..<max(1, columns.count) {
            let next = columns[index].codes(keys[index], rows)
            for row in result.indices {
                result[row] =
                    result[row] >= 0 && next[row] >= 0 ? pairs[index - 1][Self.pair(result[row], next[row])] ?? -1 : -1
            }
        }
        return result
    }

    private static func pair(_ a: Int32, _ b: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: a)) << 32 | UInt64(UInt32(bitPattern: b))
    }
}
