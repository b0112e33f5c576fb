import Foundation

/// Bytes that arrive in chunks, each read only when the one before has been dealt with. Consumed once.
public struct ByteStream: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    /// The whole length in bytes, when it is known beforehand.
    public var length: Int64?
    private let pull: @Sendable () async throws -> [UInt8]?

    /// - Parameter next: the next chunk, or nil at the end; called one at a time.
    public init(length: Int64? = nil, next: @escaping @Sendable () async throws -> [UInt8]?) {
        self.length = length
        pull = next
    }

    public init(_ bytes: [UInt8]) {
        let source = OneShot(bytes)
        self.init(length: Int64(bytes.count)) { source.take() }
    }

    public init(_ data: Data) { self.init([UInt8](data)) }

    /// The bytes of a file from `offset`, `count` of them or all. Throws when the file cannot be opened.
    public init(file path: String, offset: Int64 = 0, count: Int64? = nil, chunk: Int = 256 << 10) throws {
        let reader = try FileReader(path: path, offset: offset, count: count)
        self.init(length: reader.length) { try await ComputePool.shared.run { try reader.next(chunk) } }
    }

    public struct Iterator: AsyncIteratorProtocol {
        let pull: @Sendable () async throws -> [UInt8]?
        public mutating func next() async throws -> [UInt8]? { try await pull() }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(pull: pull) }

    /// Everything at once. Throws `payload_too_large` beyond `limit` bytes.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        if let length { all.reserveCapacity(Int(Swift.min(length, Int64(limit)))) }
        for try await chunk in self {
            guard all.count + chunk.count <= limit else {
                throw NestboxError(.payloadTooLarge, "the body is larger than \(limit) bytes")
            }
            all += chunk
        }
        return all
    }
}

private final class OneShot: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var bytes: [UInt8]?
    init(_ bytes: [UInt8]) { self.bytes = bytes.isEmpty ? nil : bytes }
    func take() -> [UInt8]? {
        defer { bytes = nil }
        return bytes
    }
}

private final class FileReader: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private let descriptor: Int32
    private let path: String
    private var remaining: Int64
    let length: Int64

    init(path: String, offset: Int64, count: Int64?) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        self.path = path
        var status = stat()
        guard fstat(descriptor, &status) == 0, lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else {
            let error = DurableFile.failure("read", path)
            close(descriptor)
            throw error
        }
        length = Swift.max(0, Swift.min(count ?? .max, Int64(status.st_size) - offset))
        remaining = length
    }

    deinit { close(descriptor) }

    func next(_ chunk: Int) throws -> [UInt8]? {
        guard remaining > 0 else { return nil }
        let wanted = Int(Swift.min(Int64(chunk), remaining))
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            var got = read(descriptor, buffer.baseAddress, wanted)
            while got < 0, errno == EINTR { got = read(descriptor, buffer.baseAddress, wanted) }
            failed = got < 0
            count = Swift.max(0, got)
        }
        if failed { throw DurableFile.failure("read", path) }
        guard !bytes.isEmpty else {
            throw NestboxError(.internalError, "\(path) became shorter while it was read")
        }
        remaining -= Int64(bytes.count)
        return bytes
    }
}
