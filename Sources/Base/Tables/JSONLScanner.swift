import Core
import Foundation

/// The state behind `JSONLParser`; a struct for the same reason as `CSVScanner`.
struct JSONLScanner {
    private let options: JSONLOptions
    private var pending: [UInt8] = []
    private var line = 1
    private var names: [String] = []
    /// The UTF-8 of `names`.
    private var keys: [[UInt8]] = []
    private var indexes: [String: Int] = [:]
    private var builders: [ColumnBuilder] = []
    private(set) var rowCount = 0
    private var gauge: MemoryGauge

    init(options: JSONLOptions) {
        self.options = options
        gauge = MemoryGauge(options.limits)
        for field in options.schema?.fields ?? [] { add(field.name, ColumnBuilder(type: field.type)) }
    }

    mutating func consume(_ chunk: Bytes) throws {
        var start = 0
        while let end = lineEnd(chunk, from: start) {
            let part = Bytes(rebasing: chunk[start..<end])
            if pending.isEmpty {
                try endLine(part)
            } else {
                try keep(part)
                try endPendingLine()
            }
            start = end + 1
        }
        try keep(Bytes(rebasing: chunk[start...]))
        try gauge.check(builders, line: line)
    }

    mutating func finish() throws -> Table {
        try endPendingLine()
        guard !names.isEmpty else {
            throw NestboxError.invalid(
                "the JSON Lines name no columns", hint: "each line must hold one object such as {\"age\": 41}")
        }
        return try Table(zip(names, builders).map { ($0, $1.finish()) })
    }

    private func lineEnd(_ chunk: Bytes, from start: Int) -> Int? {
        guard start < chunk.count, let base = chunk.baseAddress,
            let found = memchr(base + start, Int32(ASCII.lf), chunk.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }

    private mutating func keep(_ part: Bytes) throws {
        guard pending.count + part.count <= options.maximumLineBytes else {
            throw NestboxError(
                .payloadTooLarge, "line \(grouped(line)) is longer than \(options.maximumLineBytes) bytes",
                hint: "JSON Lines hold one object per line, not one array")
        }
        pending.append(contentsOf: part)
    }

    private mutating func endPendingLine() throws {
        var whole: [UInt8] = []
        swap(&whole, &pending)
        try whole.withUnsafeBufferPointer { try endLine($0) }
        whole.removeAll(keepingCapacity: true)
        swap(&whole, &pending)
    }

    private mutating func endLine(_ s: Bytes) throws {
        let hasMark = line == 1 && s.count >= 3 && s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF
        var scanner = FlatObjectScanner(s, at: hasMark ? 3 : 0)
        do {
            if try scanner.isBlank() {
                line += 1
                return
            }
            var expected = 0
            try scanner.readObject { key, kind, value in
                let index = try column(key, expected: expected)
                guard builders[index].count == rowCount else {
                    throw NestboxError.invalid("line \(grouped(line)): the key `\(names[index])` appears twice")
                }
                try put(kind, value, into: index)
                expected = index + 1
            }
        } catch let problem as FlatObjectScanner.Problem {
            throw explain(problem)
        }
        rowCount += 1
        for index in builders.indices where builders[index].count < rowCount { builders[index].appendNull() }
        if gauge.add(cells: builders.count) { try gauge.check(builders, line: line) }
        line += 1
    }

    private mutating func column(_ key: Bytes, expected: Int) throws -> Int {
        // Lines mostly repeat the keys of the line before, in its order.
        if expected < keys.count, equal(keys[expected], key) { return expected }
        guard let name = String(validating: key, as: UTF8.self) else {
            throw NestboxError.invalid("line \(grouped(line)): the key `\(excerpt(key))` is not UTF-8")
        }
        if let index = indexes[name] { return index }
        if let schema = options.schema {
            throw NestboxError.invalid(
                "line \(grouped(line)): the key `\(name)` is not a column",
                hint: NestboxError.notFound("column", name, among: schema.names).hint)
        }
        guard !name.isEmpty else { throw NestboxError.invalid("line \(grouped(line)): a key is empty") }
        guard names.count < options.maximumColumns else {
            throw NestboxError(
                .payloadTooLarge, "line \(grouped(line)): more than \(options.maximumColumns) different keys")
        }
        add(name, ColumnBuilder(type: nil, nulls: rowCount))
        // A late column begins with a null per row: one line of new keys can take up any amount before it ends.
        if gauge.add(cells: rowCount) { try gauge.check(builders, line: line) }
        return names.count - 1
    }

    private func equal(_ known: [UInt8], _ key: Bytes) -> Bool {
        guard known.count == key.count, let base = key.baseAddress else { return known.isEmpty && key.isEmpty }
        return known.withUnsafeBytes { memcmp($0.baseAddress ?? UnsafeRawPointer(base), base, key.count) == 0 }
    }

    private mutating func add(_ name: String, _ builder: ColumnBuilder) {
        indexes[name] = names.count
        names.append(name)
        keys.append(Array(name.utf8))
        builders.append(builder)
    }

    private mutating func put(_ kind: TokenKind?, _ value: Bytes, into index: Int) throws {
        guard let kind else { return builders[index].appendNull() }
        let place = "column `\(names[index])`, line \(grouped(line))"
        switch builders[index].append(value, as: kind) {
        case .appended: return
        case .invalidUTF8(let offset):
            throw NestboxError.invalid("\(place): byte \(offset + 1) of the string is not UTF-8")
        case .tooManyValues: throw NestboxError.invalid("\(place): more than 2,147,483,646 distinct strings")
        case .misfit:
            throw NestboxError.misfit(
                column: names[index], line: line, text: excerpt(value), type: builders[index].type ?? .string)
        }
    }

    private func explain(_ problem: FlatObjectScanner.Problem) -> NestboxError {
        switch problem {
        case .syntax(let offset, let expected):
            .invalid("line \(grouped(line)), byte \(offset + 1): \(expected)")
        case .nested(let key, let what):
            .invalid(
                "line \(grouped(line)): the key `\(key)` holds \(what); expected a string, number, boolean or null",
                hint: "flatten nested values into keys of their own")
        }
    }
}
