import Contracts
import Core
import Foundation

// What MLflow left on a disk, read without MLflow and without changing any of it:
//
//   MLflowDatabase    the SQLite file of a server, or of a client with sqlite:///
//     ForeignDatabase, Record   somebody else's database, and rows of which nothing is certain
//   MLflowFolder      an mlruns folder, which MLflow calls its file store
//     StoreFolder, MetaFile, MetricLine
//   ArtifactFolders   files of runs and models; SpanRecord, spans in either
//
// It refuses other databases than SQLite's, follows no link out of a store or out of the folder of a run, and no location that MLflow
// would not make.

package enum MLflowFiles {
    /// The store at a path, or at a URI as MLflow writes one (`sqlite:///mlflow.db`, `file:///…/mlruns`).
    /// Throws, saying what was expected, when there is none.
    /// - Parameter artifacts: the folder that `mlflow-artifacts:` stands for, when it is not beside the store.
    package static func open(_ source: String, artifacts: String?) async throws -> any MLflowSource {
        let given = try artifacts.map(folder)
        let path = try path(of: source)
        var status = stat()
        guard !path.isEmpty, stat(path, &status) == 0 else {
            throw unreadable(
                "there is no `\(path)`: \(path.isEmpty ? "the path is empty" : StoreFolder.reason)",
                hint: "give MLflow's database file, its mlruns folder, or the address of a server")
        }
        let real = StoreFolder.resolved(path) ?? path
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return try await folder(real, given)
        case S_IFREG:
            let base = (real as NSString).deletingLastPathComponent
            return try await MLflowDatabase(real, artifacts: ArtifactFolders(base: base, given: given))
        default: throw unreadable("`\(path)` is neither a file nor a folder")
        }
    }

    private static func folder(_ path: String) throws -> String {
        var status = stat()
        guard let real = StoreFolder.resolved(path), stat(real, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw unreadable(
                "there is no folder `\(path)`", hint: "--artifacts names the server's --artifacts-destination")
        }
        return real
    }

    private static func path(of source: String) throws -> String {
        switch MLflowLocation.scheme(source) {
        case nil: return source
        case "sqlite":
            let prefix = "sqlite:///"
            guard source.hasPrefix(prefix) else {
                throw unreadable(
                    "`\(source)` names no file", hint: "expected sqlite:///relative.db or sqlite:////absolute.db")
            }
            return String(source.dropFirst(prefix.count).prefix { $0 != "?" })
        case "file":
            guard let url = URL(string: source), url.isFileURL, !url.path.isEmpty else {
                throw unreadable("`\(source)` names no folder", hint: "expected file:///path/to/mlruns")
            }
            return url.path
        case let scheme?:
            throw unreadable(
                "`\(scheme):` names no file: of databases only SQLite's is read by itself",
                hint: "start `mlflow server --backend-store-uri …` there and import from its address")
        }
    }

    private static func folder(_ path: String, _ artifacts: String?) async throws -> any MLflowSource {
        if MLflowFolder.isOne(path) { return try MLflowFolder(path, artifacts: artifacts) }
        let inner = path + "/mlruns", database = path + "/mlflow.db"
        if MLflowFolder.isOne(inner) {
            guard !FileManager.default.fileExists(atPath: database) else {
                throw unreadable(
                    "`\(path)` holds both a database and an mlruns folder", hint: "give \(database) or \(inner)")
            }
            return try MLflowFolder(inner, artifacts: artifacts)
        }
        let beside = (path as NSString).deletingLastPathComponent + "/mlflow.db"
        let hint = [database, beside].first { FileManager.default.fileExists(atPath: $0) }.map {
            "give the database: \($0)"
        }
        throw unreadable(
            "`\(path)` is no mlruns folder: no folder in it has an experiment's meta.yaml",
            hint: hint ?? "give MLflow's database file, its mlruns folder, or the address of a server")
    }
}
