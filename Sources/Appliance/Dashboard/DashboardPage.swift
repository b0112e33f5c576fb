import Contracts
import Core

/// One page: a struct of plain values whose property names are what its template in `web/pages` asks for.
package protocol DashboardPage: Sendable {
    /// The template's name below `web/pages`.
    var template: String { get }
    var title: String { get }
    var section: Section { get }
    /// The page's own address, without a query.
    var path: String { get }
    /// The way up.
    var trail: [Crumb] { get }
    /// The nouns of the events (`job` of `job.started`) after which its live regions are fetched again.
    var events: [String] { get }
}

extension DashboardPage {
    package var trail: [Crumb] { [] }
    package var events: [String] { [] }
}

/// The entries of the navigation.
package enum Section: String, Sendable, CaseIterable {
    case overview, datasets, features, experiments, traces, models, deployments, monitoring, jobs

    var href: String { self == .overview ? "/" : "/\(rawValue)" }
    var label: String { rawValue.prefix(1).uppercased() + rawValue.dropFirst() }

    static func links(current: Section?, path: String) -> [SectionLink] {
        allCases.map { SectionLink(label: $0.label, href: $0.href, isCurrent: $0 == current, isHere: $0.href == path) }
    }
}

struct SectionLink {
    var label: String
    var href: String
    var isCurrent: Bool
    var isHere: Bool
}

package struct Crumb: Sendable {
    var label: String
    var href: String

    init(_ label: String, _ href: String) {
        self.label = label
        self.href = href
    }
}

/// A labelled figure.
struct Stat {
    var label: String
    var value: String
    var note: String?

    init(_ label: String, _ value: String, _ note: String? = nil) {
        self.label = label
        self.value = value
        self.note = note
    }
}

/// A row of a list of names and values.
struct Pair {
    var key: String
    var value: String
    var href: String?

    init(_ key: String, _ value: String, href: String? = nil) {
        self.key = key
        self.value = value
        self.href = href
    }
}

/// A word with a colour; tones are `good`, `warn`, `bad`, `live` and none.
struct Badge {
    var text: String
    var tone: String

    init(_ text: String, _ tone: String = "") {
        self.text = text
        self.tone = tone
    }

    init(_ status: RunStatus) {
        switch status {
        case .running: self.init("running", "live")
        case .scheduled: self.init("scheduled")
        case .finished: self.init("finished", "good")
        case .failed: self.init("failed", "bad")
        case .killed: self.init("killed", "warn")
        }
    }

    init(_ state: JobState) {
        switch state {
        case .queued: self.init("queued")
        case .running: self.init("running", "live")
        case .succeeded: self.init("succeeded", "good")
        case .failed: self.init("failed", "bad")
        case .cancelled: self.init("cancelled", "warn")
        }
    }
}

/// A moment as people read it, with the exact one behind it.
struct TimeText {
    var text: String
    var iso: String
    /// Whether the text says how long ago, so that the script keeps it true.
    var isRecent: Bool

    init(_ moment: Timestamp, now: Timestamp) {
        iso = Format.iso(moment)
        let age = now.seconds(since: moment)
        isRecent = age > -5 && age < 60 * 86400
        text = Format.ago(moment, now: now)
    }
}

/// What to show, and what to do, where there is nothing yet.
struct Empty {
    var title: String
    var text: String
    var command: String?

    init(_ title: String, _ text: String, command: String? = nil) {
        self.title = title
        self.text = text
        self.command = command
    }
}
