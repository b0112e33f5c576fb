import Core

/// Reads CSV that arrives in chunks of any size: `consume` each, then `finish`. Not for use from two threads at once.
///
/// After an error the parser is spent: every later call throws the same error.
public final class CSVParser {
    private var scanner: CSVScanner
    private var state = ParserState()

    /// Rows read so far, without the header.
    public var rowCount: Int { scanner.rowCount }

    /// Throws `invalid_argument` for a delimiter that cannot be one.
    public init(options: CSVOptions = CSVOptions()) throws {
        scanner = try CSVScanner(options: options)
    }

    public func consume(_ chunk: UnsafeBufferPointer<UInt8>) throws {
        try state.step("the CSV was") { try scanner.consume(chunk) }
    }

    public func consume(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBufferPointer { try consume($0) }
    }

    /// The table of everything consumed.
    public func finish() throws -> Table {
        try state.step("the CSV was", isLast: true) { try scanner.finish() }
    }
}
