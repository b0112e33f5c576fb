import Foundation

/// How positions turn pairs of a head's elements (RoPE), with the extensions to longer contexts that models in use have.
public struct RotaryEmbedding: Sendable, Hashable {
    /// Which elements of a head make a pair.
    public enum Pairing: Sendable, Hashable {
        /// Elements 2i and 2i + 1: the Llama family in GGUF, whose query and key rows are ordered for it.
        case interleaved
        /// Elements i and i + size / 2: all checkpoints of Hugging Face, and the other families in GGUF.
        case halves
    }

    public enum Scaling: Sendable, Hashable {
        case none
        /// Positions divided by `factor`.
        case linear(factor: Double)
        /// Llama 3.1: long waves slowed by `factor`, short ones left, those between blended.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
        /// YaRN (https://arxiv.org/abs/2309.00071); `attentionFactor` multiplies cosine and sine.
        case yarn(factor: Double, originalContext: Int, betaFast: Double, betaSlow: Double, attentionFactor: Double)
        /// Each frequency divided by its own factor, as in GGUF's tensor `rope_freqs.weight`.
        case factors([Float])
    }

    public var base: Double
    /// How many elements of a head turn, from the first; even.
    public var dimensions: Int
    public var pairing: Pairing
    public var scaling: Scaling

    public init(base: Double, dimensions: Int, pairing: Pairing, scaling: Scaling = .none) {
        self.base = base
        self.dimensions = dimensions
        self.pairing = pairing
        self.scaling = scaling
    }

    /// Radians per position for each of the `dimensions / 2` pairs.
    public func frequencies() -> [Double] {
        let plain = plainFrequencies
        switch scaling {
        case .none: return plain
        case .linear(let factor): return plain.map { $0 / factor }
        case .factors(let factors): return zip(plain, factors).map { $0 / Double($1) }
        case .llama3: return zip(plain, llama3Factors() ?? []).map { $0 / $1 }
        case .yarn(let factor, let context, let betaFast, let betaSlow, _):
            // The pair that turns `rotations` times over the original context.
            func pair(_ rotations: Double) -> Double {
                Double(dimensions) * log(Double(context) / (rotations * 2 * .pi)) / (2 * log(base))
            }
            let low = max(pair(betaFast).rounded(.down), 0)
            var high = min(pair(betaSlow).rounded(.up), Double(dimensions - 1))
            if high == low { high += 0.001 }
            return plain.enumerated().map { index, frequency in
                let slowed = min(max((Double(index) - low) / (high - low), 0), 1)
                return frequency / factor * slowed + frequency * (1 - slowed)
            }
        }
    }

    private var plainFrequencies: [Double] {
        (0..<dimensions / 2).map { pow(base, -Double(2 * $0) / Double(dimensions)) }
    }

    /// What cosine and sine are multiplied by.
    public var attentionFactor: Double {
        if case .yarn(_, _, _, _, let factor) = scaling { factor } else { 1 }
    }

    /// YaRN's own factor for cosine and sine when a model names none.
    static func yarnMagnitude(_ factor: Double) -> Double { factor <= 1 ? 1 : 0.1 * log(factor) + 1 }

    /// What Llama 3's scaling divides each frequency by; nil for other scalings. GGUF stores these.
    func llama3Factors() -> [Double]? {
        guard case .llama3(let factor, let low, let high, let context) = scaling else { return nil }
        return plainFrequencies.map { frequency in
            let waves = Double(context) * frequency / (2 * .pi)
            if waves > high { return 1 }
            if waves < low { return factor }
            let smooth = (waves - low) / (high - low)
            return 1 / ((1 - smooth) / factor + smooth)
        }
    }
}
