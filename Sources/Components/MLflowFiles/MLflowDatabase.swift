import Contracts
import Core
import Foundation
import GRDB

/// The database file of an MLflow server or client. Source: mlflow/store/tracking/dbmodels/models.py and
/// model_registry/dbmodels/models.py (3.17), and the migrations, which say since when a table or column is there.
///
/// Everything since MLflow 2.0 is read: what came later is looked for and may be missing.
final class MLflowDatabase: MLflowSource {
    let database: ForeignDatabase
    let artifacts: ArtifactFolders
    let tables: Set<String>
    private let workspaces: Set<String>

    static let pageSize = 200
    private static let historyPage = 50_000
    /// The workspace of everybody who has none, and the only one that a server shows to clients that name none.
    private static let workspace = "default"
    private static let needed = [
        "experiments": ["experiment_id", "name", "artifact_location", "lifecycle_stage"],
        "experiment_tags": ["key", "value", "experiment_id"],
        "runs": [
            "run_uuid", "name", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri", "experiment_id",
        ],
        "params": ["key", "value", "run_uuid"], "tags": ["key", "value", "run_uuid"],
        "metrics": ["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
        "registered_models": ["name", "creation_time", "last_updated_time", "description"],
        "registered_model_tags": ["key", "value", "name"],
        "model_versions": ["name", "version", "creation_time", "current_stage", "source", "run_id"],
        "model_version_tags": ["key", "value", "name", "version"],
    ]

    var address: String { database.path }

    init(_ path: String, artifacts: ArtifactFolders) async throws {
        let database = try ForeignDatabase(path)
        let columns = try await database.read { db in
            var columns: [String: Set<String>] = [:]
            for table in try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'") {
                columns[table] = Set(try db.columns(in: table).map(\.name))
            }
            return columns
        }
        guard columns["alembic_version"] != nil, columns["experiments"] != nil, columns["runs"] != nil else {
            throw unreadable(
                "the database `\(path)` is none of MLflow's: it has no tables `alembic_version`, `experiments` and `runs`",
                hint: columns.isEmpty ? "it is empty" : "give the file that `mlflow server --backend-store-uri` names")
        }
        for (table, names) in Self.needed.sorted(by: { $0.key < $1.key }) {
            let missing = names.filter { !(columns[table]?.contains($0) ?? false) }
            guard missing.isEmpty else {
                let version = try await database.read { db in
                    try String.fetchOne(db, sql: "SELECT version_num FROM alembic_version")
                }
                throw unreadable(
                    "the tables of `\(path)` (revision \(version ?? "unknown")) are not those of MLflow 2 or 3: "
                        + (columns[table] == nil ? "there is no `\(table)`" : "`\(table)` has no `\(missing[0])`"),
                    hint: "update a copy with `mlflow db upgrade sqlite:///COPY`, and import that")
            }
        }
        self.database = database
        self.artifacts = artifacts
        tables = Set(columns.keys)
        workspaces = Set(columns.filter { $0.value.contains("workspace") }.keys)
    }

    /// Narrows a query to what a server shows.
    func inWorkspace(_ table: String) -> String {
        workspaces.contains(table) ? "\(table).workspace = '\(Self.workspace)'" : "1"
    }

    func leftOut() async throws -> [String] {
        var left: [String] = []
        for table in ["experiments", "registered_models"] where workspaces.contains(table) {
            let rows = try await database.read { [workspace = Self.workspace] db in
                try Row.fetchAll(
                    db,
                    sql:
                        "SELECT workspace, count(*) FROM \(table) WHERE workspace <> ? GROUP BY workspace ORDER BY workspace",
                    arguments: [workspace]
                ).map { ($0[0] as String? ?? "", $0[1] as Int? ?? 0) }
            }
            for (name, count) in rows {
                left.append(
                    "workspace `\(name)`: its \(count) \(table.replacing("_", with: " ")) are not imported: Nestbox has no workspaces"
                )
            }
        }
        return left
    }

    /// Key and value by owner.
    static func pairs(
        _ db: Database, _ sql: String, _ arguments: StatementArguments = StatementArguments()
    ) throws -> [String: [String: String]] {
        var pairs: [String: [String: String]] = [:]
        for row in try Row.fetchAll(db, sql: sql, arguments: arguments) {
            let record = Record(row, "a tag or parameter")
            pairs[try record.text("owner"), default: [:]][try record.text("key")] =
                try record.optionalText("value") ?? ""
        }
        return pairs
    }

    static func found<T>(_ read: () throws -> T) -> Result<T, NestboxError> {
        do {
            return .success(try read())
        } catch let error as NestboxError {
            return .failure(error)
        } catch {
            return .failure(unreadable("\(error)"))
        }
    }

    func experiments() async throws -> [Found<Experiment>] {
        let condition = inWorkspace("experiments")
        return try await database.read { db in
            let tags = try Self.pairs(db, "SELECT experiment_id AS owner, key, value FROM experiment_tags")
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM experiments WHERE \(condition) ORDER BY experiment_id")
            return rows.map { row in
                Self.found {
                    let id = try Record(row, "an experiment").text("experiment_id")
                    let record = Record(row, "experiment `\(id)`")
                    let created = try record.optionalTime("creation_time") ?? Timestamp(milliseconds: 0)
                    return Experiment(
                        id: id, name: try record.text("name"),
                        artifactLocation: try record.optionalText("artifact_location") ?? "",
                        lifecycleStage: try record.optionalText("lifecycle_stage").flatMap(LifecycleStage.init)
                            ?? .active,
                        createdAt: created, updatedAt: try record.optionalTime("last_update_time") ?? created,
                        tags: tags[id] ?? [:])
                }
            }
        }
    }

    // MARK: Runs

    func runs(of experiment: Experiment, page: String?) async throws -> MLflowPage<Run> {
        let hasInputs = tables.isSuperset(of: ["inputs", "datasets", "input_tags"])
        return try await database.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM runs WHERE experiment_id = ? AND run_uuid > ? ORDER BY run_uuid LIMIT ?",
                arguments: [Int64(experiment.id), page ?? "", Self.pageSize])
            let ids = rows.map { $0["run_uuid"] as String? ?? "" }
            let list = try JSON.string(ids)
            func of(_ table: String) throws -> [String: [String: String]] {
                try Self.pairs(
                    db,
                    """
                    SELECT run_uuid AS owner, key, value FROM \(table)
                    WHERE run_uuid IN (SELECT value FROM json_each(?))
                    """, [list])
            }
            let params = try of("params"), tags = try of("tags")
            let links = hasInputs ? try RunLinks(db, list) : RunLinks()
            let items = rows.map { row in
                Self.found { try Self.run(Record(row, "a run"), row, params, tags, links) }
            }
            return MLflowPage(items: items, next: rows.count == Self.pageSize ? ids.last : nil)
        }
    }

    private static func run(
        _ unnamed: Record, _ row: Row, _ params: [String: [String: String]], _ tags: [String: [String: String]],
        _ links: RunLinks
    ) throws -> Run {
        let id = try unnamed.text("run_uuid")
        let record = Record(row, "run `\(id)`")
        let name = try record.optionalText("name") ?? ""
        guard let status = RunStatus(rawValue: try record.text("status")) else {
            throw unreadable("run `\(id)`: its column `status` holds no status")
        }
        return Run(
            id: id, experimentID: try record.text("experiment_id"),
            name: name.isEmpty ? tags[id]?["mlflow.runName"] ?? "" : name,
            user: try record.optionalText("user_id") ?? "", status: status,
            startTime: try record.optionalTime("start_time") ?? Timestamp(milliseconds: 0),
            endTime: try record.optionalTime("end_time"),
            lifecycleStage: try record.optionalText("lifecycle_stage").flatMap(LifecycleStage.init) ?? .active,
            artifactURI: try record.optionalText("artifact_uri") ?? "", params: params[id] ?? [:], metrics: [],
            tags: tags[id] ?? [:], inputs: links.datasets[id] ?? [], modelInputs: links.models[id] ?? [],
            modelOutputs: links.outputs[id] ?? [])
    }

    func metricKeys(of run: Run) async throws -> [String] {
        try await database.read { db in
            try String.fetchAll(
                db, sql: "SELECT DISTINCT key FROM metrics WHERE run_uuid = ? ORDER BY key", arguments: [run.id])
        }
    }

    func history(of run: Run, key: String) async throws -> (points: [MetricPoint], unreadable: [NestboxError]) {
        var points: [MetricPoint] = [], errors: [NestboxError] = [], last = (step: Int64.min, row: Int64.min)
        while true {
            let page = try await database.read { [last, address] db in
                let rows = try Row.fetchAll(
                    db,
                    sql: """
                        SELECT value, timestamp, step, is_nan, rowid AS at FROM metrics
                        WHERE run_uuid = ? AND key = ? AND (step, rowid) > (?, ?) ORDER BY step, rowid LIMIT ?
                        """, arguments: [run.id, key, last.step, last.row, Self.historyPage])
                let items = rows.map { row in
                    Self.found { try Self.point(key, Record(row, "a row of `metrics` in `\(address)`")) }
                }
                guard rows.count == Self.historyPage, let end = rows.last else { return (items, Int64?.none, Int64(0)) }
                return (items, try Record(end, "a row of `metrics`").whole("step"), end["at"] as Int64? ?? .max)
            }
            for found in page.0 {
                switch found {
                case .success(let point): points.append(point)
                case .failure(let error): errors.append(error)
                }
            }
            guard let step = page.1 else { return (points, errors) }
            last = (step, page.2)
        }
    }

    private static func point(_ key: String, _ record: Record) throws -> MetricPoint {
        let isNaN = try record.optionalWhole("is_nan") ?? 0
        return MetricPoint(
            key: key, value: isNaN != 0 ? .nan : try record.number("value"),
            timestamp: Timestamp(milliseconds: try record.whole("timestamp")),
            step: try record.optionalWhole("step") ?? 0)
    }

    func files(at location: String, of id: String) throws -> [Found<MLflowFile>] {
        guard let folder = try artifacts.folder(location, of: id) else { return [] }
        return artifacts.files(in: folder)
    }

    func open(_ file: MLflowFile) throws -> ByteStream { try artifacts.open(file) }
}

/// What runs read and made.
private struct RunLinks {
    var datasets: [String: [RunInput]] = [:]
    var models: [String: [String]] = [:]
    var outputs: [String: [ModelOutput]] = [:]

    init() {}

    /// - Parameter list: JSON of the runs' ids.
    init(_ db: Database, _ list: String) throws {
        let inputs = try Row.fetchAll(
            db,
            sql: """
                SELECT inputs.input_uuid, inputs.destination_id AS run, datasets.* FROM inputs
                JOIN datasets ON datasets.dataset_uuid = inputs.source_id
                WHERE inputs.destination_type = 'RUN' AND inputs.source_type = 'DATASET'
                    AND inputs.destination_id IN (SELECT value FROM json_each(?))
                ORDER BY inputs.rowid
                """, arguments: [list])
        let tags = try MLflowDatabase.pairs(
            db,
            """
            SELECT input_uuid AS owner, name AS key, value FROM input_tags
            WHERE input_uuid IN (SELECT value FROM json_each(?))
            """, [try JSON.string(inputs.map { $0["input_uuid"] as String? ?? "" })])
        for row in inputs {
            let record = Record(row, "a dataset input")
            let input = RunInput(
                name: try record.text("name"), digest: try record.text("digest"),
                sourceType: try record.optionalText("dataset_source_type") ?? "",
                source: try record.optionalText("dataset_source") ?? "",
                schema: try record.optionalText("dataset_schema"), profile: try record.optionalText("dataset_profile"),
                tags: tags[try record.text("input_uuid")] ?? [:])
            datasets[try record.text("run"), default: []].append(input)
        }
        let links = try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM inputs
                WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id IN (SELECT value FROM json_each(?))
                ORDER BY rowid
                """, arguments: [list])
        for row in links {
            let record = Record(row, "a link of a run and a model")
            let run = try record.text("source_id"), model = try record.text("destination_id")
            if try record.text("source_type") == "RUN_INPUT" {
                models[run, default: []].append(model)
            } else {
                outputs[run, default: []].append(
                    ModelOutput(modelID: model, step: try record.optionalWhole("step") ?? 0))
            }
        }
    }
}
