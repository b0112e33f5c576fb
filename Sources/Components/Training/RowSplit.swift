import Contracts
import Core
import Tables

/// Which rows train, validate and test. The same table and split give the same rows, in table order.
package struct RowSplit: Equatable, Sendable {
    package var train: [Int] = []
    package var validation: [Int] = []
    package var test: [Int] = []
    /// Rows that belong to none: without a time, or not before `test_until`.
    package var leftOut = 0

    /// Throws `invalid_argument` when no row is left to train or to test on, or to validate on where that was asked for.
    package init(_ split: TrainingRecipe.Split, _ table: Table) throws {
        let asksForValidation: Bool
        switch split.by {
        case .time:
            try assignByTime(split, table)
            asksForValidation = split.validationFrom != nil
        case .seed:
            assignBySeed(split, rowCount: table.rowCount)
            asksForValidation = (split.validation ?? 0) > 0
        }
        for (part, rows, isNeeded) in [
            ("train", train, true), ("validate", validation, asksForValidation), ("test", test, true),
        ] where isNeeded && rows.isEmpty {
            throw NestboxError.invalid(
                "the split leaves no rows to \(part) on: \(train.count) train, \(validation.count) validate, \(test.count) test,"
                    + " \(leftOut) left out of \(table.rowCount)",
                hint: split.by == .time ? Self.range(of: split.column, table) : "use other fractions, or more rows")
        }
    }

    private mutating func assignByTime(_ split: TrainingRecipe.Split, _ table: Table) throws {
        let bounds = try split.boundaries()
        guard let name = split.column, let testFrom = bounds.test,
            case .timestamp(let times, let validity) = try table.column(name)
        else { throw NestboxError.invalid("the recipe: a split by time needs a timestamp column and `test_from`") }
        let validationFrom = bounds.validation ?? testFrom
        for row in times.indices {
            let time = Timestamp(milliseconds: times[row])
            if !validity[row] {
                leftOut += 1
            } else if time < validationFrom {
                train.append(row)
            } else if time < testFrom {
                validation.append(row)
            } else if bounds.until.map({ time < $0 }) ?? true {
                test.append(row)
            } else {
                leftOut += 1
            }
        }
    }

    private mutating func assignBySeed(_ split: TrainingRecipe.Split, rowCount: Int) {
        var generator = SeededGenerator(seed: split.seed ?? 0)
        var rows = Array(0..<rowCount)
        // Fisher-Yates by hand: the standard library may change how it shuffles.
        for last in stride(from: rowCount - 1, to: 0, by: -1) {
            rows.swapAt(last, Int(generator.next() % UInt64(last + 1)))
        }
        let testCount = Int((Double(rowCount) * (split.test ?? 0)).rounded())
        let validationCount = min(rowCount - testCount, Int((Double(rowCount) * (split.validation ?? 0)).rounded()))
        test = rows[..<testCount].sorted()
        validation = rows[testCount..<testCount + validationCount].sorted()
        train = rows[(testCount + validationCount)...].sorted()
    }

    private static func range(of column: String?, _ table: Table) -> String? {
        guard let column, case .timestamp(let times, let validity)? = try? table.column(column) else { return nil }
        let known = times.indices.filter { validity[$0] }.map { times[$0] }
        guard let first = known.min(), let last = known.max() else { return "column `\(column)` has no values" }
        return
            "`\(column)` runs from \(Timestamp(milliseconds: first).iso8601) to \(Timestamp(milliseconds: last).iso8601)"
    }
}
