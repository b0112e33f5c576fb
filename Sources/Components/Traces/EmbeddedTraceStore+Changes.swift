import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTraceStore {
    /// Traces per transaction: more would keep the writer from everybody else.
    private static let deletedAtOnce = 200

    package func delete(experimentID: String, _ selection: TraceSelection) async throws -> [String] {
        let ids = try await selected(experimentID, selection)
        var deleted: [String] = []
        for start in stride(from: 0, to: ids.count, by: Self.deletedAtOnce) {
            let some = Array(ids[start...].prefix(Self.deletedAtOnce))
            deleted += try await store.write { context in
                let gone = try some.filter { try Self.delete($0, in: context.db) }
                if !gone.isEmpty {
                    try context.record(
                        "traces.deleted", "experiment/\(experimentID)", ["count": .int(Int64(gone.count))])
                }
                return gone
            }
        }
        return deleted
    }

    private func selected(_ experiment: String, _ selection: TraceSelection) async throws -> [String] {
        try await store.read { db in
            switch selection {
            case .ids(let ids):
                let list = SpanContent.text(.array(ids.map(JSONValue.string)))
                let sql =
                    "SELECT id FROM tracing_traces WHERE experiment_id = ? AND id IN (SELECT value FROM json_each(?))"
                return try String.fetchAll(db, sql: sql, arguments: [experiment, list])
            case .until(let moment, let limit):
                let sql = """
                    SELECT id FROM tracing_traces WHERE experiment_id = ? AND timestamp_ms <= ?
                    ORDER BY timestamp_ms, id LIMIT ?
                    """
                return try String.fetchAll(db, sql: sql, arguments: [experiment, moment.milliseconds, limit ?? -1])
            }
        }
    }

    /// False when somebody else was faster.
    private static func delete(_ id: String, in db: GRDB.Database) throws -> Bool {
        for table in dependents {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE trace_id = ?").execute(arguments: [id])
        }
        try db.cachedStatement(sql: "DELETE FROM tracing_traces WHERE id = ?").execute(arguments: [id])
        return db.changesCount == 1
    }

    package func setTag(id: String, key: String, value: String?) async throws {
        if value != nil { try TraceRules.checkTag(key) }
        try await store.write { context in
            let db = context.db
            try Self.require(id, in: db)
            if let value {
                try Self.setTags([key: value], of: id, in: db)
            } else {
                try db.execute(
                    sql: "DELETE FROM tracing_tags WHERE trace_id = ? AND key = ?", arguments: [id, key])
                guard db.changesCount == 1 else {
                    throw NestboxError(.notFound, "No trace tag with key '\(key)' for trace with ID '\(id)'")
                }
            }
            try context.record("trace.tagged", "trace/\(id)", ["key": .string(key)])
        }
    }

    package func addAssessment(_ assessment: Assessment) async throws -> Assessment {
        try TraceRules.check(assessment)
        var assessment = assessment
        if assessment.id.isEmpty { assessment.id = newAssessmentID() }
        return try await store.write { [assessment] context in
            let db = context.db
            try Self.require(assessment.traceID, in: db)
            if let overridden = assessment.overrides {
                try db.execute(
                    sql: "UPDATE tracing_assessments SET valid = 0 WHERE id = ? AND trace_id = ?",
                    arguments: [overridden, assessment.traceID])
                guard db.changesCount == 1 else {
                    throw AssessmentRows.missing(overridden, trace: assessment.traceID)
                }
            }
            let sql = "SELECT EXISTS (SELECT 1 FROM tracing_assessments WHERE id = ?)"
            guard try Bool.fetchOne(db, sql: sql, arguments: [assessment.id]) == false else {
                throw NestboxError(.alreadyExists, "there is an assessment `\(assessment.id)` already")
            }
            try AssessmentRows.put(assessment, in: db)
            try context.record("trace.assessed", "trace/\(assessment.traceID)", ["name": .string(assessment.name)])
            return try AssessmentRows.find(assessment.id, trace: assessment.traceID, in: db)
        }
    }

    package func assessment(traceID: String, id: String) async throws -> Assessment {
        try await store.read { try AssessmentRows.find(id, trace: traceID, in: $0) }
    }

    package func updateAssessment(traceID: String, id: String, _ update: AssessmentUpdate) async throws -> Assessment {
        try await store.write { context in
            let db = context.db
            var assessment = try AssessmentRows.find(id, trace: traceID, in: db)
            if let kind = update.kind {
                guard kind == assessment.kind else {
                    throw NestboxError.invalid(
                        "Cannot update \(kind.rawValue) value on an assessment that is \(assessment.kind.rawValue).")
                }
                assessment.value = update.value ?? .null
                assessment.error = update.error
            }
            if let name = update.name { assessment.name = name }
            // As in the original, only feedback has a rationale to change.
            if let rationale = update.rationale, assessment.kind == .feedback { assessment.rationale = rationale }
            assessment.metadata.merge(update.metadata) { $1 }
            assessment.updatedAt = context.now
            try TraceRules.check(assessment)
            try AssessmentRows.put(assessment, in: db)
            try context.record("trace.assessed", "trace/\(traceID)", ["name": .string(assessment.name)])
            return try AssessmentRows.find(id, trace: traceID, in: db)
        }
    }

    package func deleteAssessment(traceID: String, id: String) async throws {
        try await store.write { context in
            let db = context.db
            try Self.require(traceID, in: db)
            let sql = "SELECT overrides FROM tracing_assessments WHERE id = ? AND trace_id = ?"
            guard let row = try Row.fetchOne(db, sql: sql, arguments: [id, traceID]) else { return }
            try db.execute(sql: "DELETE FROM tracing_assessments WHERE id = ?", arguments: [id])
            if let overridden: String = row[0] {
                try db.execute(
                    sql: "UPDATE tracing_assessments SET valid = 1 WHERE id = ? AND trace_id = ?",
                    arguments: [overridden, traceID])
            }
            try context.record("trace.assessed", "trace/\(traceID)", ["removed": .string(id)])
        }
    }

    package func link(traceIDs: [String], toRun run: String) async throws {
        guard traceIDs.count <= 100 else {
            throw NestboxError.invalid(
                "Cannot link more than 100 traces to a run in a single request. Provided \(traceIDs.count) traces.")
        }
        try await link(traceIDs.map { ($0, "run", run) })
    }

    package func link(traceID: String, toPrompts prompts: [String]) async throws {
        try await store.read { try Self.require(traceID, in: $0) }
        try await link(prompts.map { (traceID, "prompt", $0) })
    }

    /// A link may come before the trace does.
    private func link(_ links: [(trace: String, kind: String, target: String)]) async throws {
        for link in links {
            try TraceRules.checkIdentifier(link.trace)
            guard (1...1000).contains(link.target.utf8.count) else {
                throw NestboxError.invalid("a trace cannot be linked to the \(link.kind) `\(link.target.prefix(80))`")
            }
        }
        try await store.write { context in
            let statement = try context.db.cachedStatement(sql: "INSERT OR IGNORE INTO tracing_links VALUES (?, ?, ?)")
            for link in links {
                try statement.execute(arguments: [link.trace, link.kind, link.target])
                if context.db.changesCount == 1 {
                    try context.record(
                        "trace.linked", "trace/\(link.trace)", ["to": .string("\(link.kind)/\(link.target)")])
                }
            }
        }
    }
}
