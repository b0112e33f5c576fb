import Core
import Foundation
import TestSupport
import Tensors
import Testing

@testable import Language

@Suite struct GenerationEngineTests {
    private func engine(
        _ directory: String, _ family: String = "llama", change: (inout GenerationEngine.Limits) -> Void = { _ in }
    ) throws -> GenerationEngine {
        try Checkpoints.write(family, to: directory)
        var limits = GenerationEngine.Limits()
        limits.cacheTokens = 1024
        limits.cacheType = .f32
        change(&limits)
        let model = try DecoderModel(
            PretrainedModel.open(directory), backend: CPUBackend(threads: 1), mostTokens: 64, mostLogits: 64)
        return try GenerationEngine(model, limits: limits)
    }

    private static func prompt(_ seed: Int, count: Int = 20) -> [Int32] {
        (0..<count).map { Int32(($0 * (7 + seed) + seed) % 40) }
    }

    private static func request(_ seed: Int, tokens: Int = 24, temperature: Float = 0) -> GenerationRequest {
        var request = GenerationRequest(prompt: prompt(seed), maxTokens: tokens)
        request.sampling.temperature = temperature
        request.sampling.seed = 7
        request.client = "client \(seed % 3)"
        return request
    }

    private static func run(
        _ engine: GenerationEngine, _ request: GenerationRequest
    ) async throws -> (tokens: [Int32], reason: FinishReason?, usage: GenerationUsage) {
        var tokens: [Int32] = [], reason: FinishReason?, usage = GenerationUsage()
        for await event in try engine.generate(request) {
            switch event {
            case .token(let token): tokens.append(token.id)
            case .finished(let why, let cost): (reason, usage) = (why, cost)
            }
        }
        return (tokens, reason, usage)
    }

    /// One text after the other, then all at once in a cache that cannot hold them all: the same tokens, guessed ahead or not.
    @Test(arguments: [Float(0), 0.8]) func crowdsAndGuessesChangeNoText(_ temperature: Float) async throws {
        let directory = try TemporaryDirectory()
        let alone = try engine(directory.path) { $0.mostGuesses = 0 }
        var expected: [[Int32]] = []
        for seed in 0..<12 {
            let text = try await Self.run(alone, Self.request(seed, temperature: temperature))
            #expect(text.reason == .length && text.tokens.count == 24)
            expected.append(text.tokens)
        }
        alone.close()
        let crowded = try engine(directory.path) { $0.cacheTokens = 160 }
        let found = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
            for seed in 0..<12 {
                group.addTask {
                    (seed, try await Self.run(crowded, Self.request(seed, temperature: temperature)).tokens)
                }
            }
            return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
        }
        for seed in 0..<12 { #expect(found[seed] == expected[seed], "text \(seed)") }
        #expect(crowded.status.running == 0 && crowded.status.waiting == 0)
        crowded.close()
    }

    @Test func aCommonBeginningIsComputedOnce() async throws {
        let directory = try TemporaryDirectory()
        let engine = try engine(directory.path)
        var request = Self.request(1)
        request.prompt = Self.prompt(1, count: 60)
        let first = try await Self.run(engine, request)
        var again = Self.request(1)
        again.prompt = Self.prompt(1, count: 60)
        let second = try await Self.run(engine, again)
        #expect(first.usage.cachedTokens == 0 && second.usage.cachedTokens == 48)
        #expect(first.tokens == second.tokens)
        engine.close()
    }

    @Test func whatCannotBeGeneratedIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let engine = try engine(directory.path)
        let change: [(inout GenerationRequest) -> Void] = [
            { $0.prompt = [] }, { $0.prompt = [40] }, { $0.prompt = [-1] }, { $0.maxTokens = 0 },
            { $0.prompt = Self.prompt(1, count: 128) }, { $0.maxTokens = 109 }, { $0.maxTokens = .max },
            { $0.sampling.temperature = .nan }, { $0.sampling.temperature = -1 }, { $0.sampling.topP = 2 },
            { $0.sampling.logitBias = [40: 1] }, { $0.sampling.logprobs = 21 }, { $0.sampling.topK = -1 },
        ]
        for index in change.indices {
            var request = Self.request(1)
            change[index](&request)
            #expect(throws: NestboxError.self, "case \(index)") { _ = try engine.generate(request) }
        }
        let last = try await Self.run(engine, GenerationRequest(prompt: Self.prompt(1, count: 127)))
        #expect(last.tokens.count == 1 && last.reason == .length)
        engine.close()
        let late = Self.request(1)
        #expect(throws: NestboxError.self) { _ = try engine.generate(late) }
    }

    @Test func aTextEndsWhenItsReaderLeaves() async throws {
        let directory = try TemporaryDirectory()
        let engine = try engine(directory.path)
        for seed in 0..<20 {
            let task = Task {
                var count = 0
                for await _ in try engine.generate(Self.request(seed, tokens: 100)) {
                    count += 1
                    if count == 3 { break }
                }
            }
            try await task.value
        }
        let after = try await Self.run(engine, Self.request(3))
        #expect(after.tokens.count == 24)
        // All pages are free again, and what was left does not run on.
        for _ in 0..<200 where engine.status.running > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(engine.status.running == 0 && engine.status.freePages == engine.status.cachePages)
        engine.close()
    }
}
