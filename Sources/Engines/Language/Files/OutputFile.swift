import Core
import Foundation
import Tensors

/// A file that is written from front to back under a temporary name, and gets its own name when it is whole and on disk.
final class OutputFile {
    let path: String
    private let temporary: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var isOpen = true
    /// Bytes written so far.
    private(set) var position = 0

    private static let bufferSize = 1 << 20

    init(_ path: String) throws {
        self.path = path
        temporary = path + ".tmp-\(UInt64.random(in: 0 ... .max))"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            isOpen = false
            throw DurableFile.failure("create", temporary)
        }
        buffer.reserveCapacity(Self.bufferSize)
    }

    /// Leaves nothing behind unless `commit` was reached.
    deinit {
        guard isOpen else { return }
        close(descriptor)
        unlink(temporary)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        position += bytes.count
        if buffer.count + bytes.count > Self.bufferSize { try flush() }
        if bytes.count > Self.bufferSize {
            try DurableFile.writeAll(bytes, to: descriptor, path: temporary)
        } else {
            buffer += bytes
        }
    }

    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes(write) }

    /// Zeros up to the next multiple of `alignment`.
    func pad(to alignment: Int) throws {
        let rest = position % alignment
        if rest > 0 { try write([UInt8](repeating: 0, count: alignment - rest)) }
    }

    private func flush() throws {
        guard !buffer.isEmpty else { return }
        try DurableFile.writeAll(buffer, to: descriptor, path: temporary)
        buffer.removeAll(keepingCapacity: true)
    }

    func commit() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw DurableFile.failure("sync", temporary) }
        try DurableFile.commit(temporary, as: path)
        close(descriptor)
        isOpen = false
    }
}

/// What is to be written of a tensor before its bytes are.
public struct TensorOutline: Sendable {
    public var name: String
    public var dtype: DType
    /// Outermost dimension first.
    public var shape: [Int]

    public init(_ name: String, _ dtype: DType, _ shape: [Int]) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
    }
}

/// Takes the bytes of one tensor, in as many pieces as are convenient.
public typealias TensorSink = (UnsafeRawBufferPointer) throws -> Void
