import Core
import Foundation

/// Records appended to a file, for what is to be in a database a moment later: an append takes microseconds, a transaction ten times
/// as long. What was appended outlives the process, but not a power cut: nothing is synced.
///
/// The file begins with a mark and the number of its generation; each record is its length, a checksum of generation and bytes, and the
/// bytes, all little-endian. `restart` raises the generation, so that what lies behind is void and is written over: the file keeps
/// its size, since growing and cutting files is what stalls writers.
public struct Journal: ~Copyable, Sendable {
    private static let mark: UInt32 = 0x314A_424E
    private static let headerBytes = 8, frameBytes = 8
    private static let largestRecord = 64 << 20

    private let path: String
    private let file: File
    private var generation: UInt32 = 0
    private var end = Journal.headerBytes

    private final class File: Sendable {
        let descriptor: Int32

        init(_ path: String) throws {
            descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        }

        deinit { close(descriptor) }
    }

    private init(path: String) throws {
        self.path = path
        file = try File(path)
    }

    /// Opens or creates the file and hands over what a killed process left in it.
    ///
    /// Reading ends at the first record that is not whole: one that was being appended, or what an older generation left.
    public static func open(_ path: String, recovered: (ArraySlice<UInt8>) throws -> Void) throws -> Journal {
        var journal = try Journal(path: path)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        guard bytes.count >= headerBytes, word(bytes, 0) == mark else {
            try journal.restart()
            return journal
        }
        journal.generation = word(bytes, 4)
        while journal.end + frameBytes <= bytes.count {
            let length = Int(word(bytes, journal.end)), start = journal.end + frameBytes
            guard length > 0, length <= largestRecord, length <= bytes.count - start else { break }
            let record = bytes[start..<start + length]
            guard checksum(record, journal.generation) == word(bytes, journal.end + 4) else { break }
            try recovered(record)
            journal.end = start + length
        }
        return journal
    }

    /// Throws `storage_full` or `unavailable`; the record then does not exist.
    public mutating func append(_ record: [UInt8]) throws {
        precondition(!record.isEmpty && record.count <= Self.largestRecord, "a record has 1 byte to 64 MiB")
        var frame: [UInt8] = []
        frame.reserveCapacity(Self.frameBytes + record.count)
        Self.append(UInt32(record.count), to: &frame)
        Self.append(Self.checksum(record[...], generation), to: &frame)
        frame += record
        try write(frame, at: end)
        end += frame.count
    }

    /// Forgets every record.
    public mutating func restart() throws {
        var header: [UInt8] = []
        Self.append(Self.mark, to: &header)
        Self.append(generation &+ 1, to: &header)
        try write(header, at: 0)
        generation &+= 1
        end = Self.headerBytes
    }

    private func write(_ bytes: [UInt8], at position: Int) throws {
        try bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let written = pwrite(
                    file.descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(position + done))
                if written < 0 {
                    if errno == EINTR { continue }
                    throw DurableFile.failure("write", path)
                }
                done += written
            }
        }
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
    }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// FNV-1a, 64 bits folded to 32.
    private static func checksum(_ record: ArraySlice<UInt8>, _ generation: UInt32) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(generation)
        hash = hash &* 0x100_0000_01b3
        record.withUnsafeBufferPointer { for byte in $0 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
    }
}
