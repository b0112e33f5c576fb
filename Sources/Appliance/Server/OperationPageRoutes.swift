import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// Jobs with their logs, and monitoring.
enum OperationPageRoutes {
    static let listedJobs = 200
    /// Reading a log chunk by chunk stops after this many characters; the page then shows the end.
    static let shownLog = 60_000

    static func routes(_ appliance: Appliance) -> [Route] { jobs(appliance) + monitoring(appliance) }

    // MARK: jobs

    private static func jobs(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/jobs", "Jobs") { call in
                let state = try call.query("state").map { text in
                    guard let state = JobState(rawValue: text) else {
                        throw NestboxError.invalid(
                            "`\(text.prefix(40))` is not a job state",
                            hint: "one of \(JobState.allCases.map(\.rawValue).joined(separator: ", "))")
                    }
                    return state
                }
                return JobsPage(
                    try await appliance.jobs.jobs(state: state, limit: listedJobs), state: state, limit: listedJobs,
                    now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/jobs/{id}", "One job with its log") { call in
                let id = try call.parameter("id")
                let job = try await appliance.jobs.job(id: id)
                let (log, isCut) = try await log(id, appliance)
                return JobPage(job, log: log, logIsCut: isCut, now: PageRoutes.now)
            }(appliance),
            PageRoutes.hidden(.get, "/jobs/{id}/log", "A job's log as plain text, from an offset on") { call in
                let id = try call.parameter("id")
                let offset = try JobRoutes.logOffset(call)
                // The state is read first: a job that is final now has written its whole log.
                let job = try await appliance.jobs.job(id: id)
                let chunk = try await appliance.jobs.log(id: id, offset: offset)
                var response = Response.text(chunk.text)
                response.headers[.cacheControl] = "no-store"
                response.headers[.init("Nestbox-Next-Offset")!] = "\(chunk.nextOffset)"
                response.headers[.init("Nestbox-Log-Final")!] = job.state.isFinal ? "true" : "false"
                return response
            },
            PageRoutes.form("/jobs/{id}/cancel", "Cancel a job") { call in
                .redirect(to: Format.link("jobs", try await appliance.jobs.cancel(id: try call.parameter("id")).id))
            },
            PageRoutes.form("/jobs/{id}/retry", "Queue a failed or cancelled job again") { call in
                .redirect(to: Format.link("jobs", try await appliance.jobs.retry(id: try call.parameter("id")).id))
            },
        ]
    }

    /// The end of the log, and whether its beginning is left out.
    private static func log(_ id: String, _ appliance: Appliance) async throws -> (JobLogChunk, Bool) {
        var text = "", offset: Int64 = 0, isCut = false
        while true {
            let chunk = try await appliance.jobs.log(id: id, offset: offset)
            if chunk.nextOffset <= offset { break }
            text += chunk.text
            offset = chunk.nextOffset
            if text.utf8.count > 2 * shownLog {
                let end = text.suffix(shownLog)
                text = String(end.drop { $0 != "\n" }.dropFirst())
                isCut = true
            }
        }
        return (JobLogChunk(text: text, nextOffset: offset), isCut)
    }

    // MARK: monitoring

    private static func monitoring(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/monitoring", "Drift and alerts") { _ in
                var rows: [(deployment: Deployment, report: DriftReport?)] = []
                for deployment in try await appliance.serving.deployments() {
                    rows.append((deployment, try await appliance.monitor.latestReport(deployment.name)))
                }
                return MonitoringPage(
                    rows, open: try await appliance.monitor.alerts(open: true, limit: 200),
                    closed: try await appliance.monitor.alerts(open: false, limit: 50), now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/monitoring/{name}", "Drift of one deployment, feature by feature") { call in
                try await drift(try call.parameter("name"), failure: nil, appliance)
            }(appliance),
            PageRoutes.form("/monitoring/{name}/check", "Compare now") { call in
                let name = try call.parameter("name")
                do {
                    _ = try await appliance.monitor.check(name)
                    return .redirect(to: Format.link("monitoring", name))
                } catch let error as NestboxError where error.code == .conflict {
                    return try await PageRoutes.html(
                        appliance, try await drift(name, failure: error, appliance), status: .conflict)
                }
            },
        ]
    }

    private static func drift(_ name: String, failure: NestboxError?, _ appliance: Appliance) async throws -> DriftPage
    {
        let deployment = try await appliance.serving.deployment(name)
        let alerts = try await appliance.monitor.alerts(open: nil, limit: 1000).filter { $0.deployment == name }
        return DriftPage(
            deployment, reports: try await appliance.monitor.reports(name, limit: 100),
            alerts: Array(alerts.prefix(50)), failure: failure,
            now: PageRoutes.now)
    }
}
