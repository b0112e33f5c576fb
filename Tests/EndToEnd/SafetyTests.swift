import Client
import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Other users of the machine, other sites in the browser, a worker with its token, and requests made to hurt.
@Suite struct SafetyTests {
    private let token = "a-token-of-the-test-0123456789"

    private func curl(_ server: ServerProcess, _ path: String, _ arguments: String...) throws -> (
        status: Int, text: String
    ) {
        let answer = try runCommand(
            "/usr/bin/env",
            ["curl", "-s", "--path-as-is", "--max-time", "20", "-w", "\n%{http_code}"] + arguments + [
                server.url + path
            ]
        ).output
        let end = answer.lastIndex(of: "\n") ?? answer.startIndex
        return (Int(answer[end...].trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, String(answer[..<end]))
    }

    // MARK: Other sites

    @Test func foreignHostsAndOriginsAreRefused() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        for host in ["evil.example:80", "127.evil.example.com", "127.0.0.1.evil.example"] {
            #expect(try curl(server, "/api/v1/datasets", "-H", "Host: \(host)").status == 403, "\(host)")
        }
        for header in [
            "Origin: https://evil.example", "Origin: null", "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
        ] {
            let answer = try curl(server, "/api/v1/backup", "-X", "POST", "-H", header)
            #expect(answer.status == 403 && answer.text.contains("hint"), "\(header): \(answer)")
        }
        for header in ["Origin: \(server.url)", "Sec-Fetch-Site: same-origin", "X-Nothing: 1"] {
            #expect(try curl(server, "/api/v1/backup", "-X", "POST", "-H", header).status == 200, "\(header)")
        }
    }

    @Test func rememberedCredentialsAreOfNoUseToAnotherSite() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(
            data: directory.file("data"), environment: ["NESTBOX_TOKEN": token], token: token)
        let form = "Content-Type: application/x-www-form-urlencoded"
        for header in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
            let answer = try curl(
                server, "/api/v1/backup", "-X", "POST", "-u", "ada:\(token)", "-H", form, "-H", header)
            #expect(answer.status == 403, "\(header): \(answer)")
            // Programs that somebody runs behind a page of their own still may.
            let bearer = "Authorization: Bearer \(token)"
            #expect(try curl(server, "/api/v1/backup", "-X", "POST", "-H", bearer, "-H", header).status == 200)
        }
        // A proxy that ends TLS may pass another Host on; the browser's own word counts then.
        let proxied = try curl(
            server, "/api/v1/backup", "-X", "POST", "-u", "ada:\(token)", "-H", "Origin: https://nestbox.example", "-H",
            "Sec-Fetch-Site: same-origin")
        #expect(proxied.status == 200, "\(proxied)")
        for header in ["Origin: \(server.url)", "X-Nothing: 1"] {
            #expect(
                try curl(server, "/api/v1/backup", "-X", "POST", "-u", "ada:\(token)", "-H", header).status == 200,
                "\(header)")
        }
        let page = try curl(
            server, "/deployments/d/try", "-X", "POST", "-u", "ada:\(token)", "-H", "Origin: https://evil.example",
            "-H",
            "Accept: text/html")
        #expect(page.status == 403 && page.text.contains("<html"), "\(page)")
    }

    // MARK: Other users of the machine

    @Test func whatTheServerMakesIsForItsUserAlone() async throws {
        let directory = try TemporaryDirectory()
        let data = directory.file("data")
        let server = try await ServerProcess(data: data)
        _ = try await server.remote.artifacts.put("x/file.txt", Data("secret".utf8))
        _ = try await server.remote.datasets.importVersion(
            DatasetImport(name: "d", format: .csv, source: "test"), body: ByteStream(Data("a\n1\n".utf8)))
        #expect(try curl(server, "/api/v1/backup", "-X", "POST").status == 200)
        let files = try FileManager.default.subpathsOfDirectory(atPath: data)
        #expect(files.contains("nestbox.db-wal") && files.contains { $0.hasPrefix("backups/nestbox-") })
        for file in [""] + files {
            let attributes = try FileManager.default.attributesOfItem(atPath: data + "/" + file)
            let mode = try #require(attributes[.posixPermissions] as? Int)
            #expect(mode & 0o077 == 0, "\(file) has mode \(String(mode, radix: 8))")
        }
        func doctor() throws -> (status: Int32, output: String) {
            try runCommand(ServerProcess.executable, ["doctor", "--data", data, "--url", server.url])
        }
        #expect(try doctor().output.contains("ok   privacy"))
        for path in [data, data + "/jobs"] {
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
        let found = try doctor()
        #expect(found.status == 1 && found.output.contains("\(data)/jobs (mode 755)"), "\(found.output)")
    }

    @Test func theTokenIsNowhereToBeSeen() async throws {
        let directory = try TemporaryDirectory()
        for arguments in [["--token", token], ["--token=" + token]] {
            let server = try await ServerProcess(
                data: directory.file("data"), arguments: arguments + ["--log-level", "trace"], token: token)
            let metrics = try await server.remote.client.send(.GET, "/metrics")
            let page = try await server.remote.client.send(.GET, "/")
            _ = try curl(server, "/api/v1/nothing?token=\(token)", "-u", "ada:\(token)")
            let shown = try Data(contentsOf: URL(fileURLWithPath: "/proc/\(server.pid)/cmdline"))
            for bytes in [metrics, page, shown, Data(server.log.utf8)] {
                #expect(!String(decoding: bytes, as: UTF8.self).contains(token))
            }
            #expect(String(decoding: shown, as: UTF8.self).contains("xxxx"))
            server.stop()
        }
    }

    // MARK: A worker

    @Test func aWorkersTokenIsForItsOwnJob() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(
            data: directory.file("data"), environment: ["NESTBOX_TOKEN": token], token: token)
        var generator = SeededGenerator(seed: 3)
        let rows = (0..<40_000).map { _ in "\(generator.unit()),\(generator.unit()),\(generator.unit())\n" }
        _ = try await server.remote.datasets.importVersion(
            DatasetImport(name: "load", format: .csv, source: "test"),
            body: ByteStream(Data(("a,b,y\n" + rows.joined()).utf8)))
        let recipe = """
            name: load
            dataset: load
            target: y
            task: regression
            features: [a, b]
            split: {by: seed, seed: 1, validation: 0.1, test: 0.1}
            learner: gradient_boosting
            parameters: {num_trees: 5000, num_leaves: 63, learning_rate: 0.01}
            """
        let job = try await server.remote.jobs.train(recipe: recipe)
        let other = try await server.remote.jobs.train(recipe: recipe.replacing("name: load", with: "name: other"))
        let secret = try await eventually("a worker") { try Self.tokenOfAWorker(of: server) }
        _ = try await eventually("the worker's lease") {
            try await server.remote.jobs.job(id: job.id).state == .running ? true : nil
        }
        let worker = try APIClient(baseURL: server.url, token: secret)
        func code(_ method: String, _ path: String, _ body: String? = nil) async -> NestboxError.Code? {
            do {
                try await worker.send(
                    .init(rawValue: method), path, body: body.map { ByteStream([UInt8]($0.utf8)) },
                    contentType: body == nil ? nil : "application/json")
                return nil
            } catch { return (error as? NestboxError)?.code }
        }
        for path in ["/api/v1/datasets", "/api/v1/features", "/api/v1/jobs/\(job.id)", "/health"] {
            #expect(await code("GET", path) == nil, "\(path)")
        }
        let lease = #"{"worker": "w", "seconds": 10, "jobID": "\#(other.id)"}"#
        for (method, path, body) in [
            ("POST", "/api/v1/backup", nil), ("GET", "/api/v1/deployments", nil), ("GET", "/api/v1/jobs", nil),
            ("GET", "/api/v1/jobs/\(other.id)", nil), ("POST", "/api/v1/jobs/\(other.id)/cancel", nil),
            ("POST", "/api/v1/jobs/\(job.id)/cancel", nil), ("POST", "/api/v1/jobs/lease", lease),
            ("POST", "/api/v1/jobs/lease", #"{"worker": "w", "seconds": 10}"#),
            ("POST", "/api/v1/training", recipe), ("GET", "/", nil), ("GET", "/metrics", nil),
            ("GET", "/api/v1/events", nil), ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/1", nil),
            ("POST", "/api/2.0/mlflow/experiments/delete", #"{"experiment_id": "0"}"#),
            ("DELETE", "/api/2.0/mlflow/registered-models/delete", #"{"name": "x"}"#),
            ("PUT", "/api/v1/features", "entities: []\nfeature_views: []\n"),
        ] as [(String, String, String?)] {
            #expect(await code(method, path, body) == .permissionDenied, "\(method) \(path) \(body ?? "")")
        }
        for id in [other.id, job.id] {
            do { _ = try await server.remote.jobs.cancel(id: id) } catch let error as NestboxError
                where error.code == .conflict
            {}
        }
        // With the job its token ends.
        _ = try await eventually("the end of the token") {
            await code("GET", "/health") == .unauthenticated ? true : nil
        }
    }

    private static func tokenOfAWorker(of server: ServerProcess) throws -> String? {
        for child in server.children {
            guard let bytes = FileManager.default.contents(atPath: "/proc/\(child)/environ") else { continue }
            let variables = String(decoding: bytes, as: UTF8.self).split(separator: "\0")
            // Between fork and exec a child still has the server's own.
            guard variables.contains(where: { $0.hasPrefix("NESTBOX_WORKER=") }) else { continue }
            return variables.first { $0.hasPrefix("NESTBOX_TOKEN=") }.map { String($0.dropFirst(14)) }
        }
        return nil
    }

    // MARK: Listening

    @Test func anAddressThatCannotBeHadIsExplained() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let port = try #require(server.url.split(separator: ":").last.map(String.init))
        func serve(_ arguments: String...) throws -> (status: Int32, output: String) {
            try runCommand(
                ServerProcess.executable, ["serve", "--data", directory.file("other")] + arguments,
                environment: ["NESTBOX_TOKEN": token])
        }
        let taken = try serve("--port", port)
        #expect(taken.status == EX_CANTCREAT && taken.output.contains("port \(port) on 127.0.0.1 is in use"))
        #expect(taken.output.contains("--port 0") && taken.output.contains("ss -ltnp"), "\(taken.output)")
        let elsewhere = try serve("--port", "0", "--host", "192.0.2.1")
        #expect(elsewhere.status == EX_DATAERR && elsewhere.output.contains("hint:"), "\(elsewhere.output)")
        let unknown = try serve("--port", "0", "--host", "no-such-host.invalid")
        #expect(unknown.status == EX_DATAERR, "\(unknown.output)")
        #expect(unknown.output.contains("`no-such-host.invalid` cannot be resolved"), "\(unknown.output)")
    }

    // MARK: Requests made to hurt

    @Test func noPathLeadsOutOfItsFolder() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let root = "/api/2.0/mlflow-artifacts/artifacts/"
        for path in [
            "../../nestbox.db", "a/../../b", "%2e%2e/%2e%2e/etc/passwd", "a/%2E%2E/b", "..%2f..%2fb", "a%2f..%2fb",
            "..%5c..%5cb", "a\\..\\b", "%2fetc%2fpasswd", "a/%252e%252e/b", "a/%25252e%25252e/b",
            "file:%2f%2f%2fetc/passwd",
            "c:%5cb", "a%23b", "..%00/b/../../c",
        ] {
            for method in ["PUT", "GET", "DELETE"] {
                let answer = try curl(server, root + path, "-X", method, "--data-binary", "x")
                #expect((400..<405).contains(answer.status), "\(method) \(path): \(answer)")
            }
        }
        // Names that only look dangerous are names, as in MLflow.
        let names = [
            "a%00b": "a%00b", "a%0ab": "a%0ab", "a%2f%2fb": "a/b", "%ff%fe": "\u{FFFD}\u{FFFD}",
            "a%2": "a%2", "%c0%ae%c0%ae": "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}",
        ]
        for (path, name) in names {
            #expect(try curl(server, root + path, "-X", "PUT", "--data-binary", name).status == 200)
            #expect(try curl(server, root + path).text == name)
        }
        for path in ["c/./d", "e/%2e/f"] {
            #expect((400..<405).contains(try curl(server, root + path, "-X", "PUT", "--data-binary", "x").status))
        }
        let top = Set(names.values.map { String($0.prefix { $0 != "/" }) })
        #expect(Set(try await server.remote.artifacts.list("").map(\.path)) == top)
        for path in [
            "/assets/..%2f..%2fnestbox.css", "/assets/%2e%2e/layout.mustache", "/assets/../nestbox.db",
            "/api/v1/jobs/..%2f..%2f..%2fetc%2fpasswd/log", "/api/v1/datasets/..%2fjobs/versions/1/data",
            "/api/v1/deployments/%2e%2e", "/models/..%2f..%2fx", "/get-artifact?run_id=..%2f..&path=..%2fnestbox.db",
            "/api/2.0/mlflow-artifacts/artifacts?path=..%2F..", "/api/2.0/mlflow/artifacts/list?run_id=x&path=%2e%2e",
        ] {
            let answer = try curl(server, path)
            #expect((400..<405).contains(answer.status), "\(path): \(answer)")
        }
    }

    @Test func oversizedHeadsAreRefusedAndTheServerGoesOn() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let long = directory.file("header")
        try ("X-Long: " + String(repeating: "x", count: 200_000)).write(toFile: long, atomically: true, encoding: .utf8)
        #expect(try [0, 400, 431].contains(curl(server, "/health", "-H", "@" + long).status))
        let many = directory.file("headers")
        try (0..<2000).map { "X-\($0): 1" }.joined(separator: "\n").write(
            toFile: many, atomically: true, encoding: .utf8)
        #expect(try [0, 400, 431].contains(curl(server, "/health", "-H", "@" + many).status))
        let query = String(repeating: "a=1&", count: 15_000)
        #expect(try [200, 400, 414].contains(curl(server, "/api/v1/datasets?" + query).status))
        #expect(try curl(server, "/health").status == 200)
    }

    @Test func everyReadAnswersHEADAndNothingAnswersOPTIONS() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let document: JSONValue = try await server.remote.client.get("/api/openapi.json")
        var paths = try #require(document["paths"]?.objectValue?.filter { $0.value["get"] != nil }.map(\.key))
        paths += ["/", "/experiments", "/jobs", "/assets/nestbox.css", "/ajax-api/2.0/mlflow/experiments/get"]
        for path in paths.map({ $0.replacing(#/\{\w+\}/#, with: "1") }) {
            let head = try curl(server, path, "-I")
            let isStream = path.hasSuffix("/stream")
            let get = isStream ? 200 : try curl(server, path).status
            #expect(head.status == get, "HEAD \(path) \(head.status), GET \(get)")
            let options = try curl(server, path, "-i", "-X", "OPTIONS")
            #expect(options.status == 405, "OPTIONS \(path)")
            #expect(options.text.lowercased().contains("allow: "), "\(path): \(options.text)")
            #expect(options.text.contains("GET, HEAD"), "\(path): \(options.text)")
        }
    }

    @Test func theAPIDocumentIsValid() async throws {
        let check =
            "from openapi_spec_validator import validate; import json, sys; validate(json.load(open(sys.argv[1])))"
        let pythons = [ProcessInfo.processInfo.environment["NESTBOX_TEST_PYTHON"], "python3"].compactMap { $0 }
        let python = try pythons.first {
            try runCommand("/usr/bin/env", [$0, "-c", "import openapi_spec_validator"]).status == 0
        }
        guard let python else {
            #expect(ProcessInfo.processInfo.environment["NESTBOX_REQUIRE_PYTHON"] == nil, "it is in requirements.txt")
            print("openapi-spec-validator is not installed: run ./bootstrap/test where a package index is reachable")
            return
        }
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let document = try await server.remote.client.send(.GET, "/api/openapi.json")
        try document.write(to: URL(fileURLWithPath: directory.file("openapi.json")))
        let result = try runCommand("/usr/bin/env", [python, "-c", check, directory.file("openapi.json")])
        #expect(result.status == 0, "\(result.output)")
    }
}
