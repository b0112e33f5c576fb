import Client
import Core
import Foundation
import TestSupport

/// A real `nestbox` process on a port of its own. Killed with the value.
final class ServerProcess: @unchecked Sendable {
    // Unchecked: a test owns it and calls from one task at a time.
    private let process = Process()
    private let output: String
    let url: String
    let remote: Remote

    /// The binary beside the test bundle.
    static let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appendingPathComponent("nestbox").path

    /// Starts `nestbox serve` and waits for its ready line. Throws with what it printed when it ends before.
    init(data: String, arguments: [String] = [], environment: [String: String] = [:], token: String? = nil) async throws
    {
        output = data + "-output-\(UUID().uuidString)"
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        let handle = FileHandle(forWritingAtPath: output)!
        process.executableURL = URL(fileURLWithPath: Self.executable)
        process.arguments = ["serve", "--data", data, "--port", "0"] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        var found: String?
        while found == nil {
            let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
            found = text.split(separator: "\n").first { $0.hasPrefix("ready ") }.map { String($0.dropFirst(6)) }
            if found == nil, !process.isRunning {
                process.waitUntilExit()
                throw NestboxError(.internalError, "nestbox serve ended with \(process.terminationStatus): \(text)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        url = found!
        remote = Remote(try APIClient(baseURL: url, token: token))
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var log: String { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }

    /// `kill -9`, and waits until the process is gone.
    func killHard() {
        kill(pid, SIGKILL)
        process.waitUntilExit()
    }

    /// SIGTERM, and waits; returns the exit status.
    @discardableResult
    func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// The processes whose parent is this one.
    var children: [Int32] { Self.children(of: pid) }

    /// Whether the process runs. One that has ended and whose new parent has not yet noticed does not.
    static func isAlive(_ pid: Int32) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
    }

    static func children(of parent: Int32) -> [Int32] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { Int32($0) }.filter { child in
            guard let stat = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8),
                let tail = stat.split(separator: ")").last?.split(separator: " "), tail.count > 1
            else { return false }
            return tail[0] != "Z" && Int32(tail[1]) == parent
        }
    }
}

/// Runs a command to its end. Output goes through a file, so that no pipe can fill.
func runCommand(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
) throws -> (status: Int32, output: String) {
    let path = NSTemporaryDirectory() + "nestbox-command-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let handle = FileHandle(forWritingAtPath: path)!
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: path, encoding: .utf8))
}

/// Asks again until `condition` gives a value. Throws `unavailable` after `seconds`.
func eventually<T>(_ what: String, within seconds: Double = 180, _ condition: () async throws -> T?) async throws -> T {
    let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
    while ContinuousClock.now < deadline {
        if let value = try await condition() { return value }
        try await Task.sleep(for: .milliseconds(50))
    }
    throw NestboxError(.unavailable, "\(what) did not happen within \(seconds) s")
}

/// The checkout.
let repositoryRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
