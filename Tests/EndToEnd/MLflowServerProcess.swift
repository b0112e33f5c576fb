import Core
import Foundation
import TestSupport

/// A real `mlflow server` from PyPI, with a database and files of its own. Ended with the value.
final class MLflowServerProcess: @unchecked Sendable {
    // Unchecked: a test owns it and calls from one task at a time.
    private let process = Process()
    private let log: String
    let url: String

    /// Starts it and waits until it answers, which takes some ten seconds. Throws with its log when it ends before.
    /// - Parameter python: of an environment that has all of mlflow.
    init(python: String, directory: String, arguments: [String] = []) async throws {
        let port = try Self.freePort()
        url = "http://127.0.0.1:\(port)"
        log = directory + "/mlflow.log"
        try FileManager.default.createDirectory(atPath: directory + "/artifacts", withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let handle = FileHandle(forWritingAtPath: log)!
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments =
            [
                "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", String(port), "--workers", "1",
                "--backend-store-uri", "sqlite:///\(directory)/mlflow.db", "--artifacts-destination",
                directory + "/artifacts",
            ] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.environment = ProcessInfo.processInfo.environment.merging(["MLFLOW_DISABLE_TELEMETRY": "true"]) { $1 }
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        let probe = URL(string: url + "/health")!
        _ = try await eventually("the start of mlflow server") { [process, log] () -> Bool? in
            guard process.isRunning else {
                let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                throw NestboxError(.internalError, "mlflow server ended: \(text.suffix(2000))")
            }
            return (try? runCommand("/usr/bin/env", ["curl", "-sf", probe.absoluteString]))?.status == 0 ? true : nil
        }
    }

    /// The server starts workers, which end with it when it is asked politely.
    deinit { if process.isRunning { process.terminate() } }

    func stop() {
        process.terminate()
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
