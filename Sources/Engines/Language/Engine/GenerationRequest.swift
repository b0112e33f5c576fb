import Core

/// What may follow, token by token: structured output. Confined to the engine's thread once it is handed over.
public protocol TokenConstraint: AnyObject {
    /// A bit for each token, least significant first; at least one is set. Nil when the text may only end here.
    func allowedTokens() -> [UInt64]?
    /// The token was chosen.
    func accept(_ token: Int32)
    /// Whether the text may end here.
    var isComplete: Bool { get }
}

/// One text to be generated.
public struct GenerationRequest: @unchecked Sendable {
    // Unchecked: whoever makes a request with a constraint lets go of it then.
    public var prompt: [Int32]
    /// Nil goes on to the end of the context.
    public var maxTokens: Int?
    public var sampling: SamplingParameters
    /// Which of the `n` texts of one call it is; each has its own chance.
    public var choice = 0
    /// Tokens that end the text and are not part of it.
    public var stopTokens: Set<Int32> = []
    public var adapter: Adapter?
    public var constraint: (any TokenConstraint)?
    /// Who shares the engine: clients take turns, however many requests each has.
    public var client = ""

    public init(prompt: [Int32], maxTokens: Int? = nil, sampling: SamplingParameters = SamplingParameters()) {
        self.prompt = prompt
        self.maxTokens = maxTokens
        self.sampling = sampling
    }
}

public enum FinishReason: String, Sendable {
    /// A stop token, or the end of what a grammar allows.
    case stop
    case length
    case cancelled
}

/// What a request cost.
public struct GenerationUsage: Sendable, Hashable {
    public var promptTokens = 0
    /// Of these, found computed already for another text.
    public var cachedTokens = 0
    public var completionTokens = 0
    /// From the submission to the first token, and to the last.
    public var firstToken = Duration.zero
    public var total = Duration.zero
    /// Tokens guessed from the text before, and those of them that were right.
    public var guessedTokens = 0
    public var acceptedTokens = 0
}

public enum GenerationEvent: Sendable {
    case token(SampledToken)
    /// The last event.
    case finished(FinishReason, GenerationUsage)
}
