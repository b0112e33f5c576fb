import Core

/// How much a reader takes before it refuses with `payload_too_large`: a few bytes can stand for any amount of memory.
public struct TableLimits: Sendable {
    /// What a compressed file may expand to, in bytes; input that is not compressed is not limited.
    public var expandedBytes: Int64 = 16 << 30
    /// What the columns may take up in memory while they are read, in bytes.
    public var memoryBytes = Int.max
    /// What to do about it, for the error.
    public var hint = "split the file"

    public init() {}

    /// Limits of a table that may take `memoryBytes`; text takes up to four times the room of its columns.
    public init(memoryBytes: Int, hint: String) {
        self.memoryBytes = memoryBytes
        let (expanded, overflow) = Int64(memoryBytes).multipliedReportingOverflow(by: 4)
        expandedBytes = overflow ? .max : expanded
        self.hint = hint
    }
}

/// Compares columns that grow with the limit. A row of JSON Lines can add a cell to thousands of columns, so cells are
/// counted, not bytes read.
struct MemoryGauge {
    private static let interval = 1 << 16

    private let limits: TableLimits
    private var cells = 0

    init(_ limits: TableLimits) { self.limits = limits }

    /// True when it is time to `check`.
    @inline(__always) mutating func add(cells count: Int) -> Bool {
        cells += count
        return cells >= Self.interval
    }

    mutating func check(_ builders: [ColumnBuilder], line: Int) throws {
        cells = 0
        guard limits.memoryBytes < .max else { return }
        let used = builders.reduce(0) { $0 + $1.memoryBytes }
        guard used <= limits.memoryBytes else {
            throw NestboxError(
                .payloadTooLarge,
                "line \(grouped(line)): the rows up to here take \(grouped(used)) bytes of memory; "
                    + "the limit is \(grouped(limits.memoryBytes))",
                hint: limits.hint)
        }
    }
}
