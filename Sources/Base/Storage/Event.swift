import Core

/// A recorded fact. Written in the same transaction as the rows that it speaks of.
public struct Event: Sendable, Codable, Hashable {
    /// Position in its log; grows by one with each event.
    public var id: Int64
    /// Which file's log: `nestbox` holds decisions, `telemetry` what is measured.
    public var log: String
    public var at: Timestamp
    /// What happened, as `noun.verb`: `run.created`, `alias.moved`, `alert.opened`.
    public var kind: String
    /// What it happened to, as `noun/identifier`: `run/0190…`, `model/flights-late`.
    public var subject: String
    /// Who caused it; see `Caller`.
    public var actor: String
    public var data: JSONValue

    public init(
        id: Int64, log: String = "nestbox", at: Timestamp, kind: String, subject: String, actor: String, data: JSONValue
    ) {
        self.id = id
        self.log = log
        self.at = at
        self.kind = kind
        self.subject = subject
        self.actor = actor
        self.data = data
    }
}
