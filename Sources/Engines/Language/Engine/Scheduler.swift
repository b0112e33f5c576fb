/// Decides which rows the next step computes. Texts that generate come first, one row each and their guesses; what is left of the budget
/// goes to prompts in parts, the clients in turn.
struct Scheduler {
    let tokenBudget: Int
    let mostTexts: Int
    /// Guesses for one text in one step.
    let mostGuesses: Int
    private(set) var pool: PagePool
    private(set) var running: [ActiveText] = []
    /// Waiting texts of each client, and the clients in turn.
    private var queues: [String: [ActiveText]] = [:]
    private var turns: [String] = []
    private var admitted = 0
    private var someGaveWay = false

    /// The rows of one text in a step.
    struct Share {
        var text: ActiveText
        /// Tokens from `text.computed` on that are computed, then guesses.
        var count: Int
        var guesses: ArraySlice<Int32> = []
        /// Whether the last of `count` is the text's last token, so that its logits choose the next.
        var reachesEnd: Bool
    }

    init(pool: PagePool, tokenBudget: Int, mostTexts: Int, mostGuesses: Int) {
        self.pool = pool
        self.tokenBudget = tokenBudget
        self.mostTexts = mostTexts
        self.mostGuesses = mostGuesses
    }

    var waitingCount: Int { queues.values.reduce(0) { $0 + $1.count } }
    var isIdle: Bool { running.isEmpty && queues.isEmpty }

    mutating func add(_ text: ActiveText) {
        let client = text.request.client
        if queues[client] == nil { turns.append(client) }
        queues[client, default: []].append(text)
    }

    func cancelWaiting() {
        for text in queues.values.joined() { text.isCancelled.set() }
    }

    /// Ends those that nobody waits for any more.
    mutating func dropCancelled() {
        for text in running where text.isCancelled.isSet {
            remove(text)
            text.finish(.cancelled)
        }
        for (client, texts) in queues {
            for text in texts where text.isCancelled.isSet { text.finish(.cancelled) }
            let left = texts.filter { !$0.isCancelled.isSet }
            setQueue(client, left)
        }
    }

    private mutating func setQueue(_ client: String, _ texts: [ActiveText]) {
        queues[client] = texts.isEmpty ? nil : texts
        if texts.isEmpty { turns.removeAll { $0 == client } }
    }

    /// The text is at its end: its pages are free for others.
    mutating func remove(_ text: ActiveText) {
        running.removeAll { $0 === text }
        releasePages(of: text)
    }

    private mutating func releasePages(of text: ActiveText) {
        // The last first: the beginning of a text is what another is likeliest to share.
        for page in text.pages.reversed() { pool.release(page) }
        text.pages = []
        text.publishedPages = 0
        text.publishedHash = ActiveText.salt(text.request.adapter)
        text.computed = 0
    }

    /// The shares of the next step; empty when there is nothing to do.
    mutating func plan() -> [Share] {
        var shares: [Share] = [], budget = tokenBudget
        someGaveWay = false
        let generating = running.filter(\.isGenerating)
        // Guesses pay where a step is mostly reading weights.
        let guesses = generating.count <= 4 ? min(mostGuesses, budget / max(1, generating.count) - 1) : 0
        for text in generating where budget > 0 && isRunning(text) {
            let guess = text.guess(most: min(guesses, budget - 1))
            guard reserve(text, upTo: text.computed + 1 + guess.count) else { continue }
            shares.append(Share(text: text, count: 1, guesses: guess, reachesEnd: true))
            budget -= 1 + guess.count
        }
        for text in running where !text.isGenerating && budget > 0 && isRunning(text) {
            if let share = prompt(text, &budget) { shares.append(share) }
        }
        while !someGaveWay, budget > 0, running.count < mostTexts, let text = admit() {
            if let share = prompt(text, &budget) { shares.append(share) }
        }
        // Some may have given way after they had their share.
        shares.removeAll { !isRunning($0.text) }
        return shares
    }

    private func isRunning(_ text: ActiveText) -> Bool { running.contains { $0 === text } }

    private mutating func prompt(_ text: ActiveText, _ budget: inout Int) -> Share? {
        let count = min(text.waiting, budget)
        guard reserve(text, upTo: text.computed + count) else { return nil }
        budget -= count
        return Share(text: text, count: count, reachesEnd: count == text.waiting)
    }

    /// The next client's first text, with the pages that others have filled for it; nil when there is no room for it.
    private mutating func admit() -> ActiveText? {
        guard let client = turns.first, var queue = queues[client] else { return nil }
        let text = queue[0]
        // The last token is computed in any case: its logits are wanted.
        text.pages = pool.findPrefix(Array(text.tokens.dropLast()), salt: text.publishedHash)
        let needed = (text.tokens.count + 1 + pool.pageSize - 1) / pool.pageSize - text.pages.count
        // A page for each running text's next one besides, or admitting it would make another give way at once.
        guard pool.freeCount >= needed + running.count || running.isEmpty else {
            for page in text.pages.reversed() { pool.release(page) }
            text.pages = []
            return nil
        }
        text.computed = text.pages.count * pool.pageSize
        if text.usage.completionTokens == 0 { text.usage.cachedTokens = text.computed }
        text.publishedPages = 0
        text.publishedHash = ActiveText.salt(text.request.adapter)
        for index in text.pages.indices {
            let slice = text.tokens[index * pool.pageSize..<(index + 1) * pool.pageSize]
            text.publishedHash = PagePool.hash(slice, after: text.publishedHash)
        }
        text.publishedPages = text.pages.count
        queue.removeFirst()
        turns.removeFirst()
        queues[client] = queue.isEmpty ? nil : queue
        if !queue.isEmpty { turns.append(client) }
        admitted += 1
        text.turn = admitted
        running.append(text)
        return text
    }

    /// Pages for the first `count` tokens. When there are none left, the youngest text gives way and is computed again later.
    private mutating func reserve(_ text: ActiveText, upTo count: Int) -> Bool {
        while text.pages.count * pool.pageSize < count {
            if let page = pool.take() {
                text.pages.append(page)
                continue
            }
            guard let youngest = running.max(by: { $0.turn < $1.turn }) else { return false }
            someGaveWay = true
            running.removeAll { $0 === youngest }
            releasePages(of: youngest)
            let client = youngest.request.client
            if queues[client] == nil { turns.insert(client, at: 0) }
            queues[client, default: []].insert(youngest, at: 0)
            if youngest === text { return false }
        }
        return true
    }

    /// Lets other texts find the pages that are full now.
    mutating func publish(_ text: ActiveText) {
        while (text.publishedPages + 1) * pool.pageSize <= text.computed {
            let start = text.publishedPages * pool.pageSize
            text.publishedHash = pool.publish(
                text.pages[text.publishedPages], text.tokens[start..<start + pool.pageSize], after: text.publishedHash)
            text.publishedPages += 1
        }
    }
}
