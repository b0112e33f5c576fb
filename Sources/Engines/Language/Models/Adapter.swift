import Core
import Tensors

/// The products of a layer that a low-rank adapter can change, under PEFT's names.
public enum AdapterTarget: String, Sendable, Hashable, CaseIterable {
    case query = "q_proj"
    case key = "k_proj"
    case value = "v_proj"
    case output = "o_proj"
    case gate = "gate_proj"
    case up = "up_proj"
    case down = "down_proj"
}

/// A LoRA adapter in a backend: for some products of some layers, `y += (x · Aᵀ) · Bᵀ`, with `alpha / rank` already in B.
///
/// It is never merged into the weights, so that one step serves rows of several adapters and of none.
public final class Adapter: Sendable {
    public static let largestRank = 256

    struct Pair: Sendable {
        /// (rank, inputs) and (outputs, rank)
        var a: WeightMatrix
        var b: WeightMatrix
    }

    struct Place: Hashable, Sendable {
        var layer: Int
        var target: AdapterTarget
    }

    public let name: String
    private let pairs: [Place: Pair]

    init(name: String, pairs: [Place: Pair]) {
        self.name = name
        self.pairs = pairs
    }

    func pair(_ target: AdapterTarget, layer: Int) -> Pair? { pairs[Place(layer: layer, target: target)] }

    public var byteCount: Int { pairs.values.reduce(0) { $0 + $1.a.byteCount + $1.b.byteCount } }
}

/// Which consecutive rows of a step an adapter is for.
public struct AdapterSpan: Sendable {
    public var adapter: Adapter
    public var rows: Range<Int>

    public init(_ adapter: Adapter, rows: Range<Int>) {
        self.adapter = adapter
        self.rows = rows
    }
}
