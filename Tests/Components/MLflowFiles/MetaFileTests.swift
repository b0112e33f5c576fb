import Core
import Foundation
import TestSupport
import Testing

@testable import MLflowFiles

@Suite struct MetaFileTests {
    private static let text = """
        digest: 123456e7
        quoted: '42'
        nothing: null
        start_time: 1795619300184
        name: 'it''s: long'
        tags:
          mlflow.data.context: training
        """

    @Test func scalarsStayAsTheyAreWritten() throws {
        let file = try MetaFile(Self.text, path: "meta.yaml")
        #expect(try file.text("digest") == "123456e7")
        #expect(try file.text("quoted") == "42")
        #expect(try file.optionalText("nothing") == nil)
        #expect(try file.optionalText("absent") == nil)
        #expect(try file.whole("start_time") == 1_795_619_300_184)
        #expect(try file.text("name") == "it's: long")
        #expect(try file.texts("tags") == ["mlflow.data.context": "training"])
    }

    @Test func valuesFollowTheRulesOfYAML11() throws {
        let json = try MetaFile("a: 1e5\nb: 1.5\nc: 7\nd: true\ne: '7'\nf: ~\ng: [x, 2]", path: "a.yaml").json()
        #expect(json == ["a": "1e5", "b": 1.5, "c": 7, "d": true, "e": "7", "f": .null, "g": ["x", 2]])
    }

    @Test(arguments: [
        ("", "is empty"), ("- a\n- b", "line 1: expected `key: value`"), ("a: [1", "not well-formed YAML"),
        ("a: 'x\nb: c", "not well-formed YAML"), ("just words", "expected `key: value`"), ("? [a]\n: b", "line 1"),
        ("a: &x 1\nb: *x", "aliases"),
    ])
    func whatIsNoMappingIsRefusedWithItsName(text: String, complaint: String) throws {
        let error = #expect(throws: NestboxError.self) { try MetaFile(text, path: "/s/1/meta.yaml") }
        #expect(
            error?.message.contains("/s/1/meta.yaml") == true && error?.message.contains(complaint) == true, "\(error!)"
        )
    }

    @Test func aWrongValueIsNamedWithItsLine() throws {
        let file = try MetaFile("a: 1\nstatus: [3]\ntime: soon", path: "meta.yaml")
        let list = #expect(throws: NestboxError.self) { try file.text("status") }
        #expect(list?.message == "`meta.yaml`, line 2: `status`: expected text")
        let word = #expect(throws: NestboxError.self) { try file.whole("time") }
        #expect(word?.message == "`meta.yaml`, line 3: `time`: expected a whole number")
    }

    @Test func garbageNeverTraps() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Generator(seed)
        for _ in 0..<2000 {
            var bytes = Array(Self.text.utf8)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(Array("[]{}&*!|>'\"%@`:-?#, \n\t".utf8).randomElement(using: &random)!, at: at)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                let file = try MetaFile(text, path: "m")
                _ = try? file.json()
                _ = try? (file.text("digest"), file.whole("start_time"), file.texts("tags"))
            } catch is NestboxError {
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
        }
    }
}

@Suite struct MetricLineTests {
    @Test(
        arguments: [
            ("1700000000000 0.5 3", 1_700_000_000_000, 0.5, 3), ("1 1e-05", 1, 1e-05, 0),
            ("-1 -inf -2", -1, -.infinity, -2),
            ("1 nan 0", 1, .nan, 0), ("1 2.0 7 some data 0abc", 1, 2, 7),
        ] as [(String, Int64, Double, Int64)])
    func measurementsAreRead(line: String, time: Int64, value: Double, step: Int64) throws {
        let read = try #require(MetricLine(line))
        #expect(read.timestamp.milliseconds == time && read.step == step)
        #expect(read.value == value || (read.value.isNaN && value.isNaN))
    }

    @Test func datasetsMayHaveSpaces() throws {
        let read = try #require(MetricLine("1 2.0 7 0123 my data set 0abc"))
        #expect(read.rest.first == "0123")
        let dataset = try #require(read.dataset(from: 1))
        #expect(dataset.name == "my data set" && dataset.digest == "0abc")
        #expect(try #require(MetricLine("1 2.0 7 0123")).dataset(from: 1) == nil)
    }

    @Test(arguments: ["", "1", "x 1 2", "1 x 2", "1 1.0 x", "1  1.0 2", "1 0x1p3 2", "1 1e999 2", "1.5 1 2", "1 1.0 "])
    func whatIsNoMeasurementIsRefused(line: String) { #expect(MetricLine(line) == nil) }

    @Test func brokenLinesAreNamedAndTheOthersRead() {
        let (lines, errors) = MetricLine.lines(Data("1 0.5 0\r\nnonsense\n2 0.25 1\n3 0.".utf8), path: "metrics/loss")
        #expect(lines.map(\.step) == [0, 1])
        #expect(
            errors.map(\.message) == [
                "`metrics/loss`, line 2: `nonsense` is no measurement",
                "`metrics/loss`, line 4: `3 0.` is no measurement",
            ])
        #expect(MetricLine.lines(Data(), path: "m").unreadable.map(\.message) == ["`m` is empty"])
        let many = MetricLine.lines(Data(String(repeating: "x\n", count: 25).utf8), path: "m")
        #expect(
            many.unreadable.count == 11 && many.unreadable.last?.message == "`m`: 15 more lines are no measurements")
    }

    @Test func garbageNeverTraps() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Generator(seed)
        for _ in 0..<2000 {
            let letters = Array("0123456789 .-+einfa\n\r\0\u{e9}x".utf8)
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in letters.randomElement(using: &random)! }
            let (lines, errors) = MetricLine.lines(Data(bytes), path: "m")
            let ends = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
            let count = ends.count - (bytes.isEmpty || bytes.last == 0x0A ? 1 : 0)
            #expect(lines.count + errors.count >= min(count, 10), "seed \(seed): \(bytes)")
        }
    }
}

/// The same numbers for the same seed.
private struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
