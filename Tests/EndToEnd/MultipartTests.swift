import Core
import Foundation
import TestSupport
import Testing

/// Uploads in parts, as MLflow's client makes them: create, send each part to its address, complete.
@Suite struct MultipartTests {
    private struct Upload: Decodable {
        struct Credential: Decodable {
            var url: String
            var part_number: Int
            var headers: [String: String]
        }

        var upload_id: String
        var credentials: [Credential]
    }

    private static let root = "/api/2.0/mlflow-artifacts/mpu/"

    private func post(
        _ path: String, _ body: JSONValue, _ server: ServerProcess, token: String? = nil
    ) throws -> (status: Int, text: String) {
        var arguments = ["curl", "-s", "-w", "\n%{http_code}", "-H", "Content-Type: application/json"]
        if let token { arguments += ["-H", "Authorization: Bearer \(token)"] }
        arguments += ["--data-binary", try JSON.string(body), server.url + Self.root + path]
        let lines = try runCommand("/usr/bin/env", arguments).output.split(separator: "\n")
        return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
    }

    private func create(_ server: ServerProcess, parts: Int, token: String? = nil) throws -> Upload {
        let body: JSONValue = ["path": "/home/ada/big.bin", "num_parts": .int(Int64(parts))]
        return try JSON.decode(Upload.self, from: try post("create/1/files", body, server, token: token).text)
    }

    /// Sends a part with the headers that came with its address; returns its ETag.
    private func send(_ text: String, to credential: Upload.Credential) throws -> String {
        var arguments = ["curl", "-s", "-D", "-", "-o", "/dev/null", "-X", "PUT"]
        for (name, value) in credential.headers { arguments += ["-H", "\(name): \(value)"] }
        let headers = try runCommand("/usr/bin/env", arguments + ["--data-binary", text, credential.url]).output
        let tag = try #require(headers.firstMatch(of: #/(?i)etag: ("[0-9a-f]+")/#), "\(headers)")
        return String(tag.output.1)
    }

    private func list(_ tags: [String]) -> JSONValue {
        .array(tags.enumerated().map { ["part_number": .int(Int64($0.offset + 1)), "etag": .string($0.element)] })
    }

    @Test func partsBecomeOneFile() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(
            data: directory.file("data"), environment: ["NESTBOX_TOKEN": "multipart-secret"], token: "multipart-secret")
        let artifacts = server.remote.artifacts
        let upload = try create(server, parts: 3, token: "multipart-secret")
        #expect(upload.credentials.map(\.part_number) == [1, 2, 3])
        var tags = [
            try send("one ", to: upload.credentials[0]), try send("wrong", to: upload.credentials[1]),
            try send("three", to: upload.credentials[2]),
        ]
        // A part may be sent again, also after others.
        tags[1] = try send("two ", to: upload.credentials[1])
        #expect(try await artifacts.list("").isEmpty, "the parts are not shown")
        let body: JSONValue = [
            "path": "/home/ada/big.bin", "upload_id": .string(upload.upload_id), "parts": list(tags),
        ]
        let answer = try post("complete/1/files", body, server, token: "multipart-secret")
        #expect(answer.status == 200, "\(answer.text)")
        #expect(String(decoding: try await artifacts.read("1/files/big.bin"), as: UTF8.self) == "one two three")
        #expect(try await artifacts.list(".multipart").isEmpty)
        #expect(try post("complete/1/files", body, server, token: "multipart-secret").status == 404)
    }

    @Test func wrongOrMissingPartsMakeNoFile() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let upload = try create(server, parts: 2)
        let id = JSONValue.string(upload.upload_id)
        let tag = try send("one", to: upload.credentials[0])
        func complete(_ parts: JSONValue, in folder: String = "1/files") throws -> (status: Int, text: String) {
            try post("complete/\(folder)", ["path": "big.bin", "upload_id": id, "parts": parts], server)
        }
        for (parts, says) in [
            (list([]), "parts"), (list([tag, "\"ab\""]), "part 2"), (list(["\"ab\""]), "part 1"),
            ([["part_number": 2], ["part_number": 1]] as JSONValue, "part 2"),
            ([["part_number": 1], ["part_number": 1]] as JSONValue, "order"), ([["part_number": 0]], "part_number"),
        ] {
            let answer = try complete(parts)
            #expect(answer.status == 400 && answer.text.contains(says), "\(parts): \(answer)")
        }
        #expect(try complete(list([tag]), in: "2/files").status == 400, "an upload belongs to its file")
        #expect(try await server.remote.artifacts.list("1").isEmpty)
        #expect(try post("abort/1/files", ["path": "big.bin", "upload_id": id], server).status == 200)
        #expect(try complete(list([tag])).status == 404)
        #expect(try await server.remote.artifacts.list(".multipart").isEmpty)
        for (path, count) in [("..", 1), ("x", 0), ("x", 10_001)] {
            let body: JSONValue = ["path": .string(path), "num_parts": .int(Int64(count))]
            #expect(try post("create/1", body, server).status == 400)
        }
        #expect(try post("create/%2e%2e/1", ["path": "x"], server).status == 400)
        #expect(try post("abort/1", ["path": "x", "upload_id": "../x"], server).status == 404)
    }
}
