import Core

/// Reads little-endian numbers from bytes that nobody vouches for.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    /// Named in errors.
    let file: String
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer, file: String) {
        self.bytes = bytes
        self.file = file
    }

    var remaining: Int { bytes.count - position }

    mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, _ what: @autoclosure () -> String)
        throws -> T
    {
        T(littleEndian: try take(MemoryLayout<T>.size, what()).loadUnaligned(as: T.self))
    }

    /// A 64-bit count that is at most what the rest of the file can hold at `bytesEach`.
    mutating func count(bytesEach: Int, _ what: @autoclosure () -> String) throws -> Int {
        let start = position
        let value = try number(UInt64.self, what())
        guard value <= UInt64(remaining / bytesEach) else {
            throw NestboxError.invalid(
                "\(file): \(what()) at byte \(start) is \(value), but only \(remaining) bytes follow",
                hint: "the file is damaged or cut off: fetch it again")
        }
        return Int(value)
    }

    mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws -> UnsafeRawBufferPointer {
        guard count <= remaining else {
            throw NestboxError.invalid(
                "\(file) ends inside \(what()): \(count) bytes expected at byte \(position), \(remaining) left",
                hint: "the file is cut off: fetch it again")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// A length of 64 bits, and as many bytes of UTF-8.
    mutating func string(_ what: @autoclosure () -> String) throws -> String {
        let start = position
        let length = try count(bytesEach: 1, "the length of " + what())
        guard let text = String(validating: try take(length, what()), as: UTF8.self) else {
            throw NestboxError.invalid("\(file): \(what()) at byte \(start) is not text in UTF-8")
        }
        return text
    }
}
