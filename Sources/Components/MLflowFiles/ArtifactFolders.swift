import Contracts
import Core
import Foundation

/// Finds the files of runs and logged models on this disk.
///
/// A location of MLflow ends with `<id>/artifacts`, which is asked of every one: what is imported may come from somebody
/// else, and must not name the reader's own folders.
struct ArtifactFolders: Sendable {
    /// The folder that the database or `mlruns` lies in: what relative paths start from.
    let base: String
    /// Where `mlflow-artifacts:` lies, and below which files are sought that are no longer where they were.
    let given: String?

    private var roots: [String] { given.map { [$0] } ?? [base + "/mlartifacts", base + "/mlruns"] }

    /// The folder of a location; nil when nothing was ever put there.
    /// - Parameter own: the folder inside an `mlruns` in which the store itself puts it.
    func folder(_ location: String, of id: String, own: String? = nil) throws -> String? {
        if MLflowLocation.scheme(location) == "mlflow-artifacts" { return try proxied(location, id) }
        let path = try local(location)
        let parts = path.split(separator: "/").map(String.init)
        try check(parts, location, id)
        if let found = try existing(path, id) { return found }
        // `<experiment>/<run>/artifacts`, `<experiment>/models/<id>/artifacts`
        let isDeep = parts.count > 3 && ["models", "traces"].contains(parts[parts.count - 3])
        let tail = parts.suffix(isDeep ? 4 : 3)
        if let own {
            // The store makes the folder also when files go elsewhere; under a name of its own it has all there is.
            let isSame = parts.dropLast(tail.count).last == Self.store(of: own, below: tail.count)
            let found = try existing(own, id)
            if let found, try isSame || !StoreFolder.names(at: found).isEmpty { return found }
            if isSame { return nil }
        }
        for root in roots {
            if let found = try existing(root + "/" + tail.joined(separator: "/"), id) { return found }
        }
        // Folders appear with the first file.
        let root = "/" + parts.dropLast(tail.count).joined(separator: "/")
        let above = "/" + parts.dropLast(tail.count + 1).joined(separator: "/")
        if isFolder(root) || (above != "/" && isFolder(above)) { return nil }
        throw NestboxError(
            .notFound, "there is no folder `\(root)` here, in which files of `\(tail.first ?? "")` and others lay",
            hint: "copy it and name it with --artifacts DIR")
    }

    /// The name of the `mlruns` folder that `own` is in.
    private static func store(of own: String, below depth: Int) -> String? {
        own.split(separator: "/").dropLast(depth).last { $0 != MLflowFolder.trash }.map(String.init)
    }

    private func proxied(_ location: String, _ id: String) throws -> String? {
        var rest = location.dropFirst("mlflow-artifacts:".count)
        // `mlflow-artifacts://host:port/…` names a server.
        if rest.hasPrefix("//") { rest = rest.dropFirst(2).drop { $0 != "/" } }
        while rest.hasPrefix("/") { rest = rest.dropFirst() }
        let path = try ArtifactPath.normalize(String(rest))
        try check(path.split(separator: "/").map(String.init), location, id)
        let folders = roots.filter(isFolder)
        guard !folders.isEmpty else {
            let sought = given.map { "no folder `\($0)`" } ?? "neither mlartifacts nor mlruns in `\(base)`"
            throw NestboxError(
                .notFound, "`mlflow-artifacts:` is a folder of the MLflow server, and there is \(sought)",
                hint: "name the server's --artifacts-destination with --artifacts DIR")
        }
        for root in folders {
            if let found = try existing(root + "/" + path, id) { return found }
        }
        return nil
    }

    private func check(_ parts: [String], _ location: String, _ id: String) throws {
        guard !parts.contains(".."), parts.suffix(2) == [id, "artifacts"] else {
            throw unreadable(
                "its artifact location `\(location.prefix(300))` does not end with `\(id)/artifacts`",
                hint: "MLflow makes no others; what lies there is not read")
        }
    }

    /// The path of a `file:` URI or a path.
    private func local(_ location: String) throws -> String {
        var path = Substring(location)
        if MLflowLocation.scheme(location) == "file" {
            path = path.dropFirst("file:".count)
            if path.hasPrefix("//") {
                let host = path.dropFirst(2).prefix { $0 != "/" }
                guard host.isEmpty || host == "localhost" else {
                    throw unreadable("its artifact location `\(location.prefix(300))` is on another machine")
                }
                path = path.dropFirst(2 + host.count)
            }
            guard let decoded = path.removingPercentEncoding else {
                throw unreadable("its artifact location `\(location.prefix(300))` is not a URI")
            }
            path = Substring(decoded)
        }
        while path.hasPrefix("./") { path = path.dropFirst(2) }
        return path.hasPrefix("/") ? String(path) : base + "/" + path
    }

    private func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The folder without links; nil when it is not there. The two folders that carry a run's name are no links themselves.
    private func existing(_ path: String, _ id: String) throws -> String? {
        var status = stat()
        guard !path.utf8.contains(0), lstat(path, &status) == 0 else {
            guard [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) else {
                throw unreadable("`\(path.prefix(300))` cannot be opened: \(StoreFolder.reason)")
            }
            return nil
        }
        let above = (path as NSString).deletingLastPathComponent
        var parent = stat()
        guard status.st_mode & S_IFMT == S_IFDIR, lstat(above, &parent) == 0, parent.st_mode & S_IFMT == S_IFDIR else {
            throw unreadable("`\(path)` is a link or no folder; what lies there is not read")
        }
        return StoreFolder.resolved(path)
    }

    // MARK: Files

    /// All files below a folder. One behind a link is read when the link stays inside.
    func files(in folder: String) -> [Result<MLflowFile, NestboxError>] {
        var files: [Result<MLflowFile, NestboxError>] = [], folders = [""]
        while let inner = folders.popLast() {
            let names: [String]
            do {
                names = try StoreFolder.names(at: inner.isEmpty ? folder : folder + "/" + inner)
            } catch {
                files.append(.failure(error))
                continue
            }
            for name in names {
                let path = inner.isEmpty ? name : inner + "/" + name
                switch kind(folder + "/" + path, in: folder) {
                case .success(.folder): folders.append(path)
                case .success(.file(let size, let place)):
                    files.append(.success(MLflowFile(path: path, size: size, place: place)))
                case .failure(let error): files.append(.failure(error))
                }
            }
        }
        return files
    }

    private enum Kind {
        case folder
        case file(Int64, place: String)
    }

    private func kind(_ path: String, in folder: String) -> Result<Kind, NestboxError> {
        var status = stat(), place = path
        guard lstat(path, &status) == 0 else {
            return .failure(unreadable("`\(path)` cannot be opened: \(StoreFolder.reason)"))
        }
        if status.st_mode & S_IFMT == S_IFLNK {
            guard let target = StoreFolder.resolved(path), target.hasPrefix(folder + "/"), stat(target, &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else {
                return .failure(
                    unreadable("`\(path)` is a link to no file of the same run or model; what is there is not read"))
            }
            place = target
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .success(.folder)
        case S_IFREG: return .success(.file(Int64(status.st_size), place: place))
        default: return .failure(unreadable("`\(path)` is neither a file nor a folder"))
        }
    }

    func open(_ file: MLflowFile) throws -> ByteStream {
        do {
            return try ByteStream(file: file.place)
        } catch let error as NestboxError {
            throw unreadable(error.message, hint: "its rights must allow it to this user")
        }
    }
}
