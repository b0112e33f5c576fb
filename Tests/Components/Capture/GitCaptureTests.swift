import Contracts
import Core
import Foundation
import TestSupport
import Testing

@testable import Capture

/// Real checkouts in temporary directories.
@Suite struct GitCaptureTests {
    private let directory: TemporaryDirectory
    private var root: String { directory.path }

    init() async throws {
        directory = try TemporaryDirectory()
        try await git("init", "-q", "-b", "trunk")
        try await git("config", "user.email", "ada@example.org")
        try await git("config", "user.name", "Ada")
        try write("train.py", "print(1)\n")
        try write("old.py", "gone\n")
        try write("sub/inner.txt", "inner\n")
        try await git("add", ".")
        try await git("commit", "-q", "-m", "first")
    }

    private func git(_ arguments: String...) async throws {
        let answer = try await Tool.run("git", arguments, in: root)
        try #require(answer.status == 0, "\(answer.complaint)")
    }

    private func write(_ name: String, _ text: String) throws {
        let path = root + "/" + name
        try DurableFile.makeDirectory((path as NSString).deletingLastPathComponent)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    @Test func aCleanCheckoutHasACommitAndNoPatch() async throws {
        try await git("remote", "add", "origin", "https://ada:hunter2@example.org/ada/flights.git")
        let found = try #require(try await GitCapture(directory: root + "/sub").capture())
        #expect(found.code.commit.count == 40 && found.code.branch == "trunk")
        #expect(found.code.remote == "https://example.org/ada/flights.git")
        #expect(found.code.directory == "sub/")
        #expect(!found.code.isDirty && found.diff == nil && found.code.leftOut.isEmpty)
    }

    /// The patch rebuilds the directory on another clone, and capturing it changes nothing here.
    @Test func thePatchRebuildsEverythingThatDiffers() async throws {
        try write("train.py", "print(2)\n")
        try FileManager.default.removeItem(atPath: root + "/old.py")
        try write("new dir/né w.py", "new\n")
        try write("staged.py", "staged\n")
        try await git("add", "staged.py")
        try Data([0, 1, 2, 255, 0]).write(to: URL(fileURLWithPath: root + "/blob.bin"))
        try write(".gitignore", "ignored.txt\n")
        try write("ignored.txt", "no\n")
        try await git("mv", "sub/inner.txt", "sub/moved.txt")
        let before = try await Tool.run("git", ["status", "--porcelain=v1"], in: root).text
        let found = try #require(try await GitCapture(directory: root).capture())
        #expect(try await Tool.run("git", ["status", "--porcelain=v1"], in: root).text == before)
        #expect(try await Tool.run("git", ["count-objects"], in: root).text.isEmpty == false)
        let patch = try #require(found.diff)
        #expect(found.code.isDirty && found.code.isDiffWhole && found.code.leftOut.isEmpty)

        let other = try TemporaryDirectory()
        #expect(try await Tool.run("git", ["clone", "-q", root, other.file("clone")], in: other.path).status == 0)
        let applied = try await Tool.run(
            "git", ["apply", "--binary", "-"], in: other.file("clone"), input: Array(patch))
        try #require(applied.status == 0, "\(applied.complaint)")
        func same(_ name: String) throws -> Bool {
            FileManager.default.contents(atPath: root + "/" + name)
                == FileManager.default.contents(atPath: other.file("clone") + "/" + name)
        }
        for name in [
            "train.py", "old.py", "new dir/né w.py", "staged.py", "blob.bin", "sub/moved.txt", "sub/inner.txt",
        ] {
            #expect(try same(name), "\(name)")
        }
        #expect(!FileManager.default.fileExists(atPath: other.file("clone") + "/ignored.txt"))
        let files = PatchSummary.files(String(decoding: patch, as: UTF8.self))
        #expect(files["train.py"]?.hasPrefix("+1 −1 #") == true, "\(files)")
        #expect(files["old.py"]?.hasPrefix("+0 −1 #") == true, "\(files)")
    }

    @Test func secretsAndLargeNewFilesAreLeftOutAndTold() async throws {
        try write(".env", "PASSWORD=hunter2\n")
        try write("deploy/server.pem", "hunter2\n")
        try write("data.csv", String(repeating: "x", count: GitCapture.newFileLimit + 1))
        try write("train.py", "print(3)\n")
        let found = try #require(try await GitCapture(directory: root).capture())
        let patch = String(decoding: try #require(found.diff), as: UTF8.self)
        #expect(!patch.contains("hunter2") && !patch.contains("data.csv") && patch.contains("print(3)"))
        #expect(found.code.leftOut.count == 3)
        #expect(found.code.leftOut.contains { $0.hasPrefix("data.csv: a new file of ") }, "\(found.code.leftOut)")
    }

    @Test func aLongPatchIsCutOffAndSaysSo() async throws {
        try write("train.py", String(repeating: "print(4)\n", count: 200))
        var capture = GitCapture(directory: root)
        capture.diffLimit = 500
        let found = try #require(try await capture.capture())
        #expect(found.diff?.count == 500 && !found.code.isDiffWhole)
        #expect(found.notes.first?.contains("cut off after 500") == true, "\(found.notes)")
    }

    @Test func whatIsNoCheckoutIsANoteAndNoFailure() async throws {
        let outside = try TemporaryDirectory()
        #expect(try await GitCapture(directory: outside.path).capture() == nil)
        let captured = await EnvironmentCapture(command: ["true"], directory: outside.path, version: "1").capture()
        #expect(captured.environment.code == nil)
        #expect(captured.environment.notes.contains { $0.contains("not in a git checkout") })
        let empty = try TemporaryDirectory()
        #expect(try await Tool.run("git", ["init", "-q"], in: empty.path).status == 0)
        let unborn = await EnvironmentCapture(command: ["true"], directory: empty.path, version: "1").capture()
        #expect(unborn.environment.notes.contains { $0.contains("no commit yet") }, "\(unborn.environment.notes)")
    }

    @Test func theEnvironmentHasFilesVariablesAndMachine() async throws {
        try write("requirements-dev.txt", "--index-url https://ada:hunter2@example.org/simple\nnumpy\n")
        try write("uv.lock", "version = 1\n")
        let captured = await EnvironmentCapture(
            command: ["./train", "--db-password", "hunter2", "--max-tokens", "5"], directory: root, version: "9",
            variables: ["BATCH", "HF_TOKEN"],
            environment: ["PYTHONHASHSEED": "7", "BATCH": "32", "HF_TOKEN": "hunter2", "OTHER": "hunter2"]
        ).capture()
        let environment = captured.environment
        #expect(environment.command == ["./train", "--db-password", "<redacted>", "--max-tokens", "5"])
        #expect(environment.variables == ["PYTHONHASHSEED": "7", "BATCH": "32"])
        #expect(environment.seeds == ["PYTHONHASHSEED": "7"])
        #expect(environment.notes.contains { $0.contains("HF_TOKEN") })
        #expect(environment.code?.leftOut.contains { $0.hasPrefix("requirements-dev.txt: it holds") } == true)
        #expect(environment.files.map(\.path) == ["requirements-dev.txt", "uv.lock"])
        let machine = try #require(environment.machine)
        #expect(machine.cores > 0 && machine.memory > 0 && !machine.system.isEmpty)
        for (name, content) in captured.contents {
            #expect(!String(decoding: content, as: UTF8.self).contains("hunter2"), "\(name)")
        }
    }

    @Test(arguments: [
        ("HF_TOKEN", true), ("--db-password", true), ("apiKey", true), ("API_KEY", true), ("--auth", true),
        ("--max-tokens", false), ("--tokenizer", false), ("--eos-token", false), ("KEYBOARD", false),
        ("--secret", true), ("author", false), ("AWS_SECRET_ACCESS_KEY", true), ("--key", false),
    ])
    func namesOfSecrets(_ name: String, _ isSecret: Bool) { #expect(Secrets.isSecret(name) == isSecret, "\(name)") }

    @Test func aStoppedCommandIsCancelledAndHasNoExitCode() async throws {
        #expect(try await Tool.follow(["sh", "-c", "exit 3"], in: root, environment: [:]) == 3)
        let command = Task { [root] in
            try await Tool.follow(["sh", "-c", "echo > begun; exec sleep 60"], in: root, environment: [:])
        }
        while !FileManager.default.fileExists(atPath: root + "/begun") { try await Task.sleep(for: .milliseconds(10)) }
        command.cancel()
        await #expect(throws: CancellationError.self) { try await command.value }
    }
}
