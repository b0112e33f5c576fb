import Contracts
import Core
import Crypto

extension MLflowExport {
    /// Bytes up to which a file of the right size is read from both sides before it counts as the same: MLflow says no
    /// checksums.
    private static let compared: Int64 = 1 << 20
    /// Files in a row that fail for no reason that is told, before the export ends: MLflow does not say that its disk is full.
    private static let mostRefused = 5

    /// The files below an artifact URI, streamed. One is the same when its path and size are, and for small ones the contents.
    func bringFiles(from: String, to: String, _ what: String, _ state: inout State) async throws {
        guard let root = try? ArtifactPath.path(ofURI: from) else {
            state.report.notes.append("\(what): its files lie at `\(from)`, outside of this server, and stay there")
            return
        }
        guard let artifacts = target.artifacts, let goal = try? ArtifactPath.path(ofURI: to) else {
            let files = try await source.artifacts.list(root)
            guard !files.isEmpty else { return }
            state.report.add("artifact files")
            state.report.failures.append(
                "\(what): the MLflow server takes no files at `\(to)` (start it with --serve-artifacts, and --artifacts-destination for the place)"
            )
            return
        }
        var folders = [root]
        while let folder = folders.popLast() {
            let entries = try await source.artifacts.list(folder)
            folders += entries.filter(\.isDirectory).map(\.path)
            let files = entries.filter { !$0.isDirectory }
            guard !files.isEmpty else { continue }
            try await bring(files, to: goal + folder.dropFirst(root.count), artifacts, what, &state)
        }
    }

    /// The files of one folder, which is listed before and after.
    private func bring(
        _ files: [ArtifactEntry], to folder: String, _ artifacts: RemoteArtifacts, _ what: String,
        _ state: inout State
    ) async throws {
        func path(_ file: ArtifactEntry) -> String { folder + "/" + (file.path.split(separator: "/").last ?? "") }
        func sizes() async throws -> [String: Int64] {
            Dictionary(
                try await artifacts.list(folder).compactMap { entry in entry.size.map { (entry.path, $0) } },
                uniquingKeysWith: { $1 })
        }
        let before = try await sizes()
        var sent: [ArtifactEntry] = []
        for file in files {
            if before[path(file)] == file.size, try await isSame(file, path(file), artifacts) {
                state.report.add("artifact files", skipped: 1)
                continue
            }
            try await attempt("artifact files", "\(what): file `\(file.path)`", &state) { state in
                try await upload(file, to: path(file), artifacts, &state)
                sent.append(file)
            }
        }
        guard !sent.isEmpty else { return }
        let after = try await sizes()
        for file in sent {
            try await attempt("artifact files", "\(what): file `\(file.path)`", &state) { state in
                guard after[path(file)] == file.size else {
                    throw NestboxError(
                        .conflict, "\(after[path(file)] ?? 0) of \(file.size ?? 0) bytes came", hint: "export again")
                }
                state.report.add("artifact files", imported: 1)
            }
        }
    }

    private func upload(
        _ file: ArtifactEntry, to path: String, _ artifacts: RemoteArtifacts, _ state: inout State
    ) async throws {
        do {
            try await artifacts.upload(path, try await source.artifacts.open(file.path, range: nil).body)
            state.refusedFiles = 0
        } catch var error as NestboxError where error.code == .internalError {
            state.refusedFiles += 1
            guard state.refusedFiles < Self.mostRefused else {
                throw NestboxError(
                    .storageFull, "the last \(Self.mostRefused) files could not be stored: \(error.message)",
                    hint: "is its disk full? Its log says why. What is there already stays; export again",
                    cause: error.cause)
            }
            error.hint = "is its disk full? Its log says why"
            throw error
        }
    }

    private func isSame(_ file: ArtifactEntry, _ path: String, _ artifacts: RemoteArtifacts) async throws -> Bool {
        guard let digest = file.digest, let size = file.size, size > 0, size <= Self.compared else { return true }
        let there = try await artifacts.read(path)
        let hash = SHA256.hash(data: there).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return hash == digest
    }
}
