import Core
import Testing

@testable import Language

@Suite struct SamplerTests {
    private func draws(
        _ logits: [Float], count: Int = 4000, mask: [UInt64]? = nil, _ change: (inout SamplingParameters) -> Void
    ) -> [Int32: Int] {
        var parameters = SamplingParameters()
        parameters.seed = 1
        change(&parameters)
        var sampler = Sampler(parameters, prompt: [])
        var found: [Int32: Int] = [:]
        for _ in 0..<count {
            found[logits.withUnsafeBufferPointer { sampler.sample($0, isAllowed: mask).id }, default: 0] += 1
        }
        return found
    }

    @Test func tokensComeAsOftenAsTheyAreLikely() {
        let found = draws([0, 1, 2, -.infinity, .nan], count: 20_000) { _ in }
        let total = 1 + 2.718_281_8 + 7.389_056
        for (id, weight) in [(0, 1.0), (1, 2.718_281_8), (2, 7.389_056)] {
            #expect(abs(Double(found[Int32(id)] ?? 0) / 20_000 - weight / total) < 0.02)
        }
        #expect(found[3] == nil && found[4] == nil)
    }

    @Test func whatIsCutOffNeverComes() {
        let logits: [Float] = [3, 2.9, 1, 0.9, -4]
        #expect(Set(draws(logits) { $0.topK = 2 }.keys) == [0, 1])
        #expect(Set(draws(logits) { $0.topK = 1 }.keys) == [0])
        #expect(Set(draws(logits) { $0.minP = 0.5 }.keys) == [0, 1])
        #expect(Set(draws(logits) { $0.topP = 0.6 }.keys) == [0, 1])
        #expect(Set(draws(logits) { $0.topP = 0 }.keys) == [0])
        #expect(Set(draws(logits) { $0.topP = 0.999 }.keys) == [0, 1, 2, 3])
        #expect(Set(draws(logits) { $0.temperature = 0 }.keys) == [0])
        #expect(Set(draws(logits, mask: [0b10100]) { _ in }.keys).isSubset(of: [2, 4]))
        #expect(Set(draws(logits, mask: [0b10100]) { $0.temperature = 0 }.keys) == [2])
        #expect(Set(draws(logits) { $0.logitBias = [4: 100] }.keys) == [4])
    }

    @Test func repetitionIsPenalized() {
        let logits: [Float] = [2, 1.9, 1.8]
        let found = draws(logits, count: 30) {
            $0.temperature = 0
            $0.frequencyPenalty = 1
        }
        #expect(found == [0: 10, 1: 10, 2: 10])
    }

    @Test func seedsGiveTheSameTextAndChoicesOthers() {
        func text(_ choice: Int) -> [Int32] {
            var parameters = SamplingParameters()
            parameters.seed = 42
            var sampler = Sampler(parameters, prompt: [], choice: choice)
            let logits = [Float](repeating: 0, count: 50)
            return (0..<20).map { _ in logits.withUnsafeBufferPointer { sampler.sample($0).id } }
        }
        #expect(text(0) == text(0))
        #expect(text(0) != text(1))
    }

    @Test func logprobsAreOfTheModelsOwnLogits() throws {
        var parameters = SamplingParameters()
        parameters.temperature = 0
        parameters.logprobs = 2
        parameters.logitBias = [0: 50]
        var sampler = Sampler(parameters, prompt: [])
        let token = [Float(0), 2, 1].withUnsafeBufferPointer { sampler.sample($0) }
        #expect(token.id == 0)
        #expect(token.top.map(\.id) == [1, 2])
        #expect(abs(try #require(token.logprob) - -2.407_606) < 1e-4)
        #expect(abs(token.top[0].logprob - -0.407_606) < 1e-4)
    }
}
