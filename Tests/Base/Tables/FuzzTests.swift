import Core
import Tables
import Testing

@Suite struct FuzzTests {
    @Test func mutatedInputGivesATableOrANestboxError() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("FuzzTests seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        var tables = 0, errors = 0
        for round in 0..<4000 {
            let table = try Samples.random(&generator)
            let isCSV = round % 2 == 0
            var bytes = isCSV ? try CSVWriter.bytes(table) : try JSONLWriter.bytes(table)
            if round % 10 >= 8 { bytes = try Samples.pack(round % 20 > 10 ? .gzip : .zip, [("x", bytes)]) }
            mutate(&bytes, &generator)
            let schema = round % 4 < 2 ? nil : table.schema
            do {
                let read =
                    isCSV
                    ? try CSVReader.read(bytes: bytes, options: CSVOptions(schema: schema))
                    : try JSONLReader.read(bytes: bytes, options: JSONLOptions(schema: schema))
                tables += 1
                // What was read must be whole: writing visits every cell.
                _ = try JSONLWriter.bytes(read)
            } catch is NestboxError {
                errors += 1
            } catch {
                Issue.record("seed \(seed), round \(round): \(error)")
            }
        }
        #expect(tables > 100 && errors > 100, "seed \(seed): \(tables) tables, \(errors) errors")
    }

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let telling = Array("\",\n\r\\{}[]:0-+.eEuN".utf8) + [0, 0xEF, 0xBB, 0xBF, 0xFF, 0xC3, 0x1F, 0x8B]
        for _ in 0..<Int.random(in: 0...4, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[at] = telling.randomElement(using: &generator) ?? 0
            case 2: bytes.insert(telling.randomElement(using: &generator) ?? 0, at: at)
            case 3: bytes.remove(at: at)
            case 4: bytes.removeSubrange(at...)
            default:
                let end = min(bytes.count, at + Int.random(in: 1...20, using: &generator))
                bytes.insert(contentsOf: Array(bytes[at..<end]), at: Int.random(in: 0...bytes.count, using: &generator))
            }
        }
    }
}
