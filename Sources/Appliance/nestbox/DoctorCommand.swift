import ArgumentParser
import Core
import Foundation
import Storage

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at the machine and the data directory, and say what would get in the way.")

    @Option(help: "The data directory.") var data =
        ProcessInfo.processInfo.environment["NESTBOX_DATA"] ?? "nestbox-data"
    @OptionGroup var client: ClientOptions

    struct Finding: Codable {
        var check: String
        var ok: Bool
        var detail: String
    }

    func run() async throws {
        var findings = [
            Finding(check: "processors", ok: true, detail: "\(ProcessInfo.processInfo.activeProcessorCount)"),
            memory(), directory(), diskSpace(), SQLiteCheck.finding(),
        ]
        if FileManager.default.fileExists(atPath: data) { findings.append(privacy()) }
        findings.append(await server())
        if client.json {
            try Terminal.json(findings)
        } else {
            for finding in findings { print("\(finding.ok ? "ok " : "NO ")  \(finding.check): \(finding.detail)") }
        }
        if findings.contains(where: { !$0.ok && $0.check != "server" }) { throw ExitCode(1) }
    }

    private func memory() -> Finding {
        let gibibytes = Double(ProcessInfo.processInfo.physicalMemory) / Double(1 << 30)
        return Finding(check: "memory", ok: gibibytes >= 1, detail: String(format: "%.1f GiB", gibibytes))
    }

    private func directory() -> Finding {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: data, isDirectory: &isDirectory) else {
            let parent = ((data as NSString).standardizingPath as NSString).deletingLastPathComponent
            let place = parent.isEmpty ? "." : parent
            return Finding(
                check: "data directory", ok: access(place, W_OK) == 0,
                detail: "\(data) does not exist yet; it would be made in \(place)")
        }
        guard isDirectory.boolValue, access(data, W_OK) == 0 else {
            return Finding(check: "data directory", ok: false, detail: "\(data) is not a writable directory")
        }
        do {
            _ = try DirectoryLock(directory: data)
            return Finding(check: "data directory", ok: true, detail: "\(data), free to use")
        } catch {
            let message = (error as? NestboxError)?.message ?? "\(error)"
            return Finding(check: "data directory", ok: true, detail: message)
        }
    }

    private func privacy() -> Finding {
        guard let (path, mode) = DataDirectory.openToOthers(data) else {
            return Finding(check: "privacy", ok: true, detail: "\(data) is closed to other users")
        }
        return Finding(
            check: "privacy", ok: false,
            detail: "other users may reach \(path) (mode \(mode)); close it as its owner: chmod -R go= \(data)")
    }

    private func diskSpace() -> Finding {
        let place = FileManager.default.fileExists(atPath: data) ? data : "."
        let free =
            ((try? FileManager.default.attributesOfFileSystem(forPath: place))?[.systemFreeSize] as? NSNumber)?
            .doubleValue ?? 0
        return Finding(check: "free disk", ok: free > 1e9, detail: String(format: "%.1f GB", free / 1e9))
    }

    private func server() async -> Finding {
        do {
            let remote = try client.connect()
            let health: JSONValue = try await remote.client.get("/health")
            let waiting = "; it has no job slots: jobs wait for outside workers (nestbox worker)"
            return Finding(
                check: "server", ok: true,
                detail: "\(remote.client.baseURL) answers, version \(health["version"]?.stringValue ?? "?")"
                    + (health["jobSlots"]?.intValue == 0 ? waiting : ""))
        } catch let error as NestboxError {
            return Finding(check: "server", ok: false, detail: error.message + (error.hint.map { " — \($0)" } ?? ""))
        } catch {
            return Finding(check: "server", ok: false, detail: "\(error)")
        }
    }
}

enum SQLiteCheck {
    static func finding() -> DoctorCommand.Finding {
        DoctorCommand.Finding(check: "SQLite", ok: true, detail: Store.sqliteVersion)
    }
}
