import Contracts
import Core

/// Runs that an attempt left RUNNING because it was killed. The next attempt starts a run of its own, so these must end.
package enum AbandonedRuns {
    /// Ends every RUNNING run of that training job: KILLED when the job was cancelled, otherwise FAILED. For the server,
    /// after a child's end. Does nothing for jobs of other kinds and for jobs whose worker is alive.
    package static func end(of job: Job, tracking: any Tracking, ambient: Ambient) async throws {
        guard TrainingHandlers.kinds.contains(job.kind), job.state != .running,
            let recipe = try? TrainingRecipe(value: job.payload)
        else { return }
        do {
            let experiment = try await tracking.experiment(named: recipe.experiment ?? recipe.name)
            try await end(of: job, in: experiment.id, tracking: tracking, ambient: ambient)
        } catch let error as NestboxError where error.code == .notFound {
            // No attempt came as far as making the experiment.
        }
    }

    static func end(of job: Job, in experimentID: String, tracking: any Tracking, ambient: Ambient) async throws {
        // An hour covers clocks that differ between worker and server.
        let oldest = job.createdAt.adding(seconds: -3600)
        var token: String?
        repeat {
            let page = try await tracking.runs(
                RunSearch(
                    experimentIDs: [experimentID], maxResults: 200, orderBy: ["attributes.start_time DESC"],
                    pageToken: token))
            for run in page.items where run.status == .running && run.tags[Trainer.jobTag] == job.id {
                let status: RunStatus = job.state == .cancelled || job.cancelRequested ? .killed : .failed
                try await tracking.log(
                    runID: run.id, LogBatch(tags: ["nestbox.error": job.error?.message ?? "the attempt was abandoned"]))
                _ = try await tracking.updateRun(id: run.id, RunUpdate(status: status, endTime: ambient.now()))
            }
            token = page.items.last.map { $0.startTime < oldest } ?? true ? nil : page.nextPageToken
        } while token != nil
    }
}
