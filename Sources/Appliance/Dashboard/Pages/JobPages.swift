import Contracts
import Core

enum JobView {
    /// 0 … 1, whatever the worker reported.
    static func share(_ job: Job) -> Double {
        if job.state == .succeeded { return 1 }
        return job.progress.fraction.isFinite ? min(1, max(0, job.progress.fraction)) : 0
    }

    static func fraction(_ job: Job) -> String { Format.fixed(share(job), 4) }

    static func duration(_ job: Job, now: Timestamp) -> String {
        guard let start = job.startedAt else { return "–" }
        return Format.duration((job.finishedAt ?? now).seconds(since: start))
    }
}

/// `/jobs`
package struct JobsPage: DashboardPage {
    struct Row {
        var name: String
        var href: String
        var kind: String
        var state: Badge
        var fraction: String
        var percent: String
        var message: String
        var attempt: String
        var duration: String
        var created: TimeText
    }

    struct Tab {
        var label: String
        var href: String
        var isCurrent: Bool
    }

    package let template = "jobs"
    package let title = "Jobs"
    package let section = Section.jobs
    package let path = "/jobs"
    package let events = ["job"]

    let tabs: [Tab]
    let rows: [Row]
    let note: String?
    let empty: Empty

    /// - Parameter limit: how many were asked for; as many jobs mean that there may be more.
    package init(_ jobs: [Job], state: JobState?, limit: Int, now: Timestamp) {
        tabs =
            [Tab(label: "all", href: "/jobs", isCurrent: state == nil)]
            + JobState.allCases.map {
                Tab(label: $0.rawValue, href: "/jobs?state=\($0.rawValue)", isCurrent: $0 == state)
            }
        rows = jobs.map { job in
            Row(
                name: job.name, href: Format.link("jobs", job.id), kind: job.kind, state: Badge(job.state),
                fraction: JobView.fraction(job),
                percent: Format.percent(JobView.share(job)), message: job.error?.message ?? job.progress.message,
                attempt: "\(job.attempt) of \(job.maxAttempts)", duration: JobView.duration(job, now: now),
                created: TimeText(job.createdAt, now: now))
        }
        note = jobs.count >= limit ? "Only the newest \(limit) are shown." : nil
        empty = Empty(
            state.map { "No \($0.rawValue) job" } ?? "No job yet",
            "Training runs as a job: queued durably, tried again after a crash, with its log kept.",
            command: state == nil ? "nestbox train samples/flights/quick.yaml" : nil)
    }
}

/// `/jobs/{id}`
package struct JobPage: DashboardPage {
    package let template = "job"
    package let title: String
    package let section = Section.jobs
    package let path: String
    package let trail = [Crumb("Jobs", "/jobs")]
    package let events = ["job"]

    let id: String
    let state: Badge
    let fraction: String
    let percent: String
    let message: String
    let stats: [Stat]
    let error: String?
    let errorHint: String?
    let waiting: String?
    let canCancel: Bool
    let isCancelling: Bool
    let canRetry: Bool
    let cancelPath: String
    let retryPath: String
    let logPath: String
    let log: String
    let hasLog: Bool
    let logOffset: String
    let logNote: String?
    let isFinal: String
    let results: [Pair]
    let hasResults: Bool
    let payload: String

    /// - Parameter logIsCut: whether `log` starts after the log's beginning.
    package init(_ job: Job, log: JobLogChunk, logIsCut: Bool, now: Timestamp) {
        id = job.id
        title = job.name
        path = Format.link("jobs", job.id)
        state = job.cancelRequested && !job.state.isFinal ? Badge("stopping", "warn") : Badge(job.state)
        fraction = JobView.fraction(job)
        percent = Format.percent(JobView.share(job))
        message = job.progress.message
        stats = [
            Stat("Kind", job.kind), Stat("Attempt", "\(job.attempt)", "of \(job.maxAttempts)"),
            Stat("Duration", JobView.duration(job, now: now)),
            Stat("Submitted", Format.ago(job.createdAt, now: now), "by \(Format.actor(job.createdBy))"),
        ]
        error = job.error.map { "\($0.message)" }
        errorHint = job.error?.hint
        waiting =
            job.state == .queued ? job.notBefore.flatMap { $0 > now ? "Tried again at \(Format.date($0))." : nil } : nil
        canCancel = !job.state.isFinal && !job.cancelRequested
        isCancelling = !job.state.isFinal && job.cancelRequested
        canRetry = job.state == .failed || job.state == .cancelled
        cancelPath = path + "/cancel"
        retryPath = path + "/retry"
        logPath = path + "/log"
        self.log = log.text
        hasLog = !log.text.isEmpty
        logOffset = "\(log.nextOffset)"
        logNote = logIsCut ? "the end of a longer log" : nil
        isFinal = job.state.isFinal ? "true" : "false"
        results = Self.results(job.result)
        hasResults = !results.isEmpty
        payload = Format.short((try? JSON.string(job.payload, pretty: true)) ?? "", 20_000)
    }

    /// A `TrainingOutcome` with links; any other object as it is.
    private static func results(_ result: JSONValue?) -> [Pair] {
        guard let object = result?.objectValue else { return result.map { [Pair("result", Format.json($0))] } ?? [] }
        var pairs: [Pair] = []
        for (key, value) in object.sorted(by: { $0.key < $1.key }) where value != .null {
            switch key {
            case "runID", "run_id":
                pairs.append(Pair("run", Format.json(value), href: Format.link("runs", Format.json(value))))
            case "experimentID", "experiment_id":
                pairs.append(
                    Pair("experiment", Format.json(value), href: Format.link("experiments", Format.json(value))))
            case "model":
                pairs.append(Pair("model", Format.json(value), href: Format.link("models", Format.json(value))))
            case "metrics":
                for (name, number) in (value.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
                    pairs.append(Pair(name, Format.json(number)))
                }
            default: pairs.append(Pair(key, Format.json(value)))
            }
        }
        return pairs
    }
}
