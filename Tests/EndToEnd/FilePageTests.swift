import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// The files of runs in the browser: nothing that was logged runs, leads out, or hides what it is.
@Suite struct FilePageTests {
    /// Status, headers and body of a GET; `--path-as-is` so that dots reach the server.
    private func get(_ server: ServerProcess, _ path: String) throws -> (status: Int, head: String, text: String) {
        let answer = try runCommand(
            "/usr/bin/env",
            ["curl", "-si", "--path-as-is", "--max-time", "60", "-H", "Accept: text/html", server.url + path]
        ).output
        let parts = answer.components(separatedBy: "\r\n\r\n")
        let status = parts[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return (status, parts[0].lowercased(), parts.dropFirst().joined(separator: "\r\n\r\n"))
    }

    @Test func hostileFilesAreShownAndNeverRun() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0"))
        let script = "<script>alert(1)</script>"
        let files = [
            "page.html": script, "pic.svg": "<svg xmlns=\"http://www.w3.org/2000/svg\">\(script)</svg>",
            "notes/read me.md": "# Hi\n\(script)\n[home](../page.html)", "t.csv": "\"a, b\",\"\(script)\"\n1,2\n",
            "<b>&\"'.txt": "x", "ünïcode 100%.json": "{\"a\": [1]}", "..hidden": "h",
        ]
        for (name, text) in files {
            _ = try await server.remote.artifacts.put("\(run.artifactPath)/\(name)", Data(text.utf8))
        }
        let home = "/runs/\(run.id)"
        for page in [home, home + "/files"] {
            let text = try get(server, page).text
            #expect(text.contains("&lt;b&gt;&amp;&quot;") && !text.contains("<b>&\"'"), "\(page)")
            #expect(text.contains("href=\"\(home)/files/%3Cb%3E%26%22%27.txt\""), "\(page)")
        }
        for name in files.keys {
            let path = name.split(separator: "/").map {
                $0.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
            }.joined(separator: "/")
            let page = try get(server, "\(home)/files/\(path)")
            #expect(page.status == 200 && page.text.components(separatedBy: "<script").count == 2, "\(name)")
            #expect(page.head.contains("default-src 'self'") && !page.head.contains("script-src"), "\(name)")
            for view in ["", "?view=image", "?view=html"] {
                let raw = try get(server, "\(home)/artifacts/\(path)\(view)")
                #expect(raw.status == 200 && raw.text == files[name], "\(name)\(view)")
                #expect(raw.head.contains("content-disposition: attachment; filename*=utf-8''"), "\(name)\(view)")
                #expect(raw.head.contains("x-content-type-options: nosniff"), "\(name)\(view)")
                #expect(raw.head.contains("content-security-policy: default-src 'none'; "), "\(name)\(view)")
                #expect(raw.head.contains("sandbox"), "\(name)\(view)")
                let type = name == "pic.svg" && view == "?view=image" ? "image/svg+xml" : "application/octet-stream"
                #expect(raw.head.contains("content-type: \(type)"), "\(name)\(view)")
            }
        }
        let markdown = try get(server, "\(home)/files/notes/read%20me.md").text
        #expect(markdown.contains("<h3>Hi</h3>") && markdown.contains("href=\"\(home)/files/page.html\""))
        let table = try get(server, "\(home)/files/t.csv").text
        #expect(table.contains(">a, b</th>"))
    }

    @Test func pathsLeadNowhereElse() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0"))
        let other = try await server.remote.tracking.createRun(NewRun(experimentID: "0"))
        _ = try await server.remote.artifacts.put("\(run.artifactPath)/a/b.txt", Data("mine".utf8))
        _ = try await server.remote.artifacts.put("\(other.artifactPath)/s.txt", Data("secret".utf8))
        let up = "../../\(other.id)/artifacts/s.txt"
        for escape in [
            up, "a/../" + up, up.replacing("..", with: "%2e%2e"), up.replacing("/", with: "%2f"),
            up.replacing("..", with: "%252e%252e"), up.replacing("/", with: "%5c"), "a/./b.txt",
            "/etc/passwd", "%00", "a/b.txt%00.png", "..",
        ] {
            for kind in ["files", "artifacts"] {
                let answer = try get(server, "/runs/\(run.id)/\(kind)/\(escape)")
                #expect(answer.status >= 400 && answer.status < 500, "\(kind)/\(escape): \(answer.status)")
                #expect(!answer.text.contains("secret"), "\(kind)/\(escape)")
            }
        }
        #expect(try get(server, "/runs/\(run.id)/files/a").text.contains("b.txt"))
        #expect(try get(server, "/runs/\(run.id)/files/nothing").status == 404)
        #expect(try get(server, "/runs/\(run.id)/artifacts/a").status == 400)
    }

    @Test func hugeFilesAreReadInPart() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0"))
        let text = Data(repeating: UInt8(ascii: "x"), count: 3_000_000)
        _ = try await server.remote.artifacts.put("\(run.artifactPath)/big.log", text)
        let page = try get(server, "/runs/\(run.id)/files/big.log").text
        #expect(page.contains("Only the first 262 KB of 3 MB are shown") && page.utf8.count < 400_000)
        for index in 0..<520 {
            _ = try await server.remote.artifacts.put("\(run.artifactPath)/many/\(index).txt", Data("x".utf8))
        }
        #expect(try get(server, "/runs/\(run.id)/files/many").text.contains("and 20 more"))
    }
}
