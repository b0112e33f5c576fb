import Core
import Foundation
import Tables
import Testing

@Suite struct ExpandedInputTests {
    private let content = Array(("a,b\n" + (0..<20_000).map { "\($0),row \($0)\n" }.joined()).utf8)

    @Test(arguments: [Samples.Packing.gzip, .zip, .xz, .bzip2, .zstd])
    func readsCompressedFilesWhateverTheirName(_ packing: Samples.Packing) throws {
        let plain = try CSVReader.read(bytes: content)
        let packed = try Samples.pack(packing, [("flights.csv", content)])
        #expect(packed.count < content.count / 2)
        #expect(try CSVReader.read(bytes: packed) == plain)
        #expect(try Samples.withFile("data.txt", packed) { try CSVReader.read(path: $0) } == plain)
        #expect(try Samples.withFile("data.csv.gz", content) { try CSVReader.read(path: $0) } == plain)
    }

    @Test func readsGzipOfSeveralMembers() throws {
        let half = content.count / 2
        let packed =
            try Samples.pack(.gzip, [("x", Array(content[..<half]))])
            + Samples.pack(.gzip, [("x", Array(content[half...]))])
        let plain = try CSVReader.read(bytes: content)
        #expect(try CSVReader.read(bytes: packed) == plain)
        #expect(try Samples.withFile("two.gz", packed) { try CSVReader.read(path: $0) } == plain)
    }

    @Test func aTruncatedFileIsAnError() throws {
        for packing in [Samples.Packing.gzip, .zip, .xz, .bzip2, .zstd] {
            let packed = try Samples.pack(packing, [("x.csv", content)])
            for kept in [packed.count / 2, packed.count - 9, 12] {
                let message = Samples.message { try CSVReader.read(bytes: Array(packed[..<kept])) }
                #expect(message.contains("cannot be read as"), "\(packing), \(kept): \(message)")
                try Samples.withFile("part.gz", Array(packed[..<kept])) { path in
                    let message = Samples.message { try CSVReader.read(path: path) }
                    #expect(message.contains("`part.gz` cannot be read as"), "\(packing), \(kept): \(message)")
                }
            }
        }
    }

    @Test func aFlippedBitIsAnError() throws {
        // A stored block inflates whatever its bytes are, so only the checksum can tell.
        let packed = try Samples.pack(.gzip, [("x.csv", content)])
        var seen = 0
        for place in stride(from: 20, to: packed.count, by: packed.count / 60) {
            var broken = packed
            broken[place] ^= 4
            let message = Samples.message { try CSVReader.read(bytes: broken) }
            #expect(!message.hasPrefix("no error"), "byte \(place)")
            if message.contains("checksum") { seen += 1 }
        }
        var broken = packed
        broken[packed.count - 6] ^= 1
        Samples.expect("its checksum does not match") { try CSVReader.read(bytes: broken) }
        try Samples.withFile("broken.gz", broken) { path in
            Samples.expect("its checksum does not match") { try CSVReader.read(path: path) }
        }
    }

    @Test func theExpandedSizeIsLimited() throws {
        let bomb = try Samples.pack(.gzip, [("x", Array("a\n".utf8) + [UInt8](repeating: 0x31, count: 4 << 20))])
        var options = CSVOptions()
        options.limits.expandedBytes = 1 << 20
        let message = Samples.message { try CSVReader.read(bytes: bomb, options: options) }
        #expect(message.contains("payload_too_large") && message.contains("more than 1048576 bytes"), "\(message)")
        options.limits.expandedBytes = Int64(content.count)
        let fits = try Samples.pack(.zip, [("x", content)])
        #expect(try CSVReader.read(bytes: fits, options: options).rowCount == 20_000)
    }

    /// What expands is refused by what it would take up, long before it does.
    @Test func theMemoryOfATableIsLimited() throws {
        let limits = TableLimits(memoryBytes: 4 << 20, hint: "use less")
        func message(csv: [UInt8]) -> String {
            var options = CSVOptions()
            options.limits = limits
            return Samples.message { try CSVReader.read(bytes: csv, options: options) }
        }
        func message(jsonl: [UInt8]) -> String {
            var options = JSONLOptions()
            options.limits = limits
            return Samples.message { try JSONLReader.read(bytes: jsonl, options: options) }
        }
        func repeated(_ head: String, _ row: (Int) -> String, _ count: Int) -> [UInt8] {
            Array((head + (0..<count).map(row).joined()).utf8)
        }
        let wide = #"{"# + (0..<1000).map { #""c\#($0)":null"# }.joined(separator: ",") + "}\n"
        let bombs = [
            message(csv: repeated("a,b\n", { _ in "1,2\n" }, 500_000)),
            message(csv: repeated("a,b\n", { _ in ",\n" }, 1_000_000)),
            message(csv: repeated("a\n", { "text \($0)\n" }, 200_000)),
            message(csv: try Samples.pack(.gzip, [("x", repeated("a,b\n", { _ in "1.5,x\n" }, 500_000))])),
            // Three bytes a line that are a thousand cells.
            message(jsonl: repeated(wide, { _ in "{}\n" }, 1_000_000)),
            message(jsonl: repeated(wide.replacing("null", with: "1"), { _ in "{}\n" }, 100_000)),
            // A thousand columns that begin a hundred thousand rows late, all in the last line.
            message(
                jsonl: repeated("", { _ in #"{"a":1}"# + "\n" }, 100_000)
                    + Array(wide.replacing("null", with: "1").utf8)),
        ]
        for bomb in bombs {
            #expect(bomb.contains("payload_too_large") && bomb.contains("the limit is 4,194,304"), "\(bomb)")
            #expect(bomb.contains("use less"), "\(bomb)")
        }
        let fits = message(csv: repeated("a,b\n", { _ in "1,2\n" }, 50_000))
        #expect(fits.contains("no error"), "\(fits)")
    }

    @Test func aZipMustHoldOneFile() throws {
        let two = try Samples.pack(.zip, [("a.csv", content), ("b.csv", content)])
        let message = Samples.message { try CSVReader.read(bytes: two) }
        #expect(message.contains("several files (`a.csv`, `b.csv`); expected one"), "\(message)")
        Samples.expect("the zip data") { try CSVReader.read(bytes: try Samples.pack(.zip, [])) }
        let mac = try Samples.pack(.zip, [("a.csv", content), ("__MACOSX/._a.csv", [1, 2])])
        #expect(try CSVReader.read(bytes: mac).rowCount == 20_000)
    }

    @Test func missingFilesAndDirectoriesAreErrors() throws {
        Samples.expect("not_found") { try CSVReader.read(path: "/nonexistent/x.csv") }
        Samples.expect("cannot read") { try CSVReader.read(path: FileManager.default.temporaryDirectory.path) }
    }
}
