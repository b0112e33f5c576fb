import Core
import Synchronization

/// A text that the engine works on: its tokens, how many of them are in the cache, and where.
final class ActiveText {
    let request: GenerationRequest
    let continuation: AsyncStream<GenerationEvent>.Continuation
    /// Set by whoever loses interest, on any thread.
    let isCancelled: CancelFlag
    let submitted: ContinuousClock.Instant
    /// Prompt and what was generated.
    var tokens: [Int32]
    /// Tokens whose keys and values are in the cache, from the first.
    var computed = 0
    var pages: [Int32] = []
    /// How many of `pages` are full and known to others, and the hash up to their end.
    var publishedPages = 0
    var publishedHash: UInt64
    var sampler: Sampler
    var usage = GenerationUsage()
    /// The order of admission: the youngest gives way when pages run out.
    var turn = 0
    private let limit: Int
    private var lookup = PromptLookup()

    final class CancelFlag: Sendable {
        private let value = Atomic<Bool>(false)
        func set() { value.store(true, ordering: .relaxed) }
        var isSet: Bool { value.load(ordering: .relaxed) }
    }

    /// - Parameter limit: the tokens of prompt and text together.
    init(
        _ request: GenerationRequest, limit: Int, isCancelled: CancelFlag,
        continuation: AsyncStream<GenerationEvent>.Continuation
    ) {
        self.request = request
        self.limit = limit
        self.isCancelled = isCancelled
        self.continuation = continuation
        submitted = .now
        tokens = request.prompt
        publishedHash = Self.salt(request.adapter)
        sampler = Sampler(request.sampling, prompt: request.prompt, choice: request.choice)
        usage.promptTokens = request.prompt.count
        tokens.reserveCapacity(min(limit, request.prompt.count + 1024))
    }

    /// Keys and values computed with one adapter are of no use without it.
    static func salt(_ adapter: Adapter?) -> UInt64 {
        adapter.map { UInt64(UInt(bitPattern: ObjectIdentifier($0).hashValue)) | 1 } ?? PagePool.root
    }

    /// Tokens that are not in the cache.
    var waiting: Int { tokens.count - computed }
    /// All but the last token, whose logits choose the next, are in the cache.
    var isGenerating: Bool { waiting == 1 && computed > 0 }
    var room: Int { limit - tokens.count }

    /// Likely next tokens, at most `most`: what followed when the last tokens occurred before.
    func guess(most: Int) -> ArraySlice<Int32> {
        let most = min(most, room - 1)
        return most > 0 ? lookup.guess(tokens, most: most) : []
    }

    func noteGuess(_ guessed: Int, accepted: Int) {
        usage.guessedTokens += guessed
        usage.acceptedTokens += accepted
        lookup.note(guessed: guessed, accepted: accepted)
    }

    /// Takes a token over. Returns why the text ends with it, if it does.
    func append(_ token: SampledToken) -> FinishReason? {
        if usage.completionTokens == 0 { usage.firstToken = submitted.duration(to: .now) }
        if request.stopTokens.contains(token.id) { return .stop }
        usage.completionTokens += 1
        tokens.append(token.id)
        request.constraint?.accept(token.id)
        continuation.yield(.token(token))
        return room <= 0 ? .length : nil
    }

    func finish(_ reason: FinishReason) {
        usage.total = submitted.duration(to: .now)
        continuation.yield(.finished(reason, usage))
        continuation.finish()
    }
}

/// Speculative decoding without a second model: text repeats itself. Source: https://github.com/apoorvumang/prompt-lookup-decoding.
struct PromptLookup {
    /// The positions behind the last occurrence of each pair of tokens.
    private var places: [UInt64: Int] = [:]
    private var indexed = 0
    /// A moving share of guesses that were right; guessing pauses where it does not pay.
    private var hits: Float = 0.5
    private var pause = 0

    mutating func guess(_ tokens: [Int32], most: Int) -> ArraySlice<Int32> {
        guard tokens.count >= 3 else { return [] }
        let key = { (end: Int) in
            UInt64(UInt32(bitPattern: tokens[end - 2])) << 32 | UInt64(UInt32(bitPattern: tokens[end - 1]))
        }
        // The last pair itself is not indexed yet.
        while indexed + 2 < tokens.count {
            places[key(indexed + 2)] = indexed + 2
            indexed += 1
        }
        if pause > 0 {
            pause -= 1
            return []
        }
        guard let place = places[key(tokens.count)] else { return [] }
        return tokens[place..<min(place + most, tokens.count)]
    }

    mutating func note(guessed: Int, accepted: Int) {
        guard guessed > 0 else { return }
        hits = 0.8 * hits + 0.2 * Float(accepted) / Float(guessed)
        if hits < 0.2 {
            pause = 16
            hits = 0.3
        }
    }
}
