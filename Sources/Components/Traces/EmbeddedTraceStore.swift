import Contracts
import Core
import GRDB
import Storage

/// `TraceStore` on SQLite.
package final class EmbeddedTraceStore: TraceStore {
    let store: Store
    let tracking: any Tracking
    let ambient: Ambient
    /// How often a trace whose spans are still missing is looked for again, a tenth of a second apart.
    let attempts: Int

    /// - Parameters:
    ///   - store: `telemetry.db`, opened with `migrations`.
    ///   - tracking: knows the experiments.
    package init(store: Store, tracking: any Tracking, ambient: Ambient, attempts: Int = 30) {
        self.store = store
        self.tracking = tracking
        self.ambient = ambient
        self.attempts = attempts
    }

    package func put(_ info: TraceInfo) async throws -> TraceInfo {
        try TraceRules.check(info)
        let experiment = try await activeExperiment(info.experimentID)
        var assessments = info.assessments
        for index in assessments.indices {
            assessments[index].traceID = info.id
            try TraceRules.check(assessments[index])
            if assessments[index].id.isEmpty { assessments[index].id = newAssessmentID() }
        }
        return try await store.write { [assessments] context in
            let db = context.db
            // Spans may have made the trace already: what they guessed gives way, what only they know stays.
            try db.execute(
                sql: """
                    INSERT INTO tracing_traces VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
                        experiment_id = excluded.experiment_id, timestamp_ms = excluded.timestamp_ms,
                        execution_time_ms = excluded.execution_time_ms, status = excluded.status,
                        client_request_id = excluded.client_request_id,
                        request_preview = coalesce(excluded.request_preview, request_preview),
                        response_preview = coalesce(excluded.response_preview, response_preview)
                    """,
                arguments: [
                    info.id, experiment.id, info.requestTime.milliseconds, info.duration, info.state.rawValue,
                    info.clientRequestID, info.requestPreview, info.responsePreview,
                ])
            var tags = info.tags, metadata = info.metadata
            tags[TraceKey.artifactLocation] = Self.artifactLocation(experiment, info.id)
            // Where spans lie is this store's to say.
            tags[TraceKey.spansLocation] = nil
            metadata[TraceKey.isFinal] = "true"
            try Self.setTags(tags, of: info.id, in: db)
            try Self.setMetadata(metadata, of: info.id, in: db)
            for assessment in assessments { try AssessmentRows.put(assessment, in: db) }
            try context.record("trace.recorded", "trace/\(info.id)", ["experiment": .string(experiment.id)])
            return try TraceRows.info(info.id, in: db)
        }
    }

    package func begin(
        experimentID: String, at time: Timestamp, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        let info = TraceInfo(
            id: ambient.newID(), experimentID: experimentID, requestTime: time, metadata: metadata, tags: tags)
        try TraceRules.check(info)
        let experiment = try await activeExperiment(experimentID)
        return try await store.write { context in
            let db = context.db
            try Self.insert(info, in: db)
            try Self.setTags(tags, of: info.id, in: db)
            try Self.setTags(
                [TraceKey.artifactLocation: Self.artifactLocation(experiment, info.id)], of: info.id, in: db)
            try Self.setMetadata(metadata, of: info.id, in: db)
            try context.record("trace.recorded", "trace/\(info.id)", ["experiment": .string(experiment.id)])
            return try TraceRows.info(info.id, in: db)
        }
    }

    package func end(
        id: String, at time: Timestamp, state: TraceState, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo {
        for key in tags.keys { try TraceRules.checkKey(key, "tag") }
        for key in metadata.keys { try TraceRules.checkKey(key, "metadata") }
        return try await store.write { context in
            let db = context.db
            try Self.require(id, in: db)
            try db.execute(
                sql: "UPDATE tracing_traces SET execution_time_ms = ? - timestamp_ms, status = ? WHERE id = ?",
                arguments: [time.milliseconds, state.rawValue, id])
            try Self.setTags(tags, of: id, in: db)
            try Self.setMetadata(metadata, of: id, in: db)
            try context.record("trace.ended", "trace/\(id)", ["state": .string(state.rawValue)])
            return try TraceRows.info(id, in: db)
        }
    }

    // MARK: shared

    private func activeExperiment(_ id: String) async throws -> Experiment {
        let experiment = try await tracking.experiment(id: id)
        guard experiment.lifecycleStage == .active else {
            throw NestboxError.invalid(
                "The experiment \(id) must be in the 'active' state. Current state is deleted.",
                hint: "restore the experiment, or choose another")
        }
        return experiment
    }

    func newAssessmentID() -> String { "a-" + ambient.newID() }

    static func artifactLocation(_ experiment: Experiment, _ trace: String) -> String {
        let root = experiment.artifactLocation
        return (root.hasSuffix("/") ? root : root + "/") + "traces/\(trace)/artifacts"
    }

    static func insert(_ info: TraceInfo, in db: GRDB.Database) throws {
        try db.execute(
            sql: "INSERT INTO tracing_traces VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                info.id, info.experimentID, info.requestTime.milliseconds, info.duration, info.state.rawValue,
                info.clientRequestID, info.requestPreview, info.responsePreview,
            ])
    }

    static func require(_ id: String, in db: GRDB.Database) throws {
        let sql = "SELECT EXISTS (SELECT 1 FROM tracing_traces WHERE id = ?)"
        guard try Bool.fetchOne(db, sql: sql, arguments: [id]) == true else { throw TraceRows.missing(id) }
    }

    static func setTags(_ tags: [String: String], of id: String, in db: GRDB.Database) throws {
        try set(tags, "tracing_tags", of: id, in: db)
    }

    static func setMetadata(_ metadata: [String: String], of id: String, in db: GRDB.Database) throws {
        try set(metadata, "tracing_metadata", of: id, in: db)
    }

    private static func set(_ pairs: [String: String], _ table: String, of id: String, in db: GRDB.Database) throws {
        let statement = try db.cachedStatement(
            sql:
                "INSERT INTO \(table) VALUES (?, ?, ?) ON CONFLICT (trace_id, key) DO UPDATE SET value = excluded.value"
        )
        for (key, value) in pairs { try statement.execute(arguments: [id, key, TraceRules.cut(value)]) }
    }
}
