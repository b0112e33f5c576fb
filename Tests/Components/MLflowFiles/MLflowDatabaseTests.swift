import Contracts
import Core
import Foundation
import GRDB
import TestSupport
import Testing

@testable import MLflowFiles

@Suite struct MLflowDatabaseTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("mlflow.db") }

    init() throws { directory = try TemporaryDirectory() }

    private func opened() async throws -> any MLflowSource { try await MLflowFiles.open(path, artifacts: nil) }

    /// The tables that MLflow 2.0 has, with an experiment and a run.
    private static let tables = """
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
        INSERT INTO alembic_version VALUES ('97727af70f4d');
        CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name, artifact_location, lifecycle_stage, creation_time,
            last_update_time);
        CREATE TABLE experiment_tags (key, value, experiment_id);
        CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name, user_id, status, start_time, end_time, lifecycle_stage,
            artifact_uri, experiment_id INTEGER);
        CREATE TABLE params (key, value, run_uuid);
        CREATE TABLE tags (key, value, run_uuid);
        CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
        CREATE TABLE registered_models (name, creation_time, last_updated_time, description);
        CREATE TABLE registered_model_tags (key, value, name);
        CREATE TABLE model_versions (name, version INTEGER, creation_time, last_updated_time, description, user_id,
            current_stage, source, run_id);
        CREATE TABLE model_version_tags (key, value, name, version INTEGER);
        INSERT INTO experiments VALUES (1, 'old', './mlruns/1', 'active', 5, 6);
        INSERT INTO experiment_tags VALUES ('team', 'blue', 1);
        INSERT INTO runs VALUES ('aa', NULL, 'ada', 'FINISHED', 10, 20, 'active', './mlruns/1/aa/artifacts', 1),
            ('bb', 'b', NULL, 'nonsense', 10, NULL, 'active', '', 1), ('cc', 'c', NULL, 'RUNNING', 'soon', NULL, 'deleted', '', 1),
            ('dd', 'd', NULL, 'RUNNING', 11, NULL, 'deleted', '', 1);
        INSERT INTO params VALUES ('depth', '6', 'aa');
        INSERT INTO tags VALUES ('mlflow.runName', 'first', 'aa');
        INSERT INTO metrics VALUES ('loss', 0.5, 1, 'aa', 0, 0), ('loss', 0, 2, 'aa', 1, 1), ('loss', 'x', 3, 'aa', 2, 0),
            ('loss', 0.25, 4, 'aa', 3, 0);
        INSERT INTO registered_models VALUES ('net', 1, 2, NULL);
        INSERT INTO registered_model_tags VALUES ('mlflow.prompt.is_prompt', 'true', 'net');
        INSERT INTO model_versions VALUES ('net', 1, 1, 2, NULL, NULL, 'None', 'runs:/aa/model', 'aa'),
            ('net', 2, 1, 2, NULL, NULL, 'Deleted_Internal', 'x', ''), ('net', 3, 1, 2, 'd', 'ada', 'Staging', 's', '');
        """

    private func make(_ sql: String = MLflowDatabaseTests.tables) throws {
        try DatabaseQueue(path: path).write { try $0.execute(sql: sql) }
    }

    @Test func theSchemaOfMLflow2IsRead() async throws {
        try make()
        let source = try await opened()
        let experiment = try #require(try await source.experiments().first).get()
        #expect(
            experiment.name == "old" && experiment.tags == ["team": "blue"] && experiment.createdAt.milliseconds == 5)
        let page = try await source.runs(of: experiment, page: nil)
        #expect(page.next == nil && page.items.count == 4)
        let run = try page.items[0].get()
        #expect(run.name == "first" && run.user == "ada" && run.params == ["depth": "6"] && run.status == .finished)
        // One row that cannot be read stops no other.
        let complaints = page.items[1...2].map { found in
            if case .failure(let error) = found { error.message } else { "" }
        }
        #expect(
            complaints == [
                "run `bb`: its column `status` holds no status",
                "run `cc`: its column `start_time` holds no whole number",
            ])
        #expect(try page.items[3].get().lifecycleStage == .deleted)
        #expect(try await source.metricKeys(of: run) == ["loss"])
        let (points, unreadable) = try await source.history(of: run, key: "loss")
        #expect(points.map(\.step) == [0, 1, 3] && points[1].value.isNaN && unreadable.count == 1)
        #expect(try await source.registeredModels(.model).isEmpty)
        let model = try #require(try await source.registeredModels(.prompt).first).get()
        let versions = try await source.versions(of: model, .prompt).map { try $0.get() }
        #expect(versions.map(\.version) == [1, 3] && versions[1].stage == .staging && versions[1].createdBy == "ada")
        #expect(try await source.loggedModels(of: experiment).isEmpty)
        #expect(try await source.traces(of: experiment, page: nil).items.isEmpty)
        // Relative to the database.
        #expect(try await source.files(at: run.artifactURI, of: "aa").isEmpty)
        let folder = directory.file("mlruns/1/aa/artifacts")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("hi".utf8).write(to: URL(fileURLWithPath: folder + "/a.txt"))
        let file = try #require(try await source.files(at: run.artifactURI, of: "aa").first).get()
        #expect(file.path == "a.txt" && file.size == 2)
        #expect(try await source.open(file).collect(upTo: 10) == Array("hi".utf8))
    }

    @Test func otherWorkspacesAreNamed() async throws {
        try make()
        try make(
            "ALTER TABLE experiments ADD COLUMN workspace DEFAULT 'default'; INSERT INTO experiments VALUES (2, 'x', '', 'active', 1, 1, 'team')"
        )
        let source = try await opened()
        #expect(try await source.experiments().map { try $0.get().id } == ["1"])
        #expect(try await source.leftOut().count == 1)
    }

    @Test func whatIsNoDatabaseOfMLflowIsRefused() async throws {
        func complaint(_ bytes: Data?) async throws -> String {
            try? FileManager.default.removeItem(atPath: path)
            if let bytes { try bytes.write(to: URL(fileURLWithPath: path)) }
            do {
                let source = try await opened()
                for found in try await source.experiments() { _ = try await source.runs(of: found.get(), page: nil) }
                return ""
            } catch let error as NestboxError {
                #expect(error.code == .invalidArgument && error.message.contains(path), "\(error)")
                return error.message
            }
        }
        #expect(try await complaint(nil).contains("there is no"))
        #expect(try await complaint(Data()).contains("is empty"))
        #expect(
            try await complaint(Data("not a database, but long enough to hold a header".utf8)).contains(
                "is no SQLite database"))
        try FileManager.default.removeItem(atPath: path)
        try make("CREATE TABLE other (a)")
        let other = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try await complaint(other).contains("is none of MLflow's"))
        try FileManager.default.removeItem(atPath: path)
        try make(Self.tables.replacing("is_nan)", with: "nan)"))
        let old = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try await complaint(old).contains("`metrics` has no `is_nan`"))
        try FileManager.default.removeItem(atPath: path)
        try make()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try await complaint(whole.prefix(50)).contains("is no SQLite database"))
        #expect(try await complaint(whole.prefix(4096)).contains("damaged or cut off"))
        #expect(try await complaint(whole.prefix(whole.count - 5000)).contains("damaged or cut off"))
        #expect(
            try await complaint(Data(whole.prefix(100)) + Data(repeating: 0xA5, count: whole.count - 100)).contains(
                "damaged or cut off"))
    }

    // MARK: While others have it open

    private func contents() throws -> [String: Data] {
        Dictionary(
            uniqueKeysWithValues: try directory.files.filter { !$0.hasSuffix("-shm") }.map {
                ($0, try Data(contentsOf: URL(fileURLWithPath: directory.file($0))))
            })
    }

    @Test func aDatabaseWithALogIsReadWhileItIsOpen() async throws {
        let pool = try DatabasePool(path: path)
        try await pool.write { try $0.execute(sql: Self.tables) }
        let before = try contents()
        #expect(before.keys.contains("mlflow.db-wal") && before["mlflow.db-wal"]!.count > 0)
        let files = directory.files
        do {
            let source = try await opened()
            #expect(try await source.experiments().count == 1)
            // What is written meanwhile is seen, and nobody waits.
            try await pool.write {
                try $0.execute(sql: "INSERT INTO experiments VALUES (2, 'new', '', 'active', 1, 1)")
            }
            #expect(try await source.experiments().count == 2)
        }
        #expect(directory.files == files)
        #expect(try contents()["mlflow.db"] == before["mlflow.db"])
        try pool.close()
    }

    @Test func nothingIsMadeBesideIt() async throws {
        try make()
        try await DatabaseQueue(path: path).writeWithoutTransaction {
            _ = try String.fetchOne($0, sql: "PRAGMA journal_mode = WAL")
        }
        let before = try contents()
        #expect(before.keys.sorted() == ["mlflow.db"])
        do {
            let source = try await opened()
            #expect(try await source.experiments().count == 1)
            #expect(try contents() == before)
        }
        #expect(try contents() == before)
    }

    @Test func aHalfFinishedTransactionIsNotSeen() async throws {
        try make()
        let queue = try DatabaseQueue(path: path)
        let copy = try TemporaryDirectory()
        try await queue.writeWithoutTransaction { [path] db in
            try db.execute(sql: "PRAGMA cache_size = 1; BEGIN; DELETE FROM experiments")
            for i in 0..<500 {
                try db.execute(
                    sql: "INSERT INTO experiments VALUES (?, 'half', zeroblob(4000), 'active', 1, 1)",
                    arguments: [i + 10])
            }
            for suffix in ["", "-journal"] {
                try FileManager.default.copyItem(atPath: path + suffix, toPath: copy.file("mlflow.db") + suffix)
            }
            try db.execute(sql: "ROLLBACK")
        }
        let files = copy.files
        let source = try await MLflowFiles.open(copy.file("mlflow.db"), artifacts: nil)
        #expect(try await source.experiments().map { try $0.get().name } == ["old"])
        #expect(copy.files == files && files.count == 2)
    }

    @Test(arguments: ["postgresql://u:p@h/db", "sqlite://", "ftp://x/y"])
    func otherDatabasesAreRefused(source: String) async throws {
        await #expect(throws: NestboxError.self) { try await MLflowFiles.open(source, artifacts: nil) }
    }

    @Test func URIsAreTaken() async throws {
        try make()
        #expect(try await MLflowFiles.open("sqlite:///" + path, artifacts: nil).experiments().count == 1)
    }
}
