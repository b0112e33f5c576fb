import Contracts
import Core
import Foundation
import TestSupport
import Testing

@testable import MLflowFiles

@Suite struct MLflowFolderTests {
    private let directory: TemporaryDirectory
    private var root: String { directory.file("mlruns") }

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ path: String, _ text: String) throws {
        let path = root + "/" + path
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func experiment(_ path: String = "1", location: String? = nil) throws {
        let id = (path as NSString).lastPathComponent
        try write(
            path + "/meta.yaml",
            "artifact_location: \(location ?? root + "/" + id)\nexperiment_id: '\(id)'\nlifecycle_stage: active\nname: e\(id)\n"
        )
    }

    private func run(_ id: String, _ more: String = "", location: String? = nil) throws {
        try write(
            "1/\(id)/meta.yaml",
            """
            artifact_uri: \(location ?? "\(root)/1/\(id)/artifacts")
            experiment_id: '1'
            run_id: \(id)
            run_name: n
            start_time: 1
            status: 3
            \(more)
            """)
    }

    private func opened() async throws -> any MLflowSource { try await MLflowFiles.open(root, artifacts: nil) }

    private func message<T>(_ found: Result<T, NestboxError>) -> String {
        if case .failure(let error) = found { error.message } else { "" }
    }

    @Test func oneBrokenRunStopsNoOther() async throws {
        try experiment()
        try experiment(".trash/2")
        try write("3/meta.yaml", "experiment_id: '3'\nname: [")
        for id in ["r1", "r9"] {
            try run(id)
            try write("1/\(id)/params/a/b", "x\ny")
            try write("1/\(id)/metrics/loss", "1 0.5 0\n2 0.25 1\n")
        }
        try write("1/r2/meta.yaml", "")
        try write("1/r3/meta.yaml", "experiment_id: '1'\nrun_id: other")
        try write("1/r4/meta.yaml", "experiment_id: '1'\nrun_id: r4\nstatus: 9")
        try write("1/r5/params/p", "v")
        try write("1/r6/meta.yaml", "a: b\n\tc: d\n")
        // A folder of files that belongs to no run of this store.
        try write("1/files/model.bin", "x")
        let source = try await opened()
        let experiments = try await source.experiments()
        #expect(experiments.map { (try? $0.get())?.id } == ["1", nil, "2"])
        #expect(message(experiments[1]).contains("3/meta.yaml"))
        #expect(try experiments[2].get().lifecycleStage == .deleted)
        let page = try await source.runs(of: experiments[0].get(), page: nil)
        #expect(page.items.map { (try? $0.get())?.id } == ["r1", nil, nil, nil, nil, nil, "r9"])
        #expect(message(page.items[1]).contains("r2/meta.yaml` is empty"))
        #expect(message(page.items[2]).contains("line 2: `run_id`: expected the folder's name"))
        #expect(message(page.items[3]).contains("line 3: `status`"))
        #expect(message(page.items[4]).contains("r5/meta.yaml` cannot be opened"))
        #expect(message(page.items[5]).contains("r6/meta.yaml` is not well-formed YAML"))
        let run = try page.items[0].get()
        #expect(run.params == ["a/b": "x\ny"] && run.status == .finished)
        #expect(try await source.history(of: run, key: "loss").points.map(\.value) == [0.5, 0.25])
    }

    @Test func whatIsNoStoreIsRefused() async throws {
        await #expect(throws: NestboxError.self) { try await opened() }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let empty = await #expect(throws: NestboxError.self) { try await opened() }
        #expect(empty?.message.contains("is no mlruns folder") == true)
        // Files of a server that keeps the rest in a database.
        try write("1/r1/artifacts/model.bin", "x")
        try Data("x".utf8).write(to: URL(fileURLWithPath: directory.file("mlflow.db")))
        let files = await #expect(throws: NestboxError.self) { try await opened() }
        #expect(files?.hint == "give the database: \(directory.file("mlflow.db"))")
        await #expect(throws: NestboxError.self) { try await MLflowFiles.open("", artifacts: nil) }
        await #expect(throws: NestboxError.self) { try await MLflowFiles.open(root, artifacts: "/nowhere") }
    }

    @Test func theFolderAboveIsTakenAndAMovedOneFindsItsFiles() async throws {
        try experiment(location: "/home/ada/mlruns/1")
        try run("r1", location: "/home/ada/mlruns/1/r1/artifacts")
        try run("r2", location: "file:///home/ada/mlruns/1/r2/artifacts")
        try write("1/r1/artifacts/deep/a b.txt", "abc")
        let source = try await MLflowFiles.open(directory.path, artifacts: nil)
        let page = try await source.runs(of: try #require(try await source.experiments().first).get(), page: nil)
        let runs = try page.items.map { try $0.get() }
        let files = try await source.files(at: runs[0].artifactURI, of: "r1").map { try $0.get() }
        #expect(files.map(\.path) == ["deep/a b.txt"] && files.map(\.size) == [3])
        #expect(try await source.files(at: runs[1].artifactURI, of: "r2").isEmpty)
        try Data().write(to: URL(fileURLWithPath: directory.file("mlflow.db")))
        await #expect(throws: NestboxError.self) { try await MLflowFiles.open(directory.path, artifacts: nil) }
        let lost = await #expect(throws: NestboxError.self) {
            try await source.files(at: "/home/ada/other/7/r3/artifacts", of: "r3")
        }
        #expect(lost?.code == .notFound && lost?.message.contains("`/home/ada/other`") == true)
    }

    @Test func filesOfAServerAreSoughtBesideOrWhereOneSays() async throws {
        try experiment()
        let source = try await opened()
        let location = "mlflow-artifacts:/5/r1/artifacts"
        let beside = directory.file("mlartifacts/5/r1/artifacts")
        try FileManager.default.createDirectory(atPath: beside, withIntermediateDirectories: true)
        try Data("x".utf8).write(to: URL(fileURLWithPath: beside + "/a"))
        #expect(try await source.files(at: location, of: "r1").count == 1)
        #expect(try await source.files(at: "mlflow-artifacts://host:5000/5/r1/artifacts", of: "r1").count == 1)
        #expect(try await source.files(at: "mlflow-artifacts:/5/r2/artifacts", of: "r2").isEmpty)
        let elsewhere = try await MLflowFiles.open(root, artifacts: directory.file("mlartifacts"))
        #expect(try await elsewhere.files(at: location, of: "r1").count == 1)
        await #expect(throws: NestboxError.self) {
            try await source.files(at: "mlflow-artifacts:/../r1/artifacts", of: "r1")
        }
    }

    /// A store may come from somebody else.
    @Test func nothingOutsideIsRead() async throws {
        try experiment()
        try run("r1")
        try run("r2")
        let secret = directory.file("secret")
        try Data("secret".utf8).write(to: URL(fileURLWithPath: secret))
        let files = FileManager.default
        try write("1/r1/artifacts/inside.txt", "x")
        for (link, target) in [
            ("out.txt", secret), ("folder", directory.path), ("same.txt", "inside.txt"), ("loop", "loop"),
            ("up.txt", "../meta.yaml"),
        ] {
            try files.createSymbolicLink(atPath: root + "/1/r1/artifacts/" + link, withDestinationPath: target)
        }
        try files.createDirectory(atPath: root + "/1/r2/params", withIntermediateDirectories: true)
        try files.createSymbolicLink(atPath: root + "/1/r2/params/p", withDestinationPath: secret)
        let source = try await opened()
        let found = try await source.files(at: root + "/1/r1/artifacts", of: "r1")
        #expect(found.compactMap { (try? $0.get())?.path }.sorted() == ["inside.txt", "same.txt"])
        #expect(found.count == 6)
        let page = try await source.runs(of: try #require(try await source.experiments().first).get(), page: nil)
        #expect(message(page.items[1]).contains("is a link that leads out of"))
        for location in [
            "/etc", "/etc/r1", directory.path, root + "/1/../1/r1/artifacts", "file://other/1/r1/artifacts",
        ] {
            await #expect(throws: NestboxError.self) { try await source.files(at: location, of: "r1") }
        }
        try files.createDirectory(atPath: directory.file("x/r1"), withIntermediateDirectories: true)
        try files.createSymbolicLink(atPath: directory.file("x/r1/artifacts"), withDestinationPath: "/etc")
        await #expect(throws: NestboxError.self) {
            try await source.files(at: directory.file("x/r1/artifacts"), of: "r1")
        }
    }
}
