import Core
import Foundation

/// How the next token is chosen. The order is vLLM's: bias and penalties, temperature, top-k, top-p, min-p.
public struct SamplingParameters: Sendable, Hashable {
    /// 0 takes the likeliest token.
    public var temperature: Float = 1
    /// Keep this many of the likeliest; 0 keeps all.
    public var topK = 0
    /// Keep the likeliest that together have this probability.
    public var topP: Float = 1
    /// Keep those at least this likely beside the likeliest.
    public var minP: Float = 0
    /// Divides (or, below zero, multiplies) the logits of tokens in the prompt and the text so far.
    public var repetitionPenalty: Float = 1
    /// Taken once from the logits of tokens in the text so far.
    public var presencePenalty: Float = 0
    /// Taken from them as often as they occur.
    public var frequencyPenalty: Float = 0
    /// Added to logits.
    public var logitBias: [Int32: Float] = [:]
    /// The same seed, prompt and parameters give the same text; nil is by chance.
    public var seed: UInt64?
    /// How many of the likeliest tokens to name with each token; nil names none, and no probability.
    public var logprobs: Int?

    public init() {}

    /// Throws `invalid_argument` naming the parameter, under the names of OpenAI's and vLLM's APIs.
    public func check(vocabularySize: Int) throws {
        func require(_ name: String, _ value: Float, in range: ClosedRange<Float>) throws {
            guard range.contains(value) else {
                throw NestboxError.invalid(
                    "`\(name)` is \(value), and must be from \(range.lowerBound) to \(range.upperBound)")
            }
        }
        try require("temperature", temperature, in: 0...2)
        try require("top_p", topP, in: 0...1)
        try require("min_p", minP, in: 0...1)
        try require("presence_penalty", presencePenalty, in: -2...2)
        try require("frequency_penalty", frequencyPenalty, in: -2...2)
        try require("repetition_penalty", repetitionPenalty, in: 0.01...100)
        guard topK >= 0 else { throw NestboxError.invalid("`top_k` is \(topK), and must be 0 or more") }
        if let logprobs, !(0...20).contains(logprobs) {
            throw NestboxError.invalid("`top_logprobs` is \(logprobs), and must be from 0 to 20")
        }
        for (token, bias) in logitBias {
            guard token >= 0, Int(token) < vocabularySize else {
                throw NestboxError.invalid(
                    "`logit_bias` names the token \(token), and there are 0 to \(vocabularySize - 1)")
            }
            try require("logit_bias", bias, in: -100...100)
        }
    }

    /// Whether the likeliest token by the model's own logits is always the answer.
    var isPlainGreedy: Bool {
        temperature == 0 && repetitionPenalty == 1 && presencePenalty == 0 && frequencyPenalty == 0 && logitBias.isEmpty
    }
}

/// A token that was chosen, and what else was likely.
public struct SampledToken: Sendable, Hashable {
    public var id: Int32
    /// The natural logarithm of its probability by the model's own logits, where `logprobs` asks for it.
    public var logprob: Float?
    /// The likeliest tokens, likeliest first.
    public var top: [(id: Int32, logprob: Float)] = []

    public static func == (a: SampledToken, b: SampledToken) -> Bool {
        a.id == b.id && a.logprob == b.logprob && a.top.elementsEqual(b.top) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// Chooses the tokens of one text.
struct Sampler {
    private let parameters: SamplingParameters
    private var random: SeededGenerator
    /// How often each token occurs in the text so far, and which ones the prompt holds.
    private var counts: [Int32: Int] = [:]
    private var promptTokens: Set<Int32> = []
    /// Reused from token to token.
    private var scaled: [Float] = []
    private var candidates: [(id: Int32, weight: Float)] = []

    /// - Parameter choice: which of the `n` texts of one request it is.
    init(_ parameters: SamplingParameters, prompt: [Int32], choice: Int = 0) {
        self.parameters = parameters
        random = SeededGenerator(
            seed: (parameters.seed ?? UInt64.random(in: 0 ... .max)) &+ UInt64(choice) &* 0x9E37_79B9_7F4A_7C15)
        if parameters.repetitionPenalty != 1 { promptTokens = Set(prompt) }
    }

    /// - Parameters:
    ///   - logits: one for each token; NaN counts as impossible.
    ///   - isAllowed: a bit for each token, least significant first, where a grammar says what may follow; at least one is set.
    mutating func sample(_ logits: UnsafeBufferPointer<Float>, isAllowed mask: [UInt64]? = nil) -> SampledToken {
        let id: Int32
        if parameters.isPlainGreedy, mask == nil {
            id = Self.greatest(logits)
        } else {
            adjust(logits, mask)
            id = parameters.temperature == 0 ? scaled.withUnsafeBufferPointer(Self.greatest) : draw()
        }
        counts[id, default: 0] += 1
        return describe(id, logits)
    }

    private static func greatest(_ values: UnsafeBufferPointer<Float>) -> Int32 {
        var best = 0, greatest = -Float.infinity
        for index in values.indices where values[index] > greatest {
            greatest = values[index]
            best = index
        }
        return Int32(best)
    }

    /// `scaled` = logits with bias, penalties and mask.
    private mutating func adjust(_ logits: UnsafeBufferPointer<Float>, _ mask: [UInt64]?) {
        scaled.removeAll(keepingCapacity: true)
        scaled.append(contentsOf: logits)
        for (token, bias) in parameters.logitBias { scaled[Int(token)] += bias }
        if parameters.repetitionPenalty != 1 {
            for token in promptTokens.union(counts.keys) {
                let value = scaled[Int(token)]
                scaled[Int(token)] =
                    value > 0 ? value / parameters.repetitionPenalty : value * parameters.repetitionPenalty
            }
        }
        if parameters.presencePenalty != 0 || parameters.frequencyPenalty != 0 {
            for (token, count) in counts {
                scaled[Int(token)] -= parameters.presencePenalty + parameters.frequencyPenalty * Float(count)
            }
        }
        guard let mask else { return }
        for index in scaled.indices where mask[index >> 6] & (1 << UInt64(index & 63)) == 0 {
            scaled[index] = -.infinity
        }
    }

    private mutating func draw() -> Int32 {
        let best = Self.greatest(scaled.withUnsafeBufferPointer { $0 }), greatest = scaled[Int(best)]
        guard greatest.isFinite else { return best }
        let inverse = 1 / max(parameters.temperature, 1e-5)
        var total: Float = 0
        for index in scaled.indices {
            let weight = exp((scaled[index] - greatest) * inverse)
            // NaN: impossible.
            scaled[index] = weight >= 0 ? weight : 0
            total += scaled[index]
        }
        // What lies below `least` cannot be kept, and need not be sorted: with top-p, all such tokens together have less than 1 - top_p.
        let least = max(
            parameters.minP,
            parameters.topK > 0 ? leastOfTopK() : total * max(1 - parameters.topP, 0) / Float(scaled.count))
        candidates.removeAll(keepingCapacity: true)
        for index in scaled.indices where scaled[index] > 0 && scaled[index] >= least {
            candidates.append((Int32(index), scaled[index]))
        }
        if parameters.topK > 0 || parameters.topP < 1 { cut() }
        var rest = Float(random.unit()) * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            rest -= candidate.weight
            if rest < 0 { return candidate.id }
        }
        return candidates.last?.id ?? best
    }

    /// A weight that at least `topK` tokens have, and not many more; 0 when fewer have any.
    private func leastOfTopK() -> Float {
        var least: Float = 0.25
        while least > 1e-30 {
            var count = 0
            for weight in scaled where weight >= least { count += 1 }
            if count >= parameters.topK { return least }
            least *= 0.25
        }
        return 0
    }

    /// Keeps the `topK` likeliest, and of these the likeliest with `topP` of their probability.
    private mutating func cut() {
        candidates.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.id < $1.id }
        if parameters.topK > 0, candidates.count > parameters.topK {
            candidates.removeLast(candidates.count - parameters.topK)
        }
        guard parameters.topP < 1 else { return }
        let total = parameters.topK > 0 ? candidates.reduce(0) { $0 + $1.weight } : scaled.reduce(0, +)
        var sum: Float = 0
        let kept = candidates.firstIndex { candidate in
            sum += candidate.weight
            return sum >= parameters.topP * total
        }
        if let kept { candidates.removeLast(candidates.count - kept - 1) }
    }

    private func describe(_ id: Int32, _ logits: UnsafeBufferPointer<Float>) -> SampledToken {
        guard let count = parameters.logprobs else { return SampledToken(id: id) }
        let greatest = logits[Int(Self.greatest(logits))]
        var sum = 0.0
        for value in logits where value > -.infinity { sum += exp(Double(value - greatest)) }
        let shift = greatest + Float(log(sum))
        var top: [(id: Int32, logprob: Float)] = []
        for index in logits.indices {
            let value = logits[index]
            guard !value.isNaN, top.count < count || (top.last.map { value > $0.logprob } ?? false) else { continue }
            let place = top.firstIndex { value > $0.logprob } ?? top.count
            top.insert((Int32(index), value), at: place)
            if top.count > count { top.removeLast() }
        }
        return SampledToken(id: id, logprob: logits[Int(id)] - shift, top: top.map { ($0.id, $0.logprob - shift) })
    }
}
