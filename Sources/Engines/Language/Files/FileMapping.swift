import Core
import Foundation

/// A file in memory, read only: the system brings pages when they are touched and may drop them again.
///
/// The bytes live as long as this object. Nobody may shorten the file meanwhile (reading what was cut off ends the process);
/// replacing it by renaming another over it is harmless.
public final class FileMapping: @unchecked Sendable {
    // Unchecked: the memory is never written to, and is unmapped only when nobody refers to this any more.
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    /// Throws `not_found`, or `invalid_argument` for what is no file or is empty.
    public init(_ path: String) throws {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableFile.failure("inspect", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw NestboxError.invalid("\(path) is not a file", hint: "name a file")
        }
        guard status.st_size > 0 else { throw NestboxError.invalid("\(path) is empty", hint: "fetch the file again") }
        let size = Int(status.st_size)
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw DurableFile.failure("map", path)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
    }

    /// A copy of a whole file. Throws when it has more than `most` bytes.
    static func contents(_ path: String, most: Int) throws -> Data {
        let mapping = try FileMapping(path)
        // The pointer alone would not keep the mapping.
        return try withExtendedLifetime(mapping) {
            guard mapping.bytes.count <= most else {
                throw NestboxError.invalid("\(path) has \(mapping.bytes.count) bytes; at most \(most) are read")
            }
            return Data(mapping.bytes)
        }
    }

    /// Asks the system to bring the pages of `part` soon.
    public func prefetch(_ part: UnsafeRawBufferPointer) { advise(part, MADV_WILLNEED, inside: false) }

    /// Gives the memory of `part` back, once its contents were packed elsewhere. Reading it again brings it from the file.
    public func release(_ part: UnsafeRawBufferPointer) { advise(part, MADV_DONTNEED, inside: true) }

    /// `inside` leaves the pages alone that `part` shares with its neighbours.
    private func advise(_ part: UnsafeRawBufferPointer, _ advice: Int32, inside: Bool) {
        guard let start = part.baseAddress, start >= bytes.baseAddress!,
            start + part.count <= bytes.baseAddress! + bytes.count
        else { return }
        let page = Int(getpagesize())
        let from = start - bytes.baseAddress!, to = from + part.count
        let first = inside ? (from + page - 1) / page * page : from / page * page
        let last = inside ? (to == bytes.count ? to : to / page * page) : to
        guard last > first else { return }
        // Advice: when the system declines, the pages stay as they were.
        _ = madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress! + first), last - first, advice)
    }
}
