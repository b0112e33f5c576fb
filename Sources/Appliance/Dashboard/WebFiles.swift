import CWeb
import Core
import Foundation

/// The files of `web/`, named by their path below it.
struct WebFiles: Sendable {
    private let directory: String?

    /// Compiled into the program by `#embed`.
    static let embedded = WebFiles(directory: nil)

    init(directory: String?) { self.directory = directory }

    /// Whether the files may change while the server runs.
    var isLive: Bool { directory != nil }

    func paths() throws -> [String] {
        guard let directory else {
            return (0..<nestbox_web_file_count()).compactMap { nestbox_web_file_at($0)?.pointee.path }.map {
                String(cString: $0)
            }
        }
        guard let walk = FileManager.default.enumerator(atPath: directory) else { throw Self.unreadable(directory) }
        let found = walk.compactMap { $0 as? String }.filter { $0.hasSuffix(".mustache") || $0.hasPrefix("assets/") }
        guard !found.isEmpty else { throw Self.unreadable(directory) }
        return found.sorted()
    }

    /// Nil when there is no such file.
    func bytes(_ path: String) throws -> [UInt8]? {
        guard let directory else {
            guard let file = nestbox_web_file_named(path)?.pointee else { return nil }
            return [UInt8](UnsafeBufferPointer(start: file.bytes, count: file.length))
        }
        let full = "\(directory)/\(path)"
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: full, isDirectory: &isDirectory), !isDirectory.boolValue else {
            return nil
        }
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: full)))
    }

    private static func unreadable(_ directory: String) -> NestboxError {
        .invalid("`\(directory)` holds no templates", hint: "point --web-dir at the `web` folder of a checkout")
    }

    /// FNV-1a, 64 bits: it tells versions of our own files apart, nothing more.
    static func tag(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}
