import Core

/// Reads JSON Lines that arrive in chunks of any size: `consume` each, then `finish`. Not for use from two threads at
/// once.
///
/// After an error the parser is spent: every later call throws the same error.
public final class JSONLParser {
    private var scanner: JSONLScanner
    private var state = ParserState()

    /// Rows read so far.
    public var rowCount: Int { scanner.rowCount }

    public init(options: JSONLOptions = JSONLOptions()) { scanner = JSONLScanner(options: options) }

    public func consume(_ chunk: UnsafeBufferPointer<UInt8>) throws {
        try state.step("the JSON Lines were") { try scanner.consume(chunk) }
    }

    public func consume(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBufferPointer { try consume($0) }
    }

    /// The table of everything consumed.
    public func finish() throws -> Table {
        try state.step("the JSON Lines were", isLast: true) { try scanner.finish() }
    }
}
