import Contracts
import Core
import Foundation
import TestSupport
import Testing

/// Points of metrics are answered before the router sees them: nobody may notice, but for the time.
@Suite struct ImmediateAnswerTests {
    private static let path = "/api/2.0/mlflow/runs/log-metric"

    private func request(_ run: String, _ step: Int, value: String = "1.5", headers: String = "") -> String {
        let body = #"{"run_id": "\#(run)", "key": "m", "value": \#(value), "timestamp": 1, "step": \#(step)}"#
        return
            "POST \(Self.path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func get(_ path: String, headers: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(headers)\r\n"
    }

    /// What the server sends back to `pieces`, each sent by itself, until it closes the connection.
    private func exchange(_ server: ServerProcess, _ pieces: [String]) async throws -> String {
        let port = try #require(URL(string: server.url)?.port)
        return try await ComputePool.shared.run {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard connected == 0 else { throw NestboxError(.unavailable, "connect: \(errno)") }
            var limit = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            for piece in pieces {
                let bytes = Array(piece.utf8)
                guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                    throw NestboxError(.unavailable, "send: \(errno)")
                }
                if pieces.count > 1 { usleep(500) }
            }
            var answer = Data(), buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count >= 0 else { throw NestboxError(.unavailable, "recv: \(errno) after \(answer.count) bytes") }
                if count == 0 { return String(decoding: answer, as: UTF8.self) }
                answer.append(contentsOf: buffer[..<count])
            }
        }
    }

    private func statuses(_ answer: String) -> [String] {
        answer.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
    }

    private func steps(_ server: ServerProcess, _ run: String) async throws -> [Int64] {
        try await server.remote.tracking.metricHistory(runID: run, key: "m", maxResults: 1000, pageToken: nil).items
            .map(\.step)
    }

    @Test func answersComeInTheOrderOfTheRequestsWhoeverAnswers() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0")).id
        let last = "Connection: close\r\n"
        var requests = [request(run, 1), request(run, 2), get("/health"), request(run, 3)]
        requests += [request(run, 4, value: "\"x\""), request("nothing", 5), request(run, 6, value: "NaN")]
        requests += [get("/api/2.0/mlflow/runs/get?run_id=\(run)"), request(run, 7), request(run, 8, headers: last)]
        let expected = ["200", "200", "200", "200", "400", "404", "200", "200", "200", "200"]
        let together = try await exchange(server, [requests.joined()])
        #expect(statuses(together) == expected, "\(together)")
        #expect(try await steps(server, run) == [1, 2, 3, 6, 7, 8])
        // Byte by byte, and the same points again: nothing is stored twice.
        let apart = try await exchange(server, requests.joined().map(String.init))
        #expect(statuses(apart) == expected, "\(apart)")
        #expect(try await steps(server, run) == [1, 2, 3, 6, 7, 8])
        for answer in [together, apart] {
            #expect(answer.contains("INVALID_PARAMETER_VALUE") && answer.contains("RESOURCE_DOES_NOT_EXIST"))
        }
        let exposition = String(decoding: try await server.remote.client.send(.GET, "/metrics"), as: UTF8.self)
        let labels = #"{method="POST",route="\#(Self.path)",status="2xx"} 12"#
        #expect(exposition.contains("nestbox_http_request_duration_seconds_count" + labels), "\(exposition)")
    }

    @Test func answersLookLikeTheRouters() async throws {
        let directory = try TemporaryDirectory()
        let server = try await ServerProcess(data: directory.file("data"))
        let run = try await server.remote.tracking.createRun(NewRun(experimentID: "0")).id
        // The first of a run is asked of the database; a connection that is to close goes the usual way.
        let answer = try await exchange(
            server, [request(run, 1) + request(run, 2) + request(run, 3, headers: "Connection: close\r\n")])
        let heads = answer.components(separatedBy: "HTTP/1.1 ").dropFirst().map { part in
            part.replacingOccurrences(of: "{}", with: "").components(separatedBy: "\r\n").map { line in
                line.hasPrefix("Date:") || line.hasPrefix("date:") ? "date" : line.lowercased()
            }.filter { !$0.isEmpty && $0 != "connection: close" }.sorted()
        }
        #expect(heads.count == 3)
        #expect(heads[1] == heads[0] && heads[1] == heads[2], "\(answer)")
    }

    @Test func whoMayNotStillMayNot() async throws {
        let directory = try TemporaryDirectory()
        let open = try await ServerProcess(data: directory.file("open"))
        let run = try await open.remote.tracking.createRun(NewRun(experimentID: "0")).id
        let refused = [
            "Origin: https://elsewhere.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Content-Encoding: gzip\r\n",
        ]
        let last = get("/health", headers: "Connection: close\r\n")
        let answers = try await exchange(
            open, [request(run, 0) + refused.map { request(run, 1, headers: $0) }.joined() + last])
        #expect(
            statuses(answers) == ["200", "403", "403", "400", "200"] || statuses(answers)[3] == "415", "\(answers)")
        #expect(try await steps(open, run) == [0])
        let foreign = request(run, 2).replacingOccurrences(of: "Host: 127.0.0.1", with: "Host: rebound.example")
        #expect(statuses(try await exchange(open, [foreign + last])) == ["403", "200"])

        let token = "a-token-of-some-length"
        let closed = try await ServerProcess(
            data: directory.file("closed"), environment: ["NESTBOX_TOKEN": token], token: token)
        let other = try await closed.remote.tracking.createRun(NewRun(experimentID: "0")).id
        let right = "Authorization: Bearer \(token)\r\n"
        let mixed = try await exchange(
            closed,
            [
                request(other, 0, headers: right) + request(other, 1) + request(other, 2, headers: right)
                    + request(other, 3, headers: "Authorization: Bearer wrong\r\n")
                    + get("/health", headers: right + "Connection: close\r\n")
            ])
        #expect(statuses(mixed) == ["200", "401", "200", "401", "200"], "\(mixed)")
        #expect(try await steps(closed, other) == [0, 2])
    }
}
