import Contracts
import Core
import Foundation
import Hummingbird
import Tables

/// Datasets, their versions, rows and profiles.
enum DatasetRoutes {
    /// Bytes of one upload.
    static let uploadLimit = 2 << 30

    private static let tag = "Datasets"

    /// The first rows as JSON objects, for people.
    struct Preview: Codable, Sendable {
        var schema: Schema
        var rows: [[String: JSONValue]]
    }

    static func routes(_ appliance: Appliance) -> [Route] {
        let datasets = appliance.datasets
        return [
            .get("/api/v1/datasets", tag, "All datasets", returns: [Dataset].self) { _ in try await datasets.datasets()
            },
            .get("/api/v1/datasets/{name}", tag, "One dataset", returns: Dataset.self) { call in
                try await datasets.dataset(try call.parameter("name"))
            },
            .get("/api/v1/datasets/{name}/versions", tag, "Its versions, newest first", returns: [DatasetVersion].self)
            { call in
                try await datasets.versions(of: try call.parameter("name"))
            },
            upload(datasets),
            .get("/api/v1/datasets/{name}/versions/{version}", tag, "One version", returns: DatasetVersion.self) {
                call in
                try await datasets.version(try reference(call))
            },
            .get(
                "/api/v1/datasets/{name}/versions/{version}/profile", tag, "The profile of every column",
                returns: DatasetProfile.self
            ) { call in
                try await datasets.profile(try reference(call))
            },
            .get(
                "/api/v1/datasets/{name}/versions/{version}/rows", tag, "The first rows",
                query: [.limit(20, most: 1000)], returns: Preview.self
            ) { call in
                let limit = try call.queryInteger("limit", default: 20, in: 1...1000)
                let table = try await datasets.preview(try reference(call), rows: limit)
                let rows = (0..<table.rowCount).map { row in
                    Dictionary(uniqueKeysWithValues: zip(table.schema.names, table.columns.map { $0[row].json }))
                }
                return Preview(schema: table.schema, rows: rows)
            },
            data(datasets),
        ]
    }

    /// `{version}` is a number or `latest`.
    private static func reference(_ call: Call) throws -> DatasetReference {
        let name = try call.parameter("name")
        try Name.check(name, what: "dataset")
        let version = try call.parameter("version") == "latest" ? nil : try call.integerParameter("version")
        return DatasetReference(name: name, version: version)
    }

    private static func upload(_ datasets: any DatasetStore) -> Route {
        var route = Route(
            .post, "/api/v1/datasets/{name}/versions", tag,
            "Import CSV or JSON Lines (also gzipped) as the next version; the same content again returns the version there is"
        ) { call in
            let text = call.query("format") ?? "csv"
            guard let format = TableFormat(rawValue: text) else {
                throw NestboxError.invalid("`format` is `\(text)`", hint: "csv or jsonl")
            }
            let request = DatasetImport(
                name: try call.parameter("name"), format: format, source: call.query("source") ?? "an upload",
                description: call.query("description"))
            return try .json(try await datasets.importVersion(request, body: try call.stream()))
        }
        route.query = [
            .init("format", "csv (default) or jsonl"), .init("source", "where it came from, for people"),
            .init("description", "what the dataset is"),
        ]
        route.request = .init(type: "application/octet-stream")
        route.response = .json(DatasetVersion.self)
        route.bodyLimit = uploadLimit
        return route
    }

    private static func data(_ datasets: any DatasetStore) -> Route {
        var route = Route(.get, "/api/v1/datasets/{name}/versions/{version}/data", tag, "All rows as CSV") { call in
            let columns = call.queries("column")
            let table = try await datasets.table(try reference(call), columns: columns.isEmpty ? nil : columns)
            let bytes = try await ComputePool.shared.run { try CSVWriter.bytes(table) }
            return .stream(ByteStream(bytes), type: "text/csv; charset=utf-8")
        }
        var column = Route.QueryParameter("column", "a column's name, once for each column; all when left out")
        column.schema = ["type": "array", "items": ["type": "string"]]
        route.query = [column]
        route.response = .init(type: "text/csv", schema: ["type": "string"])
        return route
    }
}
