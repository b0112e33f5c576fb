import Core
import Foundation

/// The last eight bytes of a gzip file (RFC 1952): checksum and length of the last member's content.
///
/// libarchive skips them (as of 3.6), so that a flipped bit that still inflates would go unseen.
struct GzipTrailer {
    private let crc: UInt32
    private let length: UInt32
    private let mayHaveMoreMembers: Bool

    init?(_ s: Bytes) {
        guard s.count >= 18 else { return nil }
        (crc, length) = Self.numbers(s.suffix(8))
        mayHaveMoreMembers = Self.hasHeader(s.dropFirst())
    }

    /// Reads the end of a regular file; nil for a pipe. Moves the descriptor's position.
    init?(_ descriptor: Int32) throws {
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 18, lseek(descriptor, 1, SEEK_SET) == 1 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        // Three bytes are carried over, because a member's header may lie across two reads.
        var carried = 0
        var found = false
        var tail: [UInt8] = []
        while true {
            let got = buffer.withUnsafeMutableBytes { raw in
                read(descriptor, raw.baseAddress.map { $0 + carried }, raw.count - carried)
            }
            if got < 0 {
                if errno == EINTR { continue }
                throw DurableFile.failure("read", "the gzip file")
            }
            if got == 0 { break }
            let filled = carried + got
            found = found || buffer.withUnsafeBufferPointer { Self.hasHeader($0[..<filled]) }
            tail = Array((tail + buffer[carried..<filled]).suffix(8))
            carried = min(3, filled)
            for i in 0..<carried { buffer[i] = buffer[filled - carried + i] }
        }
        guard tail.count == 8 else { return nil }
        (crc, length) = tail.withUnsafeBufferPointer { Self.numbers($0[...]) }
        mayHaveMoreMembers = found
    }

    func check(_ checksum: CRC32, _ expanded: Int64, name: String) throws {
        if length == UInt32(truncatingIfNeeded: expanded), crc == checksum.value { return }
        // With several members the trailer speaks of the last one only.
        if mayHaveMoreMembers, length != UInt32(truncatingIfNeeded: expanded) { return }
        throw NestboxError.invalid(
            "\(name) cannot be read as gzip: its checksum does not match its content",
            hint: "the file may be damaged or incomplete")
    }

    private static func numbers(_ s: Slice<Bytes>) -> (UInt32, UInt32) {
        let bytes = s.map { UInt32($0) }
        return (
            bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24,
            bytes[4] | bytes[5] << 8 | bytes[6] << 16 | bytes[7] << 24
        )
    }

    private static func hasHeader(_ s: Slice<Bytes>) -> Bool {
        guard s.count >= 4 else { return false }
        // Magic, deflate, and no reserved flag.
        for i in s.startIndex..<(s.endIndex - 3) where s[i] == 0x1F {
            if s[i + 1] == 0x8B, s[i + 2] == 8, s[i + 3] < 0x20 { return true }
        }
        return false
    }
}

/// The checksum of gzip, zip and PNG, eight bytes at a time.
struct CRC32 {
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
            tables[index] = value
        }
        for index in 256..<(8 * 256) {
            let before = tables[index - 256]
            tables[index] = before >> 8 ^ tables[Int(before & 0xFF)]
        }
        return tables
    }()

    private var state: UInt32 = .max

    var value: UInt32 { ~state }

    mutating func update(_ s: Bytes) {
        Self.tables.withUnsafeBufferPointer { t in
            var crc = state
            var at = 0
            let raw = UnsafeRawBufferPointer(s)
            while at + 8 <= raw.count {
                let low = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
                crc = t[1792 + Int(low & 0xFF)] ^ t[1536 + Int(low >> 8 & 0xFF)]
                crc ^= t[1280 + Int(low >> 16 & 0xFF)] ^ t[1024 + Int(low >> 24)]
                crc ^= t[768 + Int(high & 0xFF)] ^ t[512 + Int(high >> 8 & 0xFF)]
                crc ^= t[256 + Int(high >> 16 & 0xFF)] ^ t[Int(high >> 24)]
                at += 8
            }
            while at < raw.count {
                crc = crc >> 8 ^ t[Int((crc ^ UInt32(raw[at])) & 0xFF)]
                at += 1
            }
            state = crc
        }
    }
}
