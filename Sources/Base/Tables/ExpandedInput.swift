import CArchive
import Core
import Foundation

/// Bytes of a file or buffer as a stream of chunks, expanded when the content begins like gzip, bzip2, xz, zstd or zip.
///
/// The name of the file does not matter. A zip must hold exactly one file. Throws `payload_too_large` beyond the limit
/// and `invalid_argument` for a damaged or truncated archive, possibly after chunks were delivered; what was made of
/// those must then be thrown away. gzip's checksum is verified when the file has one member.
public enum ExpandedInput {
    public typealias Body = (UnsafeBufferPointer<UInt8>) throws -> Void

    public static func forEachChunk(path: String, limits: TableLimits, _ body: Body) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DurableFile.failure("open", path) }
        defer { close(descriptor) }
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 20)
        defer { buffer.deallocate() }
        var head = try fill(buffer, from: descriptor, path: path, atLeast: 6)
        if let format = Compression(Bytes(rebasing: buffer[..<head])) {
            let name = "`\((path as NSString).lastPathComponent)`"
            let expander = try Expander(format: format, name: name, limits: limits)
            try expander.open(path: path)
            try expander.run(body)
            if format == .gzip, let trailer = try GzipTrailer(descriptor) {
                try trailer.check(expander.checksum, expander.expanded, name: name)
            }
            return
        }
        while head > 0 {
            try body(Bytes(rebasing: buffer[..<head]))
            head = try fill(buffer, from: descriptor, path: path, atLeast: 1)
        }
    }

    public static func forEachChunk(bytes: [UInt8], limits: TableLimits, _ body: Body) throws {
        try bytes.withUnsafeBufferPointer { buffer in
            guard let format = Compression(buffer) else { return try body(buffer) }
            let name = "the \(format.rawValue) data"
            let expander = try Expander(format: format, name: name, limits: limits)
            try expander.open(buffer)
            try expander.run(body)
            if format == .gzip, let trailer = GzipTrailer(buffer) {
                try trailer.check(expander.checksum, expander.expanded, name: name)
            }
        }
    }

    /// Pipes deliver less than asked; the first read must hold enough to recognise the format.
    private static func fill(
        _ buffer: UnsafeMutableBufferPointer<UInt8>, from descriptor: Int32, path: String, atLeast wanted: Int
    ) throws -> Int {
        var count = 0
        while count < wanted {
            let got = read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
            if got < 0 {
                if errno == EINTR { continue }
                throw DurableFile.failure("read", path)
            }
            if got == 0 { break }
            count += got
        }
        return count
    }
}

/// Formats by their first bytes.
enum Compression: String {
    case gzip, bzip2, xz, zstd, zip

    init?(_ s: Bytes) {
        if s.starts(with: [0x1F, 0x8B]) {
            self = .gzip
        } else if s.count >= 4, s.starts(with: Array("BZh".utf8)), (0x31...0x39).contains(s[3]) {
            self = .bzip2
        } else if s.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) {
            self = .xz
        } else if s.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
            self = .zstd
        } else if s.starts(with: [0x50, 0x4B, 0x03, 0x04]) || s.starts(with: [0x50, 0x4B, 0x05, 0x06]) {
            self = .zip
        } else {
            return nil
        }
    }
}

/// One pass of libarchive over one input.
private final class Expander {
    private let archive: OpaquePointer
    private let format: Compression
    private let name: String
    private let limits: TableLimits
    private(set) var expanded: Int64 = 0
    private(set) var checksum = CRC32()

    init(format: Compression, name: String, limits: TableLimits) throws {
        guard let archive = archive_read_new() else {
            throw NestboxError(.internalError, "libarchive could not start")
        }
        self.archive = archive
        self.format = format
        self.name = name
        self.limits = limits
        // Only these: libarchive's "all" includes filters that start other programs.
        let codes: [Int32]
        switch format {
        case .gzip: codes = [archive_read_support_filter_gzip(archive), archive_read_support_format_raw(archive)]
        case .bzip2: codes = [archive_read_support_filter_bzip2(archive), archive_read_support_format_raw(archive)]
        case .xz: codes = [archive_read_support_filter_xz(archive), archive_read_support_format_raw(archive)]
        case .zstd: codes = [archive_read_support_filter_zstd(archive), archive_read_support_format_raw(archive)]
        // By its directory, which ends the file: reading zip as a stream would not notice that the end is missing.
        case .zip: codes = [archive_read_support_format_zip_seekable(archive)]
        }
        guard codes.allSatisfy({ $0 == ARCHIVE_OK }) else {
            throw NestboxError(
                .unsupportedMediaType, "\(name): the installed libarchive cannot read \(format.rawValue)",
                hint: "expand the file first")
        }
    }

    deinit { archive_read_free(archive) }

    func open(path: String) throws {
        guard archive_read_open_filename(archive, path, 256 << 10) == ARCHIVE_OK else { throw damaged() }
    }

    /// The buffer must outlive `run`.
    func open(_ buffer: Bytes) throws {
        guard archive_read_open_memory(archive, buffer.baseAddress, buffer.count) == ARCHIVE_OK else {
            throw damaged()
        }
    }

    func run(_ body: ExpandedInput.Body) throws {
        var files: [String] = []
        var entry: OpaquePointer?
        while true {
            let code = archive_read_next_header(archive, &entry)
            if code == ARCHIVE_EOF { break }
            guard code == ARCHIVE_OK || code == ARCHIVE_WARN, let entry else { throw damaged() }
            // A header too damaged for the filter would pass as plain bytes; one "none" filter is always counted.
            guard format == .zip || archive_filter_count(archive) > 1 else { throw damaged() }
            let path = archive_entry_pathname(entry).map { String(cString: $0) } ?? "?"
            // macOS adds a folder of resource forks to the zips it makes.
            if format == .zip, path.hasSuffix("/") || path.hasPrefix("__MACOSX/") { continue }
            files.append(path)
            guard files.count == 1 else {
                throw NestboxError.invalid(
                    "\(name) holds several files (`\(files[0])`, `\(files[1])`); expected one",
                    hint: "compress each table on its own")
            }
            try deliver(body)
        }
        guard !files.isEmpty else { throw NestboxError.invalid("\(name) holds no file; expected one") }
    }

    private func deliver(_ body: ExpandedInput.Body) throws {
        var block: UnsafeRawPointer?
        var size = 0
        var offset: Int64 = 0
        while true {
            let code = archive_read_data_block(archive, &block, &size, &offset)
            if code == ARCHIVE_EOF { return }
            guard code == ARCHIVE_OK else { throw damaged() }
            guard size > 0, let block else { continue }
            guard Int64(size) <= limits.expandedBytes - expanded else {
                throw NestboxError(
                    .payloadTooLarge, "\(name) expands to more than \(limits.expandedBytes) bytes", hint: limits.hint)
            }
            expanded += Int64(size)
            let bytes = Bytes(start: block.assumingMemoryBound(to: UInt8.self), count: size)
            if format == .gzip { checksum.update(bytes) }
            try body(bytes)
        }
    }

    private func damaged() -> NestboxError {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "the data is damaged"
        return .invalid(
            "\(name) cannot be read as \(format.rawValue): \(reason)", hint: "the file may be damaged or incomplete")
    }
}
