import Contracts
import Core
import Foundation

/// `/runs/{id}/files/…` and the same below logged models and model versions: a file or a folder beside the tree it is in.
package struct FilesPage: DashboardPage {
    /// What is looked at.
    package enum Shown: Sendable {
        case folder(path: String)
        case file(ArtifactEntry, head: Data)
        /// The files are kept where this server does not reach.
        case elsewhere(uri: String)

        var path: String {
            switch self {
            case .folder(let path): path
            case .file(let entry, _): entry.path
            case .elsewhere: ""
            }
        }
    }

    package let template = "files"
    package let title: String
    package let section: Section
    package let path: String
    package let trail: [Crumb]
    package let events = ["artifact"]

    let owner: String
    let ownerHref: String
    let tree: FileTree
    let hasFiles: Bool
    let file: FilePreview?
    let facts: [Pair]
    let downloadHref: String?
    let folderNote: String?
    let empty: Empty

    /// - Parameter shown: with a path relative to the owner's root.
    package init(_ owner: FileOwner, listing: FileListing, shown: Shown) {
        let current = shown.path, parts = current.split(separator: "/").map(String.init)
        title = parts.last ?? "Files"
        section = owner.section
        path = owner.page(current)
        var trail = owner.trail
        trail.append(Crumb("files", owner.page("")))
        for index in parts.indices.dropLast() {
            trail.append(Crumb(parts[index], owner.page(parts[...index].joined(separator: "/"))))
        }
        self.trail = parts.isEmpty ? owner.trail : trail
        self.owner = owner.name
        ownerHref = owner.href
        tree = FileTree(listing, of: owner, current: current)
        hasFiles = !tree.rows.isEmpty
        empty =
            if case .elsewhere(let uri) = shown {
                Empty("Kept elsewhere", "The files are at \(Format.short(uri, 300)), which this server does not read.")
            } else {
                Empty("No files", "Nothing was stored here yet.")
            }
        guard case .file(let entry, let head) = shown else {
            (file, facts, downloadHref) = (nil, [], nil)
            let count = (listing.folders[current] ?? []).count
            folderNote = "\(Format.counted(count, "entry", "entries")) in this folder. Choose a file to look at it."
            return
        }
        let folder = parts.dropLast().joined(separator: "/")
        file = FilePreview(
            name: title, size: entry.size, head: head, imageHref: owner.contents(current) + "?view=image"
        ) { target, isImage in
            guard let path = Self.resolved(target, in: folder) else { return nil }
            guard isImage else { return owner.page(path) }
            return FilePreview.imageType(path) == nil ? nil : owner.contents(path) + "?view=image"
        }
        facts =
            [Pair("Size", entry.size.map { "\(Format.bytes($0)) (\(Format.count($0)) bytes)" } ?? "not known")]
            + (entry.digest.map { [Pair("SHA-256", $0)] } ?? [])
        downloadHref = owner.contents(current)
        folderNote = nil
    }

    /// The path that a relative link in a file of `folder` names; nil for other addresses and for what leads out.
    static func resolved(_ target: String, in folder: String) -> String? {
        let plain = target.prefix { $0 != "#" && $0 != "?" }
        guard !plain.isEmpty, !plain.hasPrefix("/"), !plain.contains(":"),
            let text = String(plain).removingPercentEncoding
        else { return nil }
        var parts = folder.split(separator: "/").map(String.init)
        for part in text.split(separator: "/").map(String.init) where part != "." {
            guard part == ".." else {
                parts.append(part)
                continue
            }
            guard parts.popLast() != nil else { return nil }
        }
        return try? ArtifactPath.normalize(parts.joined(separator: "/"))
    }
}
