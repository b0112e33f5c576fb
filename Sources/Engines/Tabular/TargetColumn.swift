import Core
import Tables

/// The column to predict, read as labels.
struct TargetColumn {
    let name: String
    let column: Column

    init(_ table: Table, name: String) throws {
        self.name = name
        column = try table.column(name)
    }

    /// The distinct classes as text, sorted; nil when there are more than two or the type has no classes.
    func classes() -> [String]? {
        switch column {
        case .bool: return ["false", "true"]
        case .int64(let values, let validity):
            var seen: Set<Int64> = []
            for row in values.indices where validity[row] {
                seen.insert(values[row])
                if seen.count > 2 { return nil }
            }
            return seen.sorted().map { String($0) }
        case .float64(let values, let validity):
            var seen: Set<Double> = []
            for row in values.indices where validity[row] {
                guard let whole = Int64(exactly: values[row]) else { return nil }
                seen.insert(Double(whole))
                if seen.count > 2 { return nil }
            }
            return seen.sorted().map { String(Int64($0)) }
        case .string(let strings):
            var used = [Bool](repeating: false, count: strings.dictionary.count)
            for code in strings.codes where code >= 0 { used[Int(code)] = true }
            let names = Set(zip(strings.dictionary, used).filter(\.1).map(\.0))
            return names.count <= 2 ? names.sorted() : nil
        case .timestamp: return nil
        }
    }

    /// Binary for booleans, whole numbers 0 and 1, and strings of two values; regression for other numbers.
    func defaultTask() throws -> TabularTask {
        switch column.type {
        case .bool: .binary
        case .string where classes() != nil: .binary
        case .int64, .float64: classes().map { Set($0).isSubset(of: ["0", "1"]) } ?? false ? .binary : .regression
        case .string:
            throw NestboxError.invalid(
                "the target `\(name)` has more than two distinct strings; expected a number or two classes")
        case .timestamp:
            throw NestboxError.invalid("the target `\(name)` is a timestamp; expected a number or two classes")
        }
    }

    /// The negative and the positive class. Strings need `positive` named; numbers and booleans take the larger.
    func classPair(positive: String?) throws -> (negative: String, positive: String) {
        guard let classes = classes() else {
            throw NestboxError.invalid(
                "the target `\(name)` has more than two values; a binary task needs two",
                hint: column.type.isNumeric ? "use the task `regression`, or make a column that compares it" : nil)
        }
        guard classes.count == 2 else {
            throw NestboxError.invalid(
                "all rows have the target `\(name)` = \(classes.first ?? "null"); a binary task needs two classes")
        }
        guard let positive else {
            guard column.type != .string else {
                throw NestboxError.invalid(
                    "the target `\(name)` holds strings; say which of `\(classes[0])` and `\(classes[1])` is positive",
                    hint: "set the positive class")
            }
            return (classes[0], classes[1])
        }
        guard classes.contains(positive) else {
            throw NestboxError.invalid(
                "the positive class `\(positive)` does not occur in the target `\(name)`",
                hint: "its classes are `\(classes[0])` and `\(classes[1])`")
        }
        return (positive == classes[0] ? classes[1] : classes[0], positive)
    }

    /// 0 and 1 by class, or the numbers themselves.
    func labels(task: TabularTask, classes: (negative: String, positive: String)?) throws -> [Double] {
        let nulls = column.nullCount
        guard nulls == 0 else {
            throw NestboxError.invalid(
                "\(nulls) of \(column.count) rows have no target `\(name)`", hint: "leave those rows out")
        }
        guard let classes, task == .binary else { return try numbers() }
        return try (0..<column.count).map { row in
            let text =
                switch column[row] {
                case .int64(let value): String(value)
                case .float64(let value): Int64(exactly: value).map { String($0) } ?? String(value)
                case .bool(let value): String(value)
                case .string(let value): value
                case .timestamp, .null: ""
                }
            if text == classes.positive { return 1 }
            if text == classes.negative { return 0 }
            throw NestboxError.invalid(
                "the target `\(name)` of row \(row) is `\(text.prefix(40))`; expected `\(classes.negative)` or "
                    + "`\(classes.positive)`")
        }
    }

    private func numbers() throws -> [Double] {
        guard column.type.isNumeric || column.type == .bool, let values = column.doubles else {
            throw NestboxError.invalid("the target `\(name)` is \(column.type.rawValue); expected numbers")
        }
        if let row = values.firstIndex(where: { !$0.isFinite }) {
            throw NestboxError.invalid("the target `\(name)` of row \(row) is \(values[row]); expected a finite number")
        }
        return values
    }
}
