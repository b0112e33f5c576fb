import Core
import Foundation
import TestSupport
import Testing

/// A real `mlflow server` from PyPI, with a database and files of its own. Killed with the value, and with this process.
final class MLflowServerProcess: @unchecked Sendable {
    // Unchecked: a test owns it and calls from one task at a time.
    private var process = Process()
    /// Open while this process lives: at its end the shell kills the server and all its workers.
    private var lifeline = Pipe()
    private let log: String
    private let command: [String]
    private let directory: String
    let url: String

    /// Kills its own process group, in which everything is that the server starts, when the server ends or the lifeline does.
    private static let shell = #"("$@" </dev/null; kill -9 0) & read -r _; kill -9 0"#

    /// Starts it and waits until it answers.
    /// - Parameter python: of an environment that has all of mlflow.
    init(python: String, directory: String) async throws {
        let port = try Self.freePort()
        url = "http://127.0.0.1:\(port)"
        log = directory + "/mlflow.log"
        self.directory = directory
        command = [
            python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1",
            "--backend-store-uri", "sqlite:///\(directory)/mlflow.db", "--artifacts-destination",
            directory + "/artifacts",
        ]
        try FileManager.default.createDirectory(atPath: directory + "/artifacts", withIntermediateDirectories: true)
        try await start()
    }

    deinit { stop() }

    /// After `stop()`, at the same address with the same data. Takes some ten seconds, a minute where others compile; throws
    /// with its log when it ends before it answers.
    func start() async throws {
        (process, lifeline) = (Process(), Pipe())
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let handle = FileHandle(forWritingAtPath: log)!
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", Self.shell, "sh"] + command
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        // The job runner is a second Python, which nobody here asks anything.
        process.environment = ProcessInfo.processInfo.environment.merging([
            "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        ]) { $1 }
        process.standardInput = lifeline
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        _ = try await eventually("the start of mlflow server", within: 300) { () -> Bool? in
            guard process.isRunning else { throw NestboxError(.internalError, "mlflow server ended: \(logTail)") }
            return (try? runCommand("/usr/bin/env", ["curl", "-sf", url + "/health"]))?.status == 0 ? true : nil
        }
    }

    private var logTail: String { String(((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").suffix(2000)) }

    /// `kill -9` for the server and all its workers; waits until the shell that started them is gone.
    func stop() {
        guard process.isRunning else { return }
        try? lifeline.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw NestboxError(.internalError, "no free port: \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// One server for all tests of a suite: its start is what takes the time.
struct WithMLflowServer: SuiteTrait, TestScoping {
    /// Nil on a laptop without the Python packages; a failure where they are required.
    @TaskLocal static var server: MLflowServerProcess?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard let python = try clientPython() else { return try await function() }
        let directory = try TemporaryDirectory()
        let server = try await MLflowServerProcess(python: python, directory: directory.file("mlflow"))
        defer { server.stop() }
        try await Self.$server.withValue(server, operation: function)
    }

    private func clientPython() throws -> String? {
        let environment = ProcessInfo.processInfo.environment
        if let python = environment["NESTBOX_TEST_PYTHON"] { return python }
        guard environment["NESTBOX_REQUIRE_PYTHON"] == nil else {
            throw NestboxError(.internalError, "NESTBOX_TEST_PYTHON is not set; run ./bootstrap/test")
        }
        print("mlflow is not installed: run ./bootstrap/test where a package index is reachable")
        return nil
    }
}
