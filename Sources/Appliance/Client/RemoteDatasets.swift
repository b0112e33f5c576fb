import Contracts
import Core
import Tables

/// Datasets of a server elsewhere, over `/api/v1`.
package struct RemoteDatasets: DatasetStore {
    private struct Preview: Codable {
        var schema: Schema
        var rows: [[String: JSONValue]]
    }

    private let client: APIClient

    package init(_ client: APIClient) { self.client = client }

    private func path(_ name: String, _ rest: String = "") -> String {
        "/api/v1/datasets/\(APIClient.escape(name))\(rest)"
    }

    private func path(_ reference: DatasetReference, _ rest: String = "") -> String {
        path(reference.name, "/versions/\(reference.version.map(String.init) ?? "latest")\(rest)")
    }

    package func importVersion(_ request: DatasetImport, body: ByteStream) async throws -> DatasetVersion {
        let target = APIClient.path(
            path(request.name, "/versions"),
            query: [
                ("format", request.format.rawValue), ("source", request.source), ("description", request.description),
            ])
        let answer = try await client.send(.POST, target, body: body, contentType: "application/octet-stream")
        return try JSON.decode(DatasetVersion.self, from: answer, what: "the answer of \(target)")
    }

    package func save(_ table: Table, as request: DatasetImport) async throws -> DatasetVersion {
        var request = request
        request.format = .csv
        return try await importVersion(request, body: ByteStream(try CSVWriter.bytes(table)))
    }

    package func datasets() async throws -> [Dataset] { try await client.get("/api/v1/datasets") }

    package func dataset(_ name: String) async throws -> Dataset { try await client.get(path(name)) }

    package func versions(of name: String) async throws -> [DatasetVersion] {
        try await client.get(path(name, "/versions"))
    }

    package func version(_ reference: DatasetReference) async throws -> DatasetVersion {
        try await client.get(path(reference))
    }

    package func table(_ reference: DatasetReference, columns: [String]?) async throws -> Table {
        // The schema first, so that the rows are read with its types, and the version that it belongs to.
        let version = try await version(reference)
        let pinned = DatasetReference(name: version.dataset, version: version.version)
        var options = CSVOptions(schema: version.schema)
        var target = path(pinned, "/data")
        if let columns {
            let fields = try version.fields(columns)
            // One parameter per column: no character is safe as a separator in a name. Servers limit a request's first
            // lines, so thousands of names are picked out here instead.
            let selecting = APIClient.path(target, query: columns.map { ("column", $0) })
            if !columns.isEmpty, selecting.utf8.count < 32_000 {
                target = selecting
                options.schema = Schema(fields)
            }
        }
        let bytes = try await client.stream(.GET, target).collect(upTo: 4 << 30)
        let table = try await ComputePool.shared.run { [options] in try CSVReader.read(bytes: bytes, options: options) }
        return try columns.map { try table.select($0) } ?? table
    }

    package func preview(_ reference: DatasetReference, rows: Int) async throws -> Table {
        let preview: Preview = try await client.get(
            APIClient.path(path(reference, "/rows"), query: [("limit", String(rows))]))
        var builder = TableBuilder(schema: preview.schema)
        for row in preview.rows {
            try builder.append(
                preview.schema.fields.map { try Cell(json: row[$0.name] ?? .null, type: $0.type, column: $0.name) })
        }
        return try builder.finish()
    }

    package func profile(_ reference: DatasetReference) async throws -> DatasetProfile {
        try await client.get(path(reference, "/profile"))
    }
}
