import Foundation

func fixture(_ name: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/\(name)").standardized.path
}

/// A new seed each time, printed so that a failure can be repeated with `NESTBOX_FUZZ_SEED`.
func fuzzSeed() -> UInt64 {
    let seed = ProcessInfo.processInfo.environment["NESTBOX_FUZZ_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max)
    print("fuzz seed \(seed)")
    return seed
}

/// Runs `body` with a directory that is removed afterwards.
func inDirectory(_ body: (String) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "/language-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
}
