import Contracts
import Core
import Foundation
import Synchronization

/// The log file of one job, of bounded size: beyond the limit one line says that the rest was cut.
final class JobLog: Sendable {
    /// Bytes that a worker elsewhere may send at once.
    static let mostPerCall = 256 << 10

    private struct State {
        var descriptor: Int32
        var size: Int64
        var isCut: Bool
        var endsLine = true
    }

    private let state: Mutex<State>
    private let path: String
    private let limit: Int64

    /// Opens `path` for appending; creates it and its folder.
    init(path: String, limit: Int64) throws {
        try DurableFile.makeDirectory((path as NSString).deletingLastPathComponent)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        var status = stat()
        let size = fstat(descriptor, &status) == 0 ? Int64(status.st_size) : 0
        self.path = path
        self.limit = limit
        state = Mutex(State(descriptor: descriptor, size: size, isCut: size >= limit))
    }

    deinit { state.withLock { _ = close($0.descriptor) } }

    /// Throws when the disk refuses; the log is then cut, since later lines would have a hole before them.
    func append(_ bytes: [UInt8]) throws {
        try state.withLock { state in
            guard !state.isCut, !bytes.isEmpty else { return }
            let kept = bytes.prefix(Int(clamping: limit - state.size))
            do {
                try DurableFile.writeAll(Array(kept), to: state.descriptor, path: path)
                state.size += Int64(kept.count)
                state.endsLine = kept.last == 0x0A
                if kept.count < bytes.count {
                    state.isCut = true
                    let note = (state.endsLine ? "" : "\n") + "[the log was cut here: it has reached \(limit) bytes]\n"
                    try DurableFile.writeAll(Data(note.utf8), to: state.descriptor, path: path)
                }
            } catch {
                state.isCut = true
                throw error
            }
        }
    }

    /// A line of the runner's own.
    func note(_ line: String) throws {
        let endsLine = state.withLock { $0.endsLine }
        try append(Array(((endsLine ? "" : "\n") + "[runner] \(line)\n").utf8))
    }

    /// Whole lines from `offset` on, at most `limit` bytes. A last line without an end is held back until the job is over.
    static func read(_ path: String, offset: Int64, isComplete: Bool, limit: Int = 256 << 10) throws -> JobLogChunk {
        guard offset >= 0 else {
            throw NestboxError.invalid(
                "`offset` is \(offset); expected a byte position from 0 on",
                hint: "begin at 0, and go on from the last answer's `nextOffset`")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // No line yet.
            if errno == ENOENT { return JobLogChunk(text: "", nextOffset: 0) }
            throw DurableFile.failure("open", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableFile.failure("read", path) }
        if offset > Int64(status.st_size) { return JobLogChunk(text: "", nextOffset: Int64(status.st_size)) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, limit, off_t(offset)) }
        guard count >= 0 else { throw DurableFile.failure("read", path) }
        bytes.removeSubrange(count...)
        if let end = bytes.lastIndex(of: 0x0A), !(isComplete && count < limit) {
            bytes.removeSubrange((end + 1)...)
        } else if count == limit {
            // A line longer than a chunk: cut it, but not inside a character.
            while let last = bytes.last, last & 0xC0 == 0x80 { bytes.removeLast() }
            if let last = bytes.last, last >= 0xC0 { bytes.removeLast() }
        } else if !isComplete {
            bytes = []
        }
        return JobLogChunk(text: String(decoding: bytes, as: UTF8.self), nextOffset: offset + Int64(bytes.count))
    }

    /// Removes `tmp` folders and `.tmp-` files of killed workers from the job folders below `directory`.
    static func clearTemporaryFiles(below directory: String) throws {
        let files = FileManager.default
        guard files.fileExists(atPath: directory) else { return }
        for job in try files.contentsOfDirectory(atPath: directory) {
            var isDirectory: ObjCBool = false
            let folder = "\(directory)/\(job)"
            guard files.fileExists(atPath: folder, isDirectory: &isDirectory), isDirectory.boolValue else { continue }
            for name in try files.contentsOfDirectory(atPath: folder) where name == "tmp" || name.contains(".tmp-") {
                try files.removeItem(atPath: "\(folder)/\(name)")
            }
        }
    }
}
