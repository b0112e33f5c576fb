import Core
import Foundation

/// What cannot be read of a store. It is always about the source, never about Nestbox, so that an import goes on without it.
func unreadable(_ message: String, hint: String? = nil) -> NestboxError { .invalid(message, hint: hint) }

/// The files below a folder, none of which is read through a link that leads out of it.
struct StoreFolder: Sendable {
    /// Without links.
    let root: String

    /// Far more than the text of any prompt.
    private static let largestText: Int64 = 64 << 20
    private static let largestMetric: Int64 = 4 << 30

    init(_ path: String) throws {
        guard let real = Self.resolved(path) else { throw unreadable("`\(path)` cannot be opened: \(Self.reason)") }
        root = real
    }

    func path(_ relative: String) -> String { relative.isEmpty ? root : root + "/" + relative }

    func exists(_ relative: String) -> Bool { access(path(relative), F_OK) == 0 }

    func isDirectory(_ relative: String) -> Bool {
        var status = stat()
        return stat(path(relative), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The names in a folder, sorted; none when there is no such folder.
    func names(_ relative: String) throws -> [String] {
        guard exists(relative) else { return [] }
        return try Self.names(at: try inside(relative))
    }

    func folders(_ relative: String) throws -> [String] {
        try names(relative).filter { isDirectory(relative.isEmpty ? $0 : relative + "/" + $0) }
    }

    static func names(at path: String) throws(NestboxError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        } catch {
            throw unreadable("the folder `\(path)` cannot be listed", hint: "its rights must allow it to this user")
        }
    }

    /// A whole text file. Throws when it is no UTF-8.
    func text(_ relative: String) throws -> String {
        let data = try bytes(relative, upTo: Self.largestText)
        guard let text = String(validating: data, as: UTF8.self) else {
            throw unreadable("`\(path(relative))` is not UTF-8 text")
        }
        return text
    }

    func metricFile(_ relative: String) throws -> Data { try bytes(relative, upTo: Self.largestMetric) }

    private func bytes(_ relative: String, upTo most: Int64) throws -> Data {
        let real = try inside(relative)
        var status = stat()
        guard stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw unreadable("`\(path(relative))` is not a file")
        }
        guard status.st_size <= most else {
            throw unreadable("`\(path(relative))` is larger than \(most) bytes")
        }
        do {
            return try Data(contentsOf: URL(fileURLWithPath: real))
        } catch {
            throw unreadable("`\(path(relative))` cannot be read", hint: "its rights must allow it to this user")
        }
    }

    /// Texts by key, which is the path below the folder, since a key may hold slashes.
    func values(_ relative: String) throws -> [String: String] {
        var values: [String: String] = [:]
        for key in try keys(relative) { values[key] = try text(relative + "/" + key) }
        return values
    }

    /// The paths of all files below a folder.
    func keys(_ relative: String) throws -> [String] {
        var keys: [String] = [], folders = [""]
        while let folder = folders.popLast() {
            for name in try names(folder.isEmpty ? relative : relative + "/" + folder) {
                let key = folder.isEmpty ? name : folder + "/" + name
                if isDirectory(relative + "/" + key) {
                    guard key.utf8.count < 4096 else { throw unreadable("`\(path(relative))` is nested without end") }
                    folders.append(key)
                } else {
                    keys.append(key)
                }
            }
        }
        return keys.sorted()
    }

    /// The path without links. Throws when it leads out of the folder.
    private func inside(_ relative: String) throws -> String {
        guard let real = Self.resolved(path(relative)) else {
            throw unreadable("`\(path(relative))` cannot be opened: \(Self.reason)")
        }
        guard real == root || real.hasPrefix(root == "/" ? root : root + "/") else {
            throw unreadable("`\(path(relative))` is a link that leads out of `\(root)`")
        }
        return real
    }

    static func resolved(_ path: String) -> String? {
        guard !path.utf8.contains(0), let pointer = realpath(path, nil) else { return nil }
        defer { free(pointer) }
        return String(cString: pointer)
    }

    static var reason: String { String(cString: strerror(errno)) }
}
