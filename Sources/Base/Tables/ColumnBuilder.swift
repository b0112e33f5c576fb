import Core

/// What a cell's text stands for in its source. CSV text may be any type; JSON tokens say what they are.
enum TokenKind {
    case text, jsonString, jsonNumber, jsonBool

    @inline(__always) func mayBe(_ type: ColumnType) -> Bool {
        switch self {
        case .text: true
        case .jsonString: type == .timestamp || type == .string
        case .jsonNumber: type == .int64 || type == .float64
        case .jsonBool: type == .bool
        }
    }
}

/// Grows one column, cell by cell, of a given type or of the narrowest type that every cell fits.
///
/// An inferred column starts without a type, may go from int64 to float64 (when every integer is exact as a `Double`)
/// and from any type to string. A string keeps each cell's original text, so until the end float64, bool and timestamp
/// columns carry their text along (int64 restores its own: only texts that `String(value)` gives are taken as int64).
///
/// A struct in an array, not a class: a class would cost a reference count and an exclusivity check per cell.
struct ColumnBuilder {
    enum Outcome: Equatable {
        case appended
        /// The text is not of the fixed type.
        case misfit
        case invalidUTF8(offset: Int)
        case tooManyValues
    }

    /// Nil while an inferred column has only nulls.
    private(set) var type: ColumnType?
    private let isFixed: Bool
    private(set) var count = 0
    private var integers: [Int64] = []
    private var doubles: [Double] = []
    private var bools: [Bool] = []
    private var codes: [Int32] = []
    private var interner = StringInterner()
    private var validity = Validity(allValid: 0)
    private var text: [UInt8] = []
    private var lengths: [UInt8] = []

    /// - Parameters:
    ///   - type: fixed, or nil to infer.
    ///   - nulls: how many null rows the column begins with.
    init(type: ColumnType?, nulls: Int = 0) {
        self.type = type
        isFixed = type != nil
        for _ in 0..<nulls { appendNull() }
    }

    /// About what the column takes up, and at least what it will when it is finished.
    var memoryBytes: Int {
        guard type != nil else { return count * MemoryLayout<Int32>.size }
        return (integers.capacity + doubles.capacity) * 8 + codes.capacity * 4 + bools.capacity + text.capacity
            + lengths.capacity + count / 8 + interner.memoryBytes
    }

    private var keepsText: Bool { !isFixed && type != .int64 }

    mutating func appendNull() {
        count += 1
        switch type {
        case nil: return
        case .string:
            codes.append(-1)
            return
        case .int64, .timestamp: integers.append(0)
        case .float64: doubles.append(0)
        case .bool: bools.append(false)
        }
        validity.append(false)
        if keepsText { lengths.append(0) }
    }

    mutating func append(_ s: Bytes, as kind: TokenKind = .text) -> Outcome {
        guard let type else { return start(s, kind) }
        if type == .string {
            if isFixed, !kind.mayBe(.string) { return .misfit }
            return appendString(s)
        }
        if take(s, as: type, kind) { return .appended }
        if isFixed { return .misfit }
        if type == .int64, kind.mayBe(.float64), let value = CellText.double(s, strict: true), widenToDouble() {
            push(double: value, s)
            return .appended
        }
        return becomeString(then: s)
    }

    /// For cells that are typed already; false when the cell is of another type. An integer fits a float64 column when
    /// it is exact there.
    mutating func append(_ cell: Cell) -> Bool {
        switch (cell, type) {
        case (.null, _): appendNull()
        case (.int64(let value), .int64): push(integer: value)
        case (.float64(let value), .float64): push(double: value, nil)
        case (.int64(let value), .float64):
            guard let exact = Double(exactly: value) else { return false }
            push(double: exact, nil)
        case (.bool(let value), .bool): push(bool: value, nil)
        case (.timestamp(let value), .timestamp): push(timestamp: value.milliseconds, nil)
        case (.string(var value), .string): return value.withUTF8 { appendString($0) } == .appended
        default: return false
        }
        return true
    }

    /// The column. All nulls without a fixed type make a string column.
    func finish() -> Column {
        switch type {
        case nil: .string(StringColumn(codes: [Int32](repeating: -1, count: count), dictionary: []))
        case .int64: .int64(integers, validity)
        case .float64: .float64(doubles, validity)
        case .bool: .bool(bools, validity)
        case .timestamp: .timestamp(integers, validity)
        case .string: .string(StringColumn(codes: codes, dictionary: interner.dictionary))
        }
    }

    // MARK: Typed cells

    private mutating func take(_ s: Bytes, as type: ColumnType, _ kind: TokenKind) -> Bool {
        if !kind.mayBe(type) { return isFixed && takeLoosely(s, as: type, kind) }
        switch type {
        case .int64:
            if let value = CellText.int64(s, strict: !isFixed) {
                push(integer: value)
                return true
            }
            return isFixed && takeLoosely(s, as: type, kind)
        case .float64:
            guard let value = CellText.double(s, strict: !isFixed) else { return false }
            push(double: value, s)
        case .bool:
            guard let value = CellText.bool(s) else { return false }
            push(bool: value, s)
        case .timestamp:
            guard s.count <= CellText.longestNumber, let value = Timestamp.parse(s) else { return false }
            push(timestamp: value, s)
        case .string: return false
        }
        return true
    }

    /// What a schema allows beyond the token's own type: JSON has one kind of number, no NaN, and no timestamps.
    private mutating func takeLoosely(_ s: Bytes, as type: ColumnType, _ kind: TokenKind) -> Bool {
        switch (type, kind) {
        case (.int64, .jsonNumber):
            guard let value = CellText.double(s, strict: false).flatMap({ Int64(exactly: $0) }) else { return false }
            push(integer: value)
        case (.timestamp, .jsonNumber):
            guard let value = CellText.int64(s, strict: true) else { return false }
            push(timestamp: value, s)
        case (.float64, .jsonString):
            guard let value = CellText.double(s, strict: false), !value.isFinite else { return false }
            push(double: value, s)
        default: return false
        }
        return true
    }

    private mutating func push(integer: Int64) {
        integers.append(integer)
        validity.append(true)
        count += 1
    }

    private mutating func push(double: Double, _ s: Bytes?) {
        doubles.append(double)
        pushText(s)
    }

    private mutating func push(bool: Bool, _ s: Bytes?) {
        bools.append(bool)
        pushText(s)
    }

    private mutating func push(timestamp: Int64, _ s: Bytes?) {
        integers.append(timestamp)
        pushText(s)
    }

    private mutating func pushText(_ s: Bytes?) {
        validity.append(true)
        count += 1
        if !isFixed, let s {
            text.append(contentsOf: s)
            lengths.append(UInt8(truncatingIfNeeded: s.count))
        }
    }

    private mutating func appendString(_ s: Bytes) -> Outcome {
        do {
            codes.append(try interner.code(for: s))
            count += 1
            return .appended
        } catch {
            switch error {
            case .invalidUTF8(let offset): return .invalidUTF8(offset: offset)
            case .tooManyValues: return .tooManyValues
            }
        }
    }

    // MARK: Inference

    /// The first cell that is not null picks the type; the nulls before it are filled in.
    private mutating func start(_ s: Bytes, _ kind: TokenKind) -> Outcome {
        let nulls = count
        for candidate in [ColumnType.int64, .float64, .bool, .timestamp] where kind.mayBe(candidate) {
            begin(candidate, nulls: nulls)
            if take(s, as: candidate, kind) { return .appended }
        }
        begin(.string, nulls: nulls)
        return appendString(s)
    }

    private mutating func begin(_ type: ColumnType, nulls: Int) {
        self.type = type
        count = 0
        (integers, doubles, bools, codes, lengths) = ([], [], [], [], [])
        validity = Validity(allValid: 0)
        for _ in 0..<nulls { appendNull() }
    }

    private mutating func widenToDouble() -> Bool {
        guard integers.allSatisfy({ Double(exactly: $0) != nil }) else { return false }
        doubles = integers.map { Double($0) }
        lengths.reserveCapacity(integers.count)
        for row in integers.indices {
            guard validity[row] else {
                lengths.append(0)
                continue
            }
            let original = String(integers[row]).utf8
            text.append(contentsOf: original)
            lengths.append(UInt8(truncatingIfNeeded: original.count))
        }
        integers = []
        type = .float64
        return true
    }

    private mutating func becomeString(then s: Bytes) -> Outcome {
        let isInteger = type == .int64
        let rows = count, original = text, lengths = lengths, integers = integers, validity = validity
        begin(.string, nulls: 0)
        text = []
        var start = 0
        for row in 0..<rows {
            guard validity[row] else {
                appendNull()
                continue
            }
            let outcome: Outcome
            if isInteger {
                var restored = String(integers[row])
                outcome = restored.withUTF8 { appendString($0) }
            } else {
                let end = start + Int(lengths[row])
                outcome = original[start..<end].withUnsafeBufferPointer { appendString($0) }
                start = end
            }
            guard outcome == .appended else { return outcome }
        }
        return appendString(s)
    }
}

extension Validity {
    mutating func append(_ isValid: Bool) {
        if isValid, words == nil {
            count += 1
            return
        }
        if words == nil {
            // Every row before the first null is valid; bits beyond the count stay clear, so that equality holds.
            words = [UInt64](repeating: .max, count: count >> 6)
            if count & 63 != 0 { words?.append(1 << UInt64(count & 63) - 1) }
        }
        if count & 63 == 0 { words?.append(0) }
        if isValid { words?[count >> 6] |= 1 << UInt64(count & 63) }
        count += 1
    }
}
