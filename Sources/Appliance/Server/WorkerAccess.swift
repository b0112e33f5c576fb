import Core
import HTTPTypes
import Hummingbird

/// What a job's token opens: what training reads and records, and the job's own lease. Not other jobs, deployments,
/// predictions, backups, pages, or what removes things.
enum WorkerAccess {
    /// Throws `permission_denied` when a job's worker calls what it does not need.
    static func check(_ route: Route, _ call: Call) throws {
        guard let job = call.context.job else { return }
        guard opens(route, call, job: job) else {
            throw NestboxError(
                .permissionDenied, "the token of job `\(job)` does not open \(route.method.rawValue) \(route.path)",
                hint: "it is for the job's own lease, datasets, features, runs, artifacts and model versions")
        }
    }

    private static func opens(_ route: Route, _ call: Call, job: String) -> Bool {
        let isRead = route.method == .get
        switch route.tag {
        case "Datasets", "Models": return isRead
        case "Features": return isRead || route.path.hasSuffix("/online") || route.path.hasSuffix("/training-sets")
        case "MLflow": return route.method != .delete && !isRemoval(route.path)
        case "MLflow artifacts": return route.method != .delete
        case "System": return ["/health", "/ready", "/api/openapi.json"].contains(route.path)
        case "Jobs": return opensJob(route, call, job: job)
        default: return false
        }
    }

    /// MLflow removes and renames with POST as well.
    private static func isRemoval(_ path: String) -> Bool {
        let verb = path.split(separator: "/").last ?? ""
        return ["delete", "restore", "rename"].contains { verb.hasPrefix($0) }
    }

    private static func opensJob(_ route: Route, _ call: Call, job: String) -> Bool {
        // The job that is to be leased stands in the body: its route compares.
        if route.path == "/api/v1/jobs/lease" { return true }
        let own = ["", "/log", "/renew", "/finish"].map { "/api/v1/jobs/{id}" + $0 }
        return own.contains(route.path) && call.context.parameters.get("id") == job
    }
}
