import Foundation
import Yams

/// Configuration from three places, the nearer first: flags, environment `NESTBOX_*`, and `nestbox.yaml`.
///
/// A key is written `grpc-port` as a flag, `NESTBOX_GRPC_PORT` in the environment and `grpc-port` in the file.
public struct Settings: Sendable {
    private struct Entry: Sendable {
        var value: String
        var source: String
    }

    private var entries: [String: Entry] = [:]

    /// - Parameters:
    ///   - flags: what the command line gave; nil values count as not given.
    ///   - environment: usually the process's own.
    ///   - file: the text of `nestbox.yaml` and its path for messages.
    ///   - known: every key there is; another key in the file or the environment is refused by name.
    public init(
        flags: [String: String?], environment: [String: String], file: (text: String, path: String)?, known: Set<String>
    ) throws {
        if let file {
            for (key, value) in try Self.read(file.text, path: file.path) {
                guard known.contains(key) else {
                    throw NestboxError(
                        .invalidArgument, "\(file.path): there is no setting named `\(key)`",
                        hint: NestboxError.notFound("setting", key, among: Array(known)).hint)
                }
                entries[key] = Entry(value: value, source: "`\(key)` in \(file.path)")
            }
        }
        for key in known {
            let name = "NESTBOX_" + key.uppercased().replacingOccurrences(of: "-", with: "_")
            if let value = environment[name] {
                entries[key] = Entry(value: value, source: "\(name) in the environment")
            }
        }
        for case (let key, let value?) in flags { entries[key] = Entry(value: value, source: "--\(key)") }
    }

    public func string(_ key: String) -> String? { entries[key]?.value }

    public func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let entry = entries[key] else { return nil }
        guard let value = Int(entry.value), range.contains(value) else {
            throw NestboxError.invalid(
                "\(entry.source) is `\(entry.value)`; expected a whole number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return value
    }

    public func seconds(_ key: String) throws -> Double? {
        guard let entry = entries[key] else { return nil }
        guard let value = Double(entry.value), value.isFinite, value > 0 else {
            throw NestboxError.invalid("\(entry.source) is `\(entry.value)`; expected a number of seconds above zero")
        }
        return value
    }

    private static func read(_ text: String, path: String) throws -> [(String, String)] {
        let root: Any?
        do {
            root = try Yams.load(yaml: text)
        } catch {
            throw NestboxError.invalid("\(path) is not well-formed YAML: \(error)")
        }
        guard let root else { return [] }
        guard let map = root as? [String: Any] else {
            throw NestboxError.invalid("\(path) must hold `name: value` lines")
        }
        return try map.map { key, value in
            switch value {
            case let value as String: return (key, value)
            case let value as Bool: return (key, value ? "true" : "false")
            case let value as Int: return (key, String(value))
            case let value as Double: return (key, String(value))
            default:
                throw NestboxError.invalid("\(path): `\(key)` must be a single value, not a list or a map")
            }
        }
    }
}
