import Core

/// The state machine behind `CSVParser`.
///
/// A struct that the parser calls once per chunk: in a class every access to a property would be checked at run time.
struct CSVScanner {
    private enum State { case byteOrderMark, cellStart, unquoted, quoted, afterQuote }

    private let options: CSVOptions
    private var state = State.byteOrderMark
    private var bomBytes = 0
    /// The part of the current cell that came in earlier chunks, or that had quotes removed.
    private var pending: [UInt8] = []
    private var skipsLineFeed = false
    private var line = 1
    private var rowLine = 1
    private var quoteLine = 1
    private var cell = 0
    private var header: [String] = []
    private var builders: [ColumnBuilder] = []
    private var hasHeader = false
    private var nullMarkers: [[UInt8]]
    /// Bit n is set when a null marker of n bytes exists.
    private var nullLengths: UInt64 = 0
    private(set) var rowCount = 0
    private var gauge: MemoryGauge

    init(options: CSVOptions) throws {
        let delimiter = options.delimiter
        guard delimiter < 0x80, delimiter != ASCII.quote, delimiter != ASCII.lf, delimiter != ASCII.cr else {
            throw NestboxError.invalid(
                "the delimiter byte \(delimiter) cannot be used", hint: "use one ASCII character such as , ; | or tab")
        }
        self.options = options
        gauge = MemoryGauge(options.limits)
        nullMarkers = options.nullMarkers.map { Array($0.utf8) }
        for marker in nullMarkers { nullLengths |= 1 << UInt64(min(marker.count, 63)) }
    }

    mutating func consume(_ chunk: Bytes) throws {
        var at = 0
        while at < chunk.count {
            switch state {
            case .byteOrderMark: at = skipByteOrderMark(chunk, at)
            case .cellStart: at = try startCell(chunk, at)
            case .unquoted: at = try scanUnquoted(chunk, at)
            case .quoted: at = try scanQuoted(chunk, at)
            case .afterQuote: at = try scanAfterQuote(chunk, at)
            }
        }
        try gauge.check(builders, line: line)
    }

    mutating func finish() throws -> Table {
        switch state {
        case .byteOrderMark where bomBytes > 0 && bomBytes < 3: throw notUTF8(offset: 0, in: "the header")
        case .quoted:
            throw NestboxError.invalid(
                "line \(grouped(quoteLine)): the quote that opens cell \(cell + 1) is never closed",
                hint: "a quote inside a quoted cell is written twice")
        case .unquoted, .afterQuote:
            try endCell(.nothing, isQuoted: state == .afterQuote)
            try endRow()
        case .cellStart where cell > 0:
            try endCell(.nothing, isQuoted: false)
            try endRow()
        case .cellStart, .byteOrderMark: break
        }
        guard hasHeader else {
            throw NestboxError.invalid("the CSV is empty", hint: "the first line must hold the column names")
        }
        // One column at a time, so that the text kept for inference goes away as the columns are made.
        var columns: [(String, Column)] = []
        for index in builders.indices {
            columns.append((header[index], builders[index].finish()))
            builders[index] = ColumnBuilder(type: nil)
        }
        let table = try Table(columns)
        return try options.schema.map { try table.select($0.names) } ?? table
    }

    // MARK: Bytes

    private mutating func skipByteOrderMark(_ chunk: Bytes, _ at: Int) -> Int {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if bomBytes < 3, chunk[at] == mark[bomBytes] {
            bomBytes += 1
            return at + 1
        }
        // One or two bytes that only looked like a mark belong to the first cell.
        if bomBytes < 3 { pending = Array(mark.prefix(bomBytes)) }
        state = pending.isEmpty ? .cellStart : .unquoted
        return at
    }

    private mutating func startCell(_ chunk: Bytes, _ start: Int) throws -> Int {
        let byte = chunk[start]
        if skipsLineFeed {
            skipsLineFeed = false
            if byte == ASCII.lf { return start + 1 }
        }
        if cell == 0 {
            rowLine = line
            if byte == ASCII.lf || byte == ASCII.cr {
                skipsLineFeed = byte == ASCII.cr
                line += 1
                return start + 1
            }
        }
        if byte == ASCII.quote {
            state = .quoted
            quoteLine = line
            return start + 1
        }
        state = .unquoted
        return try scanUnquoted(chunk, start)
    }

    private mutating func scanUnquoted(_ chunk: Bytes, _ start: Int) throws -> Int {
        let delimiter = options.delimiter
        var at = start
        while at < chunk.count {
            let byte = chunk[at]
            if byte == delimiter || byte == ASCII.lf || byte == ASCII.cr { break }
            at += 1
        }
        let part = Bytes(rebasing: chunk[start..<at])
        guard at < chunk.count else {
            try keep(part)
            return at
        }
        try endCell(part, isQuoted: false)
        try endAt(chunk[at])
        return at + 1
    }

    private mutating func scanQuoted(_ chunk: Bytes, _ start: Int) throws -> Int {
        var at = start
        while at < chunk.count {
            let byte = chunk[at]
            if byte == ASCII.quote { break }
            if byte == ASCII.lf {
                if !skipsLineFeed { line += 1 }
                skipsLineFeed = false
            } else {
                skipsLineFeed = byte == ASCII.cr
                if skipsLineFeed { line += 1 }
            }
            at += 1
        }
        try keep(Bytes(rebasing: chunk[start..<at]))
        guard at < chunk.count else { return at }
        skipsLineFeed = false
        state = .afterQuote
        return at + 1
    }

    private mutating func scanAfterQuote(_ chunk: Bytes, _ at: Int) throws -> Int {
        let byte = chunk[at]
        if byte == ASCII.quote {
            pending.append(ASCII.quote)
            state = .quoted
            return at + 1
        }
        guard byte == options.delimiter || byte == ASCII.lf || byte == ASCII.cr else {
            throw NestboxError.invalid(
                "line \(grouped(line)): cell \(cell + 1) goes on after its closing quote",
                hint: "a quote inside a quoted cell is written twice")
        }
        try endCell(.nothing, isQuoted: true)
        try endAt(byte)
        return at + 1
    }

    private mutating func keep(_ part: Bytes) throws {
        guard pending.count + part.count <= options.maximumCellBytes else {
            let opened = state == .quoted ? "; its quote opens at line \(grouped(quoteLine))" : ""
            throw NestboxError(
                .payloadTooLarge,
                "line \(grouped(line)): cell \(cell + 1) is longer than \(options.maximumCellBytes) bytes\(opened)",
                hint: "look for a quote that is never closed")
        }
        pending.append(contentsOf: part)
    }

    private mutating func endAt(_ byte: UInt8) throws {
        state = .cellStart
        if byte == options.delimiter {
            cell += 1
            return
        }
        try endRow()
        line += 1
        skipsLineFeed = byte == ASCII.cr
    }

    // MARK: Cells and rows

    private mutating func endCell(_ part: Bytes, isQuoted: Bool) throws {
        if pending.isEmpty { return try take(part, isQuoted: isQuoted) }
        if !part.isEmpty { try keep(part) }
        // Taken out for the call, because `take` must not see the buffer change under it.
        var whole: [UInt8] = []
        swap(&whole, &pending)
        try whole.withUnsafeBufferPointer { try take($0, isQuoted: isQuoted) }
        whole.removeAll(keepingCapacity: true)
        swap(&whole, &pending)
    }

    private mutating func take(_ s: Bytes, isQuoted: Bool) throws {
        guard hasHeader else { return try takeName(s) }
        guard cell < builders.count else { return }
        if !isQuoted, isNull(s) { return builders[cell].appendNull() }
        switch builders[cell].append(s) {
        case .appended: return
        case .invalidUTF8(let offset): throw notUTF8(offset: offset, in: "column `\(header[cell])`")
        case .tooManyValues:
            throw NestboxError.invalid("column `\(header[cell])` has more than 2,147,483,646 distinct strings")
        case .misfit:
            let offset = invalidOffset(s)
            if offset < s.count { throw notUTF8(offset: offset, in: "column `\(header[cell])`") }
            throw NestboxError.misfit(
                column: header[cell], line: rowLine, text: excerpt(s), type: builders[cell].type ?? .string)
        }
    }

    @inline(__always) private func isNull(_ s: Bytes) -> Bool {
        guard nullLengths >> UInt64(min(s.count, 63)) & 1 == 1 else { return false }
        for marker in nullMarkers where marker.count == s.count && marker.elementsEqual(s) { return true }
        return false
    }

    private mutating func takeName(_ s: Bytes) throws {
        guard let name = String(validating: s, as: UTF8.self) else {
            throw notUTF8(offset: invalidOffset(s), in: "the header, cell \(cell + 1)")
        }
        guard !s.contains(0) else {
            throw NestboxError.invalid(
                "the header, cell \(cell + 1), holds a zero byte: this is not CSV text",
                hint: "CSV is read as UTF-8, plain or compressed with gzip, bzip2, xz, zstd or zip")
        }
        guard !name.isEmpty else {
            throw NestboxError.invalid("line \(grouped(rowLine)): column \(cell + 1) has no name in the header")
        }
        guard header.count < options.maximumColumns else {
            throw NestboxError(.payloadTooLarge, "the header names more than \(options.maximumColumns) columns")
        }
        header.append(name)
    }

    private mutating func endRow() throws {
        if hasHeader {
            guard cell + 1 == builders.count else {
                throw NestboxError.invalid(
                    "line \(grouped(rowLine)) has \(cell + 1) \(cell == 0 ? "cell" : "cells"); "
                        + "expected \(builders.count) as in the header",
                    hint: "check for a missing quote around a cell that holds the delimiter")
            }
            rowCount += 1
            if gauge.add(cells: builders.count) { try gauge.check(builders, line: rowLine) }
        } else {
            builders = try makeBuilders()
            hasHeader = true
        }
        cell = 0
    }

    private func makeBuilders() throws -> [ColumnBuilder] {
        var seen: [String: Int] = [:]
        for (index, name) in header.enumerated() {
            if let first = seen.updateValue(index, forKey: name) {
                throw NestboxError.invalid(
                    "the header names `\(name)` twice, as columns \(first + 1) and \(index + 1)")
            }
        }
        guard let schema = options.schema else { return header.map { _ in ColumnBuilder(type: nil) } }
        for field in schema.fields where seen[field.name] == nil {
            throw NestboxError.invalid(
                "the column `\(field.name)` is required and is missing",
                hint: "the header has " + header.prefix(50).map { "`\($0)`" }.joined(separator: ", "))
        }
        let types = Dictionary(schema.fields.map { ($0.name, $0.type) }, uniquingKeysWith: { first, _ in first })
        return try header.map { name in
            guard let type = types[name] else {
                throw NestboxError(
                    .invalidArgument, "the header names the unknown column `\(name)`",
                    hint: NestboxError.notFound("column", name, among: schema.names).hint)
            }
            return ColumnBuilder(type: type)
        }
    }

    private func notUTF8(offset: Int, in place: String) -> NestboxError {
        .invalid(
            "\(place), line \(grouped(rowLine)): byte \(offset + 1) of the cell is not UTF-8",
            hint: "convert the file to UTF-8, for example with iconv")
    }
}

extension NestboxError {
    static func misfit(column: String, line: Int, text: String, type: ColumnType) -> NestboxError {
        .invalid(
            "column `\(column)`, line \(grouped(line)): `\(text)` is not \(type.phrase) (\(type.rawValue))")
    }
}

extension ColumnType {
    /// For sentences: "a number", "an ISO 8601 time".
    var phrase: String {
        switch self {
        case .int64: "a whole number"
        case .float64: "a number"
        case .bool: "true or false"
        case .string: "a string"
        case .timestamp: "an ISO 8601 time"
        }
    }
}
