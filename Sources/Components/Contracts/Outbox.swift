import Core

/// A message on its way out of the house. It is written in one transaction with the position of its sender, so that a killed
/// process forgets none; whoever receives it may get it twice, under the same `id`.
package struct OutboxMessage: Sendable {
    /// Who it is for: a webhook's id, or the name of an address that the server was started with.
    package var target: String
    /// What it says, for the history: `model_version.created`.
    package var label: String
    /// JSON.
    package var body: String

    package init(target: String, label: String, body: String) {
        self.target = target
        self.label = label
        self.body = body
    }
}

/// How one message fared.
package struct OutboxDelivery: Codable, Sendable, Hashable {
    package enum State: String, Codable, Sendable, CaseIterable {
        case pending, delivered
        /// Given up: refused by the other side, or not taken for days.
        case failed
    }

    package struct Attempt: Codable, Sendable, Hashable {
        package var at: Timestamp
        /// The answer's; nil when there was none.
        package var status: Int?
        package var error: String?
        package var milliseconds: Int

        package init(at: Timestamp, status: Int?, error: String?, milliseconds: Int) {
            self.at = at
            self.status = status
            self.error = error
            self.milliseconds = milliseconds
        }
    }

    package var id: String
    package var label: String
    package var state: State
    package var createdAt: Timestamp
    /// When it is tried next; nil when it is finished.
    package var dueAt: Timestamp?
    /// How often it was tried; `attempts` keeps the newest of them.
    package var attemptCount: Int
    /// Oldest first.
    package var attempts: [Attempt]

    package init(
        id: String, label: String, state: State, createdAt: Timestamp, dueAt: Timestamp?, attemptCount: Int,
        attempts: [Attempt]
    ) {
        self.id = id
        self.label = label
        self.state = state
        self.createdAt = createdAt
        self.dueAt = dueAt
        self.attemptCount = attemptCount
        self.attempts = attempts
    }
}

/// Where components leave what is to be posted elsewhere.
package protocol Outbox: Sendable {
    /// Up to which event `sender` has read the log; nil before its first `enqueue`.
    func position(of sender: String) async throws -> Int64?
    /// Keeps the messages and the sender's new position in one transaction.
    func enqueue(_ messages: [OutboxMessage], from sender: String, upTo position: Int64) async throws
    /// Newest first.
    func deliveries(to target: String, limit: Int) async throws -> [OutboxDelivery]
}

/// One POST to somewhere else.
package struct OutboundRequest: Sendable {
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: String
    /// The one IP address to connect to instead of looking up the URL's host, so that what was checked is what is reached.
    package var address: String?
    /// Seconds for the whole exchange.
    package var timeout: Double
    /// Bytes of the answer that are read.
    package var answerLimit: Int

    package init(
        url: String, headers: [(name: String, value: String)], body: String, address: String? = nil,
        timeout: Double = 30, answerLimit: Int = 64 << 10
    ) {
        self.url = url
        self.headers = headers
        self.body = body
        self.address = address
        self.timeout = timeout
        self.answerLimit = answerLimit
    }
}

package struct OutboundAnswer: Sendable, Hashable {
    package var status: Int
    package var retryAfter: String?
    /// Its beginning, up to the limit.
    package var body: String

    package init(status: Int, retryAfter: String? = nil, body: String = "") {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
    }
}

/// Posts, and follows no redirects. HTTP lives in the appliance, so that is where this is implemented.
package protocol OutboundPost: Sendable {
    /// Throws `unavailable` with a sentence fit to be shown when no answer came.
    func post(_ request: OutboundRequest) async throws -> OutboundAnswer
}
