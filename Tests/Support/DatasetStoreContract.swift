import Contracts
import Core
import Foundation
import Tables
import Testing

/// What every `DatasetStore` keeps to. Dataset names begin with `prefix`, so that it can run against a store in use.
package func checkDatasetStore(_ store: any DatasetStore, prefix: String = "contract-") async throws {
    try await checkDatasetRoundTrip(store, name: prefix + "round-trip")
    try await checkDatasetVersions(store, name: prefix + "versions")
    try await checkDatasetExactness(store, name: prefix + "exact")
    try await checkDatasetFormats(store, name: prefix + "formats")
    try await checkDatasetRefusals(store, prefix: prefix)
    try await checkConcurrentImports(store, name: prefix + "concurrent")
}

/// A CSV comes back as typed columns, with counts, a profile and a preview.
package func checkDatasetRoundTrip(_ store: any DatasetStore, name: String) async throws {
    let csv =
        "id,at,delay,late,carrier\n1,2013-01-01T05:00:00Z,2.5,true,UA\n2,2013-01-01T06:00:00Z,,false,\"A,A\"\n3,,NaN,,\n"
    let request = DatasetImport(name: name, format: .csv, source: "flights.csv", description: "three flights")
    let version = try await store.importVersion(request, body: ByteStream(Data(csv.utf8)))
    #expect(version.dataset == name && version.version == 1 && version.rowCount == 3)
    #expect(version.source == "flights.csv" && version.contentHash.count == 64 && version.byteCount > 0)
    #expect(
        version.schema
            == Schema([
                Field("id", .int64), Field("at", .timestamp), Field("delay", .float64), Field("late", .bool),
                Field("carrier", .string),
            ]))

    let dataset = try await store.dataset(name)
    #expect(dataset.description == "three flights" && dataset.latestVersion == 1)
    #expect(try await store.datasets().contains(dataset))
    #expect(try await store.version(DatasetReference(name: name)) == version)

    let table = try await store.table(DatasetReference(name: name, version: 1), columns: nil)
    #expect(table.schema == version.schema && table.rowCount == 3)
    #expect(try table.column("id") == .int64([1, 2, 3]))
    #expect(try table.column("carrier")[1] == .string("A,A"))
    #expect(try table.column("at")[1] == .timestamp(Timestamp(milliseconds: 1_357_020_000_000)))
    #expect(try table.column("delay")[1] == .null)
    #expect(try table.column("late")[2] == .null)
    let some = try await store.table(DatasetReference(name: name), columns: ["late", "id"])
    #expect(some.schema.names == ["late", "id"])
    #expect(try some.column("id") == .int64([1, 2, 3]))

    let preview = try await store.preview(DatasetReference(name: name), rows: 2)
    #expect(preview.rowCount == 2 && preview.schema == version.schema)
    #expect(try preview.column("carrier")[0] == .string("UA"))
    #expect(try await store.preview(DatasetReference(name: name), rows: 100).rowCount == 3)

    let profile = try await store.profile(DatasetReference(name: name))
    #expect(profile.columns.map(\.name) == version.schema.names)
    #expect(profile.columns[0].profile.maximum == 3 && profile.columns[0].profile.nullCount == 0)
    #expect(profile.columns[1].profile.nullCount == 1)
    #expect(profile.columns[4].profile.distinctCount == 2)
}

/// Other content is the next version, the same content is not, and old versions stay readable.
package func checkDatasetVersions(_ store: any DatasetStore, name: String) async throws {
    func importing(_ csv: String, _ source: String) async throws -> DatasetVersion {
        try await store.importVersion(
            DatasetImport(name: name, format: .csv, source: source), body: ByteStream(Data(csv.utf8)))
    }
    let first = try await importing("x\n1\n2\n", "first")
    // Another spelling of the same content.
    #expect(try await importing("x\r\n\"1\"\r\n2\r\n", "again") == first)
    let second = try await importing("x\n1\n3\n", "second")
    #expect(second.version == 2 && second.contentHash != first.contentHash)
    // Only the latest version counts as the same.
    let third = try await importing("x\n1\n2\n", "third")
    #expect(third.version == 3 && third.contentHash == first.contentHash)
    // The same text under another type is other content.
    let typed = try Table([("x", .float64([1, 2]))])
    let fourth = try await store.save(typed, as: DatasetImport(name: name, format: .csv, source: "typed"))
    #expect(fourth.version == 4 && fourth.schema["x"]?.type == .float64)

    #expect(try await store.versions(of: name).map(\.version) == [4, 3, 2, 1])
    #expect(try await store.dataset(name).latestVersion == 4)
    #expect(
        try await store.table(DatasetReference(name: name, version: 2), columns: nil).column("x") == .int64([1, 3]))
    #expect(try await store.table(DatasetReference(name: name), columns: nil).column("x") == .float64([1, 2]))
}

/// A saved table comes back exactly: limits of the types, nulls, awkward strings.
package func checkDatasetExactness(_ store: any DatasetStore, name: String) async throws {
    let flags = Validity([true, true, true, false, true])
    let table = try Table([
        ("int", .int64([.min, .max, 0, 0, -1], flags)),
        ("float", .float64([0.1, -.infinity, -.leastNonzeroMagnitude, 0, 1.0 / 3], flags)),
        ("text", .string(["", "NA", nil, "a \"quote\"\nand, comma", "Zürich 東京"])),
        ("flag", .bool([true, false, true, false, false], flags)),
        ("time", .timestamp([-1, 0, 1_357_020_000_123, 0, 253_402_300_799_999], flags)),
        ("nothing", .string([nil, nil, nil, nil, nil])),
        ("a, comma", .int64([1, 2, 3, 4, 5])),
        ("a \"quote\" & more=%2C\n+é", .int64([5, 4, 3, 2, 1])),
    ])
    let version = try await store.save(table, as: DatasetImport(name: name, format: .csv, source: "a test"))
    #expect(version.rowCount == 5)
    #expect(try await store.table(DatasetReference(name: name), columns: nil) == table)
    for columns in [["a, comma"], [table.schema.names[7], "int", "a, comma"]] {
        let some = try await store.table(DatasetReference(name: name), columns: columns)
        #expect(try some == table.select(columns))
    }
}

/// JSON Lines, and a body of some megabytes in many chunks.
package func checkDatasetFormats(_ store: any DatasetStore, name: String) async throws {
    let jsonl = "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2, \"b\": null}\n"
    let lines = try await store.importVersion(
        DatasetImport(name: name + "-jsonl", format: .jsonl, source: "rows.jsonl"), body: ByteStream(Data(jsonl.utf8)))
    #expect(lines.rowCount == 2 && lines.schema["a"]?.type == .int64)
    #expect(
        try await store.table(DatasetReference(name: name + "-jsonl"), columns: ["b"]).column("b")
            == .string(["x", nil]))

    var text = "n,label\n"
    for row in 0..<200_000 { text += "\(row),row number \(row % 1000)\n" }
    let bytes = [UInt8](text.utf8)
    let position = ChunkPosition()
    let body = ByteStream {
        let start = position.advance(by: 65_521)
        return start < bytes.count ? Array(bytes[start..<min(start + 65_521, bytes.count)]) : nil
    }
    let large = try await store.importVersion(
        DatasetImport(name: name + "-large", format: .csv, source: "large.csv"), body: body)
    #expect(large.rowCount == 200_000)
    let table = try await store.table(DatasetReference(name: name + "-large"), columns: nil)
    #expect(try table.column("n") == .int64((0..<200_000).map { Int64($0) }))
    #expect(try table.column("label")[199_999] == .string("row number 999"))
}

/// What is malformed or unknown is refused by name and place, and leaves nothing.
package func checkDatasetRefusals(_ store: any DatasetStore, prefix: String) async throws {
    let name = prefix + "refused"
    func refused(
        _ body: String, _ format: TableFormat, mentions text: String, sourceLocation: SourceLocation = #_sourceLocation
    )
        async
    {
        let error = await #expect(throws: NestboxError.self, sourceLocation: sourceLocation) {
            try await store.importVersion(
                DatasetImport(name: name, format: format, source: "bad"), body: ByteStream(Data(body.utf8)))
        }
        #expect(error?.code == .invalidArgument, sourceLocation: sourceLocation)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
    }
    await refused("a,b\n1,2\n3\n", .csv, mentions: "line 3")
    await refused("", .csv, mentions: "empty")
    await refused("a,a\n1,2\n", .csv, mentions: "`a` twice")
    await refused("a\n\"open\n", .csv, mentions: "never closed")
    await refused("{\"a\": 1}\n{\"a\": \n", .jsonl, mentions: "line 2")
    await refused("{\"a\": [1]}\n", .jsonl, mentions: "line 1")
    #expect(try await store.datasets().allSatisfy { $0.name != name })

    for bad in ["", "../up", "a/b", ".hidden", "a@1", String(repeating: "x", count: 300)] {
        let error = await #expect(throws: NestboxError.self) {
            try await store.importVersion(
                DatasetImport(name: bad, format: .csv, source: "bad"), body: ByteStream(Data("a\n1\n".utf8)))
        }
        // Over HTTP, an empty name makes the path of another route.
        let codes: [NestboxError.Code?] =
            bad.isEmpty ? [.invalidArgument, .methodNotAllowed] : [.invalidArgument, .notFound]
        #expect(codes.contains(error?.code), "name `\(bad)`")
    }

    _ = try await store.save(
        try Table([("speed", .int64([1]))]), as: DatasetImport(name: prefix + "flights", format: .csv, source: "test"))
    let missing = await #expect(throws: NestboxError.self) { try await store.dataset(prefix + "flihgts") }
    #expect(missing?.code == .notFound)
    #expect(missing?.hint?.contains("`\(prefix)flights`") == true)
    let number = await #expect(throws: NestboxError.self) {
        try await store.version(DatasetReference(name: prefix + "flights", version: 7))
    }
    #expect(number?.code == .notFound && number?.message.contains("7") == true)
    let column = await #expect(throws: NestboxError.self) {
        try await store.table(DatasetReference(name: prefix + "flights"), columns: ["sped"])
    }
    #expect(column?.code == .invalidArgument && column?.hint?.contains("`speed`") == true)
}

/// Imports at the same time get numbers of their own, without a gap.
package func checkConcurrentImports(_ store: any DatasetStore, name: String) async throws {
    let versions = try await withThrowingTaskGroup(of: Int.self) { group in
        for index in 0..<8 {
            group.addTask {
                try await store.importVersion(
                    DatasetImport(name: name, format: .csv, source: "import \(index)"),
                    body: ByteStream(Data("x\n\(index)\n".utf8))
                ).version
            }
        }
        return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(versions.sorted() == Array(1...8))
    for version in try await store.versions(of: name) {
        let table = try await store.table(DatasetReference(name: name, version: version.version), columns: nil)
        #expect(try "import \(table.cell(0, "x").text ?? "")" == version.source)
    }
}

private final class ChunkPosition: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var position = 0

    func advance(by count: Int) -> Int {
        defer { position += count }
        return position
    }
}
