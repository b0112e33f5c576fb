import Contracts
import Core
import Foundation

/// The folders and files below something that has some, as far as they were read.
package struct FileListing: Sendable {
    /// By folder, with paths relative to the root; the root itself is "".
    package var folders: [String: [ArtifactEntry]]
    /// Whether every folder was read; only then folders have sizes.
    package var isComplete: Bool

    package init(folders: [String: [ArtifactEntry]], isComplete: Bool) {
        self.folders = folders
        self.isComplete = isComplete
    }

    package static let none = FileListing(folders: [:], isComplete: true)

    package var files: [ArtifactEntry] { folders.values.joined().filter { !$0.isDirectory } }
}

/// Folders and files as lines: what is open is followed by what is in it.
struct FileTree {
    struct Row {
        var name: String
        var href: String?
        var size: String
        /// To the right, in rem.
        var indent: String
        var isFolder: Bool
        var isOpen: Bool
        var isCurrent: Bool
    }

    let rows: [Row]
    let note: String?

    /// Lines of one folder; more are counted.
    private static let perFolder = 500
    /// With no more lines than this, every folder is open.
    private static let few = 60

    /// - Parameter current: what is looked at; the folders above it are open.
    init(_ listing: FileListing, of owner: FileOwner, current: String) {
        let sizes = listing.isComplete ? Self.sizes(listing) : [:]
        let isSmall = listing.isComplete && listing.folders.values.map(\.count).reduce(0, +) <= Self.few
        var rows: [Row] = []
        func add(_ folder: String, depth: Int) {
            let entries = (listing.folders[folder] ?? []).sorted {
                ($0.isDirectory ? 0 : 1, $0.path) < ($1.isDirectory ? 0 : 1, $1.path)
            }
            let indent = Format.fixed(Double(min(depth, 12)) * 1.1, 1)
            for entry in entries.prefix(Self.perFolder) {
                let path = entry.path
                let isOpen =
                    entry.isDirectory && listing.folders[path] != nil
                    && (isSmall || current == path || current.hasPrefix(path + "/"))
                let bytes = entry.isDirectory ? sizes[path] : entry.size
                rows.append(
                    Row(
                        name: path.split(separator: "/").last.map(String.init) ?? path, href: owner.page(path),
                        size: bytes.map { Format.bytes($0) } ?? "", indent: indent, isFolder: entry.isDirectory,
                        isOpen: isOpen,
                        isCurrent: path == current))
                if isOpen { add(path, depth: depth + 1) }
            }
            if entries.count > Self.perFolder {
                rows.append(
                    Row(
                        name: "and \(Format.count(entries.count - Self.perFolder)) more", href: nil, size: "",
                        indent: indent,
                        isFolder: false, isOpen: false, isCurrent: false))
            }
        }
        add("", depth: 0)
        self.rows = rows
        note = listing.isComplete ? nil : "There are many files, so folders are shown without their sizes."
    }

    /// Bytes below each folder.
    private static func sizes(_ listing: FileListing) -> [String: Int64] {
        var sizes: [String: Int64] = [:]
        for (folder, entries) in listing.folders {
            let own = entries.compactMap(\.size).reduce(0, +)
            var above = folder[...]
            while !above.isEmpty {
                sizes[String(above), default: 0] += own
                above = above.lastIndex(of: "/").map { above[..<$0] } ?? ""
            }
        }
        return sizes
    }
}
