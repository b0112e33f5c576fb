import Core
import Foundation
import Storage
import TestSupport
import Testing

@Suite struct JournalTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/journal" }

    init() throws { directory = try TemporaryDirectory() }

    private func records() throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        _ = try Journal.open(path) { found.append(Array($0)) }
        return found
    }

    @Test func recordsAreThereAgain() throws {
        var journal = try Journal.open(path) { _ in Issue.record("a new file holds nothing") }
        try journal.append([1])
        try journal.append([UInt8](repeating: 7, count: 100_000))
        #expect(try records() == [[1], [UInt8](repeating: 7, count: 100_000)])
    }

    @Test func appendsGoOnBehindWhatWasFound() throws {
        do {
            var journal = try Journal.open(path) { _ in }
            try journal.append([1])
        }
        do {
            var journal = try Journal.open(path) { _ in }
            try journal.append([2])
        }
        #expect(try records() == [[1], [2]])
    }

    @Test func aRestartForgetsEverything() throws {
        var journal = try Journal.open(path) { _ in }
        for byte in 1...9 { try journal.append([UInt8(byte), 0, 0]) }
        try journal.restart()
        #expect(try records() == [])
        // Behind the new record lie whole records of the generation before.
        try journal.append([10, 0, 0])
        #expect(try records() == [[10, 0, 0]])
    }

    @Test func aRecordThatWasBeingAppendedIsNone() throws {
        var journal = try Journal.open(path) { _ in }
        try journal.append([1, 2, 3])
        try journal.append([4, 5, 6, 7])
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for length in 0..<whole.count {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            let expected: [[UInt8]] = length < 19 ? [] : [[1, 2, 3]]
            #expect(try records() == expected, "\(length) bytes")
        }
    }

    @Test func damagedBytesEndTheReading() throws {
        var journal = try Journal.open(path) { _ in }
        for byte in 1...3 { try journal.append([UInt8](repeating: UInt8(byte), count: 10)) }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for at in 8..<whole.count {
            var damaged = whole
            damaged[at] ^= 0x40
            try damaged.write(to: URL(fileURLWithPath: path))
            #expect(try records().count == (at - 8) / 18, "byte \(at)")
        }
    }
}
