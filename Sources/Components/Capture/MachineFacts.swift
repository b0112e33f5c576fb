import Contracts
import Core
import Foundation

/// What the machine is. Reads files only, so that it cannot hang.
package enum MachineFacts {
    package static func machine() -> RunEnvironment.Machine {
        var name = utsname()
        uname(&name)
        let release = text(of: &name.release), architecture = text(of: &name.machine)
        return RunEnvironment.Machine(
            host: ProcessInfo.processInfo.hostName, system: "\(system), kernel \(release)", architecture: architecture,
            cpu: cpu, cores: ProcessInfo.processInfo.activeProcessorCount, memory: Int64(MachineMemory.bytes),
            accelerators: accelerators)
    }

    private static var system: String {
        field("PRETTY_NAME", in: read("/etc/os-release"), separator: "=")?.trimmingCharacters(
            in: .init(charactersIn: "\""))
            ?? ProcessInfo.processInfo.operatingSystemVersionString
    }

    private static var cpu: String? {
        let info = read("/proc/cpuinfo")
        return field("model name", in: info, separator: ":") ?? field("Model", in: info, separator: ":")
    }

    /// NVIDIA's driver describes each of its devices in a file.
    private static var accelerators: [String] {
        let folder = "/proc/driver/nvidia/gpus"
        let devices = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return devices.sorted().compactMap { field("Model", in: read("\(folder)/\($0)/information"), separator: ":") }
    }

    static func field(_ name: String, in text: String, separator: Character) -> String? {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: separator, maxSplits: 1)
            if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == name {
                return parts[1].trimmingCharacters(in: .whitespaces)
            }
        }
        return nil
    }

    private static func read(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    private static func text<T>(of field: inout T) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
