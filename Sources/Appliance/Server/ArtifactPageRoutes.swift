import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// The files of runs, logged models and model versions: a page that shows one beside the tree it is in, and its contents.
enum ArtifactPageRoutes {
    /// Entries and folders that are read for a tree. Of files on another server, each folder is a request of its own.
    private static let mostEntries = 2000
    private static let mostFolders = (here: 400, elsewhere: 40)

    /// Something that has files, and the store's folder that they are in.
    struct Root: Sendable {
        var owner: FileOwner
        /// Nil when they are elsewhere.
        var folder: String?
        var uri: String
    }

    static func routes(_ appliance: Appliance) -> [Route] {
        let models: @Sendable (Call) async throws -> Root = { call in
            let model = try await appliance.tracking.loggedModel(id: try call.parameter("id"), includingDeleted: true)
            let experiment = try await appliance.tracking.experiment(id: model.experimentID)
            return Root(
                owner: FileOwner(model, experiment: experiment),
                folder: try? ArtifactPath.path(ofURI: model.artifactURI),
                uri: model.artifactURI)
        }
        let versions: @Sendable (Call) async throws -> Root = { call in
            let version = try await appliance.registry.version(
                try call.parameter("name"), try call.integerParameter("version"))
            return Root(
                owner: FileOwner(version), folder: try? ArtifactPath.path(ofURI: version.artifactURI),
                uri: version.artifactURI)
        }
        return routes("/logged-models/{id}", "a logged model", appliance, models)
            + routes("/models/{name}/versions/{version}", "a model version", appliance, versions)
            + routes("/runs/{id}", "a run", appliance) { call in
                let run = try await appliance.tracking.run(id: try call.parameter("id"))
                let experiment = try await appliance.tracking.experiment(id: run.experimentID)
                return Root(
                    owner: FileOwner(run, experiment: experiment), folder: run.artifactPath, uri: run.artifactURI)
            }
    }

    private static func routes(
        _ base: String, _ what: String, _ appliance: Appliance, _ root: @escaping @Sendable (Call) async throws -> Root
    ) -> [Route] {
        [
            PageRoutes.page("\(base)/files", "The files of \(what)") { call in
                try await page(try await root(call), "", appliance)
            }(appliance),
            PageRoutes.page("\(base)/files/**", "A file or folder of \(what)") { call in
                try await page(try await root(call), try call.rest, appliance)
            }(appliance),
            PageRoutes.hidden(.get, "\(base)/artifacts/**", "The contents of a file of \(what)") { call in
                try await contents(try await root(call), call, appliance)
            },
        ]
    }

    // MARK: Pages

    private static func page(_ root: Root, _ rest: String, _ appliance: Appliance) async throws -> FilesPage {
        guard let folder = root.folder else {
            return FilesPage(root.owner, listing: .none, shown: .elsewhere(uri: root.uri))
        }
        let relative = rest.isEmpty ? "" : try ArtifactPath.normalize(rest)
        var shown = FilesPage.Shown.folder(path: relative), open = relative
        if !relative.isEmpty {
            var entry = try await appliance.artifacts.entry("\(folder)/\(relative)")
            if !entry.isDirectory {
                let head = try await head(entry, appliance.artifacts)
                entry.path = relative
                shown = .file(entry, head: head)
                open = relative.split(separator: "/").dropLast().joined(separator: "/")
            }
        }
        let listing = try await listing(below: folder, open: open, appliance)
        // A run whose own files are elsewhere may still have some here: what was captured.
        if relative.isEmpty, listing.files.isEmpty, (try? ArtifactPath.path(ofURI: root.uri)) == nil {
            shown = .elsewhere(uri: root.uri)
        }
        return try await ComputePool.shared.run { [shown] in FilesPage(root.owner, listing: listing, shown: shown) }
    }

    private static func head(_ entry: ArtifactEntry, _ artifacts: any ArtifactStore) async throws -> Data {
        guard let size = entry.size else {
            var head = Data()
            for try await chunk in try await artifacts.open(entry.path, range: nil).body {
                head.append(contentsOf: chunk)
                if head.count >= FilePreview.limit { break }
            }
            return head.prefix(Int(FilePreview.limit))
        }
        guard size > 0 else { return Data() }
        let body = try await artifacts.open(entry.path, range: 0..<min(size, FilePreview.limit)).body
        return Data(try await body.collect(upTo: Int(FilePreview.limit)))
    }

    /// What lies below `root`, with paths relative to it: the folders on the way to `open` for certain, others as long as
    /// there are not too many.
    static func listing(below root: String, open: String, _ appliance: Appliance) async throws -> FileListing {
        var listing = FileListing(folders: [:], isComplete: true)
        let mostFolders = appliance.embeddedArtifacts == nil ? mostFolders.elsewhere : mostFolders.here
        var entries = 0, waiting = [""], way: [String] = []
        for part in open.split(separator: "/") { way.append((way.last.map { $0 + "/" } ?? "") + part) }
        // From the end: the way first.
        waiting = way.reversed() + waiting
        while let folder = waiting.popLast() {
            guard listing.folders[folder] == nil else { continue }
            guard entries < mostEntries && listing.folders.count < mostFolders || folder.isEmpty || way.contains(folder)
            else {
                listing.isComplete = false
                continue
            }
            let found = try await appliance.artifacts.list(folder.isEmpty ? root : "\(root)/\(folder)").map { entry in
                var relative = entry
                relative.path = String(entry.path.dropFirst(root.count + 1))
                return relative
            }
            listing.folders[folder] = found
            entries += found.count
            waiting.insert(contentsOf: found.filter(\.isDirectory).map(\.path), at: 0)
        }
        return listing
    }

    // MARK: Contents

    /// A file, always as a download: what was logged may be HTML, and must not run as a page of this server. `?view=image`
    /// names the type of images, so that a page can show them; opened by themselves, they are a download too.
    private static func contents(_ root: Root, _ call: Call, _ appliance: Appliance) async throws -> Response {
        guard let folder = root.folder else {
            throw NestboxError(
                .notFound, "the files are kept at `\(root.uri.prefix(300))`, which this server does not read",
                hint: "read them from there")
        }
        let path = try ArtifactPath.normalize("\(folder)/\(try ArtifactPath.normalize(try call.rest))")
        let (entry, body) = try await appliance.artifacts.open(path, range: nil)
        let name = entry.path.split(separator: "/").last.map(String.init) ?? "artifact"
        let image = call.query("view") == "image" ? FilePreview.imageType(name) : nil
        var response = Response.stream(body, type: image ?? "application/octet-stream")
        response.headers[.contentDisposition] = "attachment; filename*=UTF-8''\(Format.encoded(name))"
        // The styles are those inside an SVG.
        response.headers[.contentSecurityPolicy] =
            "default-src 'none'; \(image == nil ? "" : "style-src 'unsafe-inline'; ")sandbox"
        if let digest = entry.digest { response.headers[.eTag] = "\"\(digest)\"" }
        return response
    }
}
