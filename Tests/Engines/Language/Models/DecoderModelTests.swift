import Core
import Foundation
import Tensors
import Testing

@testable import Language

/// Tiny models of every family with random weights.
@Suite struct DecoderModelTests {
    private static let families = Checkpoints.configurations.keys.filter { $0 != "bert" }.sorted()
    private static let text: [Int32] = (0..<24).map { Int32(($0 * 17 + 5) % 40) }

    private func decoder(_ directory: String, threads: Int = 1) throws -> DecoderModel {
        try DecoderModel(
            PretrainedModel.open(directory), backend: CPUBackend(threads: threads), mostTokens: 64, mostLogits: 64)
    }

    /// The logits of every position of each text, computed in steps of `parts` tokens of each.
    private func logits(_ model: DecoderModel, _ texts: [[Int32]], parts: [Int]) throws -> [[[Float]]] {
        let cache = try model.makeCache(pages: 16, pageSize: 16, type: .f32)
        var found = texts.map { _ in [[Float]]() }
        let step = StepLayout()
        for (index, part) in parts.enumerated() {
            let first = parts[..<index].reduce(0, +)
            step.removeAll()
            var tokens: [Int32] = []
            for (number, text) in texts.enumerated() {
                step.sequences.append(
                    SequenceSpan(
                        queryStart: tokens.count, queryCount: part, length: first + part,
                        tableStart: step.blockTable.count))
                // Pages in no order.
                step.blockTable += [Int32(15 - 2 * number), Int32(14 - 2 * number)]
                for position in first..<first + part {
                    step.positions.append(Int32(position))
                    step.slots.append((position < 16 ? 15 : 14) * 16 - Int32(number) * 32 + Int32(position % 16))
                }
                tokens += text[first..<first + part]
            }
            let rows = model.step(tokens, step, cache: cache, logitsOf: tokens.indices.map(Int32.init))
            for row in tokens.indices {
                let values = model.backend.withHostRow(rows, row: row, count: model.vocabularySize) { Array($0) }
                found[row / part].append(values)
            }
        }
        return found
    }

    @Test(arguments: families) func stepsAndNeighboursDoNotChangeABit(_ family: String) throws {
        try inDirectory { directory in
            try Checkpoints.write(family, to: directory)
            let whole = try logits(decoder(directory), [Self.text], parts: [24])[0]
            #expect(whole.allSatisfy { $0.allSatisfy(\.isFinite) })
            #expect(Set(whole.map { $0[0] }).count > 20, "positions give different logits")
            #expect(try logits(decoder(directory), [Self.text], parts: [1, 7, 16])[0] == whole)
            #expect(try logits(decoder(directory, threads: 2), [Self.text], parts: [24])[0] == whole)
            let others = try logits(decoder(directory), [Self.text.reversed(), Self.text], parts: [5, 19])
            #expect(others[1] == whole)
        }
    }

    /// Rows of queries and keys lie in another order there, and pairs of rotary positions too.
    @Test(arguments: families) func aCheckpointAndItsGGUFGiveTheSameLogits(_ family: String) throws {
        try inDirectory { directory in
            try Checkpoints.write(family, to: directory)
            try Data(#"{"model": {}}"#.utf8).write(to: URL(filePath: directory + "/tokenizer.json"))
            let path = directory + "/model.gguf"
            try GGUFConverter(to: .f32).convert(PretrainedModel.open(directory), to: path)
            let a = try logits(decoder(directory), [Self.text], parts: [24])[0]
            let b = try logits(decoder(path), [Self.text], parts: [24])[0]
            for (x, y) in zip(a.joined(), b.joined()) { #expect(abs(x - y) < 1e-3, "\(x) and \(y)") }
        }
    }

    @Test func anEncoderGeneratesNoText() throws {
        try inDirectory { directory in
            try Checkpoints.write("bert", to: directory)
            #expect(throws: NestboxError.self) { try decoder(directory) }
        }
    }

    @Test func aTextsVectorDoesNotDependOnTheOthers() throws {
        try inDirectory { directory in
            try Checkpoints.write("bert", to: directory)
            let model = try BertModel(PretrainedModel.open(directory), backend: CPUBackend(threads: 2), mostTokens: 128)
            let texts = [Self.text, [1, 2, 3], [7], Array(Self.text.reversed())]
            let together = try model.embed(texts)
            for (text, vector) in zip(texts, together) {
                #expect(try model.embed([text]) == [vector])
                #expect(vector.count == 64 && vector.allSatisfy(\.isFinite))
            }
            #expect(Set(together).count == 4)
            #expect(throws: NestboxError.self) { try model.embed([[]]) }
            #expect(throws: NestboxError.self) { try model.embed([[Int32](repeating: 1, count: 33)]) }
        }
    }
}
