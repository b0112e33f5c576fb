import Contracts
import Core
import GRDB
import Storage

extension EmbeddedTracking {
    /// Where a page begins, and the search that it belongs to.
    private struct ModelCursor: Codable, Equatable {
        var experiments: [String]
        var filter: String
        var datasets: [LoggedModelSearch.Dataset]
        var order: [LoggedModelSearch.Order]
        var offset: Int
    }

    package func loggedModels(_ search: LoggedModelSearch) async throws -> Page<LoggedModel> {
        try TrackingRules.checkPageSize(search.maxResults)
        guard search.orderBy.count <= 20, search.datasets.count <= 100 else {
            throw NestboxError.invalid("at most 20 `order_by` fields and 100 `datasets` can be searched by")
        }
        guard search.datasets.allSatisfy({ !$0.name.isEmpty }) else {
            throw NestboxError.invalid("`dataset_name` in the `datasets` clause must be specified")
        }
        let experiments = try search.experimentIDs.map { try Self.experimentNumber($0) }
        var cursor = ModelCursor(
            experiments: search.experimentIDs, filter: search.filter, datasets: search.datasets, order: search.orderBy,
            offset: 0)
        if let given = try PageToken.decode(ModelCursor.self, search.pageToken) {
            cursor.offset = given.offset
            guard cursor == given, given.offset >= 0 else { throw PageToken.invalid(search.pageToken ?? "") }
        }
        return try await decisions.read { [cursor] db in
            let query = try LoggedModelQuery(search, experiments: experiments, offset: cursor.offset)
            let ids = try String.fetchAll(db, sql: query.sql, arguments: query.arguments)
            let shown = Array(ids.prefix(search.maxResults))
            var next: String?
            if ids.count > shown.count {
                var following = cursor
                following.offset += shown.count
                next = try PageToken.encode(following)
            }
            return Page(items: try LoggedModelRows.models(shown, in: db), nextPageToken: next)
        }
    }
}

/// One search of logged models as one SQL statement.
struct LoggedModelQuery {
    private(set) var sql: String
    private(set) var arguments = StatementArguments()

    /// The attributes that are searched and ordered by.
    static let columns = [
        "model_id": "m.id", "experiment_id": "m.experiment_id", "name": "m.name", "model_type": "m.model_type",
        "source_run_id": "m.source_run_id", "status": "m.status", "status_message": "m.status_message",
        "artifact_location": "m.artifact_uri", "artifact_uri": "m.artifact_uri", "lifecycle_stage": "m.stage",
        "creation_time": "m.created_at", "creation_timestamp": "m.created_at", "creation_timestamp_ms": "m.created_at",
        "last_updated_timestamp": "m.updated_at", "last_updated_timestamp_ms": "m.updated_at",
    ]

    init(_ search: LoggedModelSearch, experiments: [Int64], offset: Int) throws {
        // A page holds ids only; the order's values are columns beside them, so that each is computed once.
        var selected = "m.id", order: [String] = []
        for (index, clause) in search.orderBy.enumerated() {
            selected += ", \(try Self.value(of: clause, &arguments)) AS o\(index)"
            order.append("o\(index) \(clause.isAscending ? "ASC" : "DESC") NULLS LAST")
        }
        var conditions = ["m.stage = 'active'", "m.experiment_id IN (SELECT value FROM json_each(?))"]
        arguments += [try JSON.string(experiments)]
        let clauses = try SearchFilter(search.filter, .loggedModels).clauses
        for clause in clauses { conditions.append(try Self.condition(clause, search.datasets, &arguments)) }
        let measures = clauses.contains { $0.field.entity == .metric }
        if !search.datasets.isEmpty, !measures {
            let datasets = Self.condition(search.datasets, &arguments)
            conditions.append("EXISTS (SELECT 1 FROM tracking_model_metrics x WHERE x.model_id = m.id AND \(datasets))")
        }
        order += ["m.created_at DESC", "m.id"]
        sql = """
            SELECT \(selected) FROM tracking_models m WHERE \(conditions.joined(separator: " AND "))
            ORDER BY \(order.joined(separator: ", ")) LIMIT ? OFFSET ?
            """
        arguments += [search.maxResults + 1, offset]
    }

    /// A metric's value is its latest one, by time, then step.
    private static func value(
        of order: LoggedModelSearch.Order, _ arguments: inout StatementArguments
    ) throws -> String {
        if order.field.hasPrefix("metrics.") {
            arguments += [String(order.field.dropFirst(8))]
            var condition = "x.model_id = m.id AND x.key = ?"
            for (column, value) in [("dataset_name", order.datasetName), ("dataset_digest", order.datasetDigest)] {
                guard let value else { continue }
                condition += " AND x.\(column) = ?"
                arguments += [value]
            }
            return """
                (SELECT CASE WHEN x.is_nan THEN NULL ELSE x.value END FROM tracking_model_metrics x WHERE \(condition)
                ORDER BY x.timestamp DESC, x.step DESC, x.run_id LIMIT 1)
                """
        }
        guard let column = columns[order.field] else {
            throw NestboxError.invalid(
                "Invalid order by field name: \(order.field.prefix(120))",
                hint: "order by metrics.KEY, or by \(columns.keys.sorted().joined(separator: ", "))")
        }
        return column
    }

    private static func condition(
        _ clause: SearchFilter.Clause, _ datasets: [LoggedModelSearch.Dataset], _ arguments: inout StatementArguments
    ) throws -> String {
        let table: String
        switch clause.field.entity {
        case .metric: table = "tracking_model_metrics"
        case .param: table = "tracking_model_params"
        case .tag: table = "tracking_model_tags"
        default:
            var clause = clause
            if clause.field.key == "status" { clause.values = clause.values.map(status) }
            return try sql(clause, on: columns[clause.field.key] ?? "NULL", &arguments)
        }
        arguments += [clause.field.key]
        var condition = "x.model_id = m.id AND x.key = ? AND \(try sql(clause, on: "x.value", &arguments))"
        if clause.field.entity == .metric {
            condition += " AND NOT x.is_nan"
            if !datasets.isEmpty { condition += " AND \(self.condition(datasets, &arguments))" }
        }
        return "EXISTS (SELECT 1 FROM \(table) x WHERE \(condition))"
    }

    /// Clients write the short form, `READY`.
    private static func status(_ value: SearchValue) -> SearchValue {
        guard case .text(let text) = value else { return value }
        if text == "FAILED" { return .text("LOGGED_MODEL_UPLOAD_FAILED") }
        return .text(text.hasPrefix("LOGGED_MODEL_") ? text : "LOGGED_MODEL_\(text)")
    }

    private static func condition(
        _ datasets: [LoggedModelSearch.Dataset], _ arguments: inout StatementArguments
    ) -> String {
        let parts = datasets.map { dataset in
            arguments += [dataset.name]
            guard let digest = dataset.digest else { return "x.dataset_name = ?" }
            arguments += [digest]
            return "x.dataset_name = ? AND x.dataset_digest = ?"
        }
        return "(" + parts.map { "(\($0))" }.joined(separator: " OR ") + ")"
    }

    private static func sql(
        _ clause: SearchFilter.Clause, on column: String, _ arguments: inout StatementArguments
    ) throws -> String {
        let condition = try clause.condition(on: column)
        arguments += StatementArguments(condition.values.map(\.databaseValue))
        return condition.sql
    }
}
