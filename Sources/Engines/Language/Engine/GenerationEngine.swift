import Core
import Foundation
import Synchronization
import Tensors

/// Generates many texts at once on one model: continuous batching over a paged cache that texts with a common beginning share.
///
/// A thread of its own computes step after step as long as there is something to do. A text ends when its stream's consumer goes away.
public final class GenerationEngine: Sendable {
    public struct Limits: Sendable {
        /// Positions that all texts together may hold.
        public var cacheTokens = 16_384
        public var pageSize = 16
        public var cacheType = KVType.f16
        /// Rows of one step.
        public var tokensPerStep = 512
        /// Texts generated at once; others wait.
        public var mostTexts = 64
        public var mostWaiting = 512
        /// Tokens guessed for one text in one step; 0 turns guessing off.
        public var mostGuesses = 4

        public init() {}
    }

    /// What the engine does now.
    public struct Status: Sendable {
        public var running = 0
        public var waiting = 0
        public var cachePages = 0
        public var freePages = 0
        public var cacheBytes = 0
        public var weightBytes = 0
        public var steps = 0
        public var promptTokens = 0
        public var generatedTokens = 0
        public var guessedTokens = 0
        public var acceptedTokens = 0
    }

    private struct State {
        var arrived: [Arrival] = []
        var status = Status()
        var isClosed = false
    }

    private struct Arrival: @unchecked Sendable {
        // Unchecked: handed over to the engine's thread and used there only.
        var text: ActiveText
    }

    public let configuration: ModelConfiguration
    public let limits: Limits
    /// The most tokens of one text, prompt included.
    public let contextLength: Int
    private let vocabularySize: Int
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    /// Takes the model over.
    public init(_ model: sending DecoderModel, limits: Limits = Limits()) throws {
        let pages = (limits.cacheTokens + limits.pageSize - 1) / limits.pageSize
        let cache = try model.makeCache(pages: pages, pageSize: limits.pageSize, type: limits.cacheType)
        configuration = model.configuration
        vocabularySize = model.vocabularySize
        self.limits = limits
        contextLength = min(model.configuration.contextLength, pages * limits.pageSize)
        let loop = StepLoop(
            model, cache: cache,
            scheduler: Scheduler(
                pool: PagePool(pages: pages, pageSize: limits.pageSize),
                tokenBudget: min(limits.tokensPerStep, model.mostTokens),
                mostTexts: min(limits.mostTexts, model.mostLogits),
                mostGuesses: limits.mostGuesses))
        state.withLock {
            $0.status.weightBytes = model.weightBytes
            $0.status.cacheBytes = cache.buffer.byteCount
            $0.status.cachePages = pages
            $0.status.freePages = pages
        }
        let work = Handover(loop)
        let thread = Thread { [state = Shared(self)] in state.engine?.serve(work.loop) }
        thread.name = "generation"
        thread.stackSize = 8 << 20
        thread.start()
    }

    private struct Handover: @unchecked Sendable {
        // Unchecked: the new thread is the only one to use it.
        let loop: StepLoop
        init(_ loop: StepLoop) { self.loop = loop }
    }

    private struct Shared: Sendable {
        let engine: GenerationEngine?
        init(_ engine: GenerationEngine) { self.engine = engine }
    }

    public var status: Status { state.withLock { $0.status } }

    /// Begins a text. The stream ends with `finished`; giving it up ends the text.
    ///
    /// Throws `invalid_argument` for a prompt that the context cannot hold and for parameters out of range, `rate_limited` when too many
    /// wait, `unavailable` after `close`.
    public func generate(_ request: GenerationRequest) throws -> AsyncStream<GenerationEvent> {
        try request.sampling.check(vocabularySize: vocabularySize)
        let count = request.prompt.count
        guard count > 0 else { throw NestboxError.invalid("the prompt is empty") }
        guard request.prompt.allSatisfy({ $0 >= 0 && Int($0) < vocabularySize }) else {
            throw NestboxError.invalid("the prompt holds tokens that the model does not have")
        }
        let wanted = request.maxTokens ?? 1
        guard wanted > 0 else { throw NestboxError.invalid("`max_tokens` is \(wanted), and must be at least 1") }
        guard count < contextLength, wanted <= contextLength - count else {
            throw NestboxError.invalid(
                "This model's maximum context length is \(contextLength) tokens. However, your request has \(count) input tokens "
                    + "and asks for \(wanted) output tokens.",
                hint: "shorten the prompt, or ask for fewer tokens: nothing is cut off silently")
        }
        let flag = ActiveText.CancelFlag()
        let (stream, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        continuation.onTermination = { if case .cancelled = $0 { flag.set() } }
        let limit = request.maxTokens.map { count + $0 } ?? contextLength
        let arrival = Arrival(
            text: ActiveText(request, limit: limit, isCancelled: flag, continuation: continuation))
        try state.withLock { state in
            guard !state.isClosed else { throw NestboxError(.unavailable, "the model is being unloaded") }
            guard state.status.waiting + state.arrived.count < limits.mostWaiting else {
                throw NestboxError(
                    .rateLimited, "\(limits.mostWaiting) requests are waiting for this model",
                    hint: "try again in some seconds")
            }
            state.arrived.append(arrival)
        }
        wake.signal()
        return stream
    }

    /// Ends every text and lets the memory go.
    public func close() {
        state.withLock { $0.isClosed = true }
        wake.signal()
    }

    private func serve(_ loop: StepLoop) {
        while true {
            let (arrived, isClosed) = state.withLock { state in
                defer { state.arrived = [] }
                return (state.arrived, state.isClosed)
            }
            for arrival in arrived { loop.scheduler.add(arrival.text) }
            if isClosed { return loop.cancelAll() }
            loop.step()
            state.withLock { loop.report(into: &$0.status) }
            if loop.scheduler.isIdle { wake.wait() }
        }
    }
}

/// The engine's thread: plans a step, computes it, and hands out what it chose.
private final class StepLoop {
    private let model: DecoderModel
    private let cache: KVCache
    var scheduler: Scheduler
    private let layout = StepLayout()
    private var tokens: [Int32] = []
    private var logitRows: [Int32] = []
    private var spans: [AdapterSpan] = []
    private var steps = 0
    private var promptTokens = 0
    private var generatedTokens = 0
    private var guessedTokens = 0
    private var acceptedTokens = 0

    init(_ model: DecoderModel, cache: KVCache, scheduler: Scheduler) {
        self.model = model
        self.cache = cache
        self.scheduler = scheduler
    }

    func report(into status: inout GenerationEngine.Status) {
        status.running = scheduler.running.count
        status.waiting = scheduler.waitingCount
        status.freePages = scheduler.pool.freeCount
        status.steps = steps
        status.promptTokens = promptTokens
        status.generatedTokens = generatedTokens
        status.guessedTokens = guessedTokens
        status.acceptedTokens = acceptedTokens
    }

    func cancelAll() {
        for text in scheduler.running { text.isCancelled.set() }
        scheduler.cancelWaiting()
        scheduler.dropCancelled()
    }

    func step() {
        scheduler.dropCancelled()
        let shares = scheduler.plan()
        guard !shares.isEmpty else { return }
        lay(out: shares)
        let logits = model.step(tokens, layout, cache: cache, logitsOf: logitRows, adapters: spans)
        steps += 1
        var row = 0
        for share in shares {
            share.text.computed += share.count
            guard share.reachesEnd else {
                promptTokens += share.count
                scheduler.publish(share.text)
                continue
            }
            if share.count > 1 { promptTokens += share.count }
            choose(share, logits, firstRow: row)
            row += 1 + share.guesses.count
        }
    }

    private func lay(out shares: [Scheduler.Share]) {
        layout.removeAll()
        tokens.removeAll(keepingCapacity: true)
        logitRows.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        let pageSize = scheduler.pool.pageSize
        for share in shares {
            let text = share.text, first = text.computed, start = tokens.count
            tokens += text.tokens[first..<first + share.count]
            tokens += share.guesses
            let count = share.count + share.guesses.count
            layout.sequences.append(
                SequenceSpan(
                    queryStart: start, queryCount: count, length: first + count, tableStart: layout.blockTable.count))
            layout.blockTable += text.pages
            for position in first..<first + count {
                layout.positions.append(Int32(position))
                layout.slots.append(text.pages[position / pageSize] * Int32(pageSize) + Int32(position % pageSize))
            }
            if share.reachesEnd {
                for row in start + share.count - 1..<start + count { logitRows.append(Int32(row)) }
            }
            if let adapter = text.request.adapter { spans.append(AdapterSpan(adapter, rows: start..<start + count)) }
        }
    }

    /// Chooses the next token, and the ones behind it as long as the guesses were right.
    private func choose(_ share: Scheduler.Share, _ logits: Rows, firstRow: Int) {
        let text = share.text, guesses = Array(share.guesses)
        var accepted = 0, reason: FinishReason?
        while reason == nil {
            let constraint = text.request.constraint
            var mask: [UInt64]?
            if let constraint {
                mask = constraint.allowedTokens()
                if mask == nil {
                    reason = .stop
                    break
                }
            }
            let token = model.backend.withHostRow(logits, row: firstRow + accepted, count: model.vocabularySize) {
                text.sampler.sample($0, isAllowed: mask)
            }
            generatedTokens += 1
            reason = text.append(token)
            guard reason == nil, accepted < guesses.count, guesses[accepted] == token.id else { break }
            // Its key and value were computed along.
            text.computed += 1
            accepted += 1
        }
        guessedTokens += guesses.count
        acceptedTokens += accepted
        text.noteGuess(guesses.count, accepted: accepted)
        scheduler.publish(text)
        if let reason {
            scheduler.remove(text)
            text.finish(reason)
        }
    }
}
