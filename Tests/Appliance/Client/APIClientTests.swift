import Client
import Contracts
import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite struct APIClientTests {
    @Test(arguments: ["", "box:8080", "ftp://box", "http://", "/api"])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect("\(text)") { try APIClient(baseURL: text) } throws: { ($0 as? NestboxError)?.code == .invalidArgument }
    }

    @Test func pathsAreEncoded() throws {
        #expect(try APIClient(baseURL: "http://box:1/").baseURL == "http://box:1")
        #expect(APIClient.escape("a b/ü?&+%") == "a%20b%2F%C3%BC%3F%26%2B%25")
        #expect(APIClient.path("/p", query: [("a", "1 2"), ("b", nil), ("c", "x&y")]) == "/p?a=1%202&c=x%26y")
        #expect(APIClient.path("/p", query: [("a", nil)]) == "/p")
    }

    @Test func requestCarriesTokenTypeAndLength() async throws {
        let server = try CannedServer(answer: CannedServer.json("200 OK", #"{"b": 2}"#), waitFor: #"{"a":1}"#)
        let client = try APIClient(baseURL: server.url, token: "secret")
        let answer: JSONValue = try await client.send(.POST, "/x?y=z", body: ["a": 1] as JSONValue)
        #expect(answer == ["b": 2])
        let lines = server.request.lowercased().components(separatedBy: "\r\n")
        #expect(lines.first == "post /x?y=z http/1.1")
        #expect(lines.contains("authorization: bearer secret"))
        #expect(lines.contains("content-type: application/json"))
        #expect(lines.contains("content-length: 7"))
    }

    @Test func aPatientClientWaitsForAServerThatIsBeingRestarted() async throws {
        let listens = Atomic(false)
        let server = try CannedServer(
            answer: CannedServer.json("200 OK", #"{"b": 2}"#), waitFor: #"{"a":1}"#,
            listens: { listens.load(ordering: .acquiring) })
        let hasty = try APIClient(baseURL: server.url)
        await #expect { try await hasty.send(.GET, "/x") } throws: { ($0 as? NestboxError)?.code == .unavailable }
        let patient = try APIClient(baseURL: server.url, patience: 600)
        let call = Task { try await patient.send(.POST, "/x", body: ["a": 1] as JSONValue, as: JSONValue.self) }
        // Time for a refusal or two; the claim holds without it too.
        try await Task.sleep(for: .milliseconds(300))
        listens.store(true, ordering: .releasing)
        #expect(try await call.value == ["b": 2])
    }

    @Test func theServersErrorIsThrownAsItWas() async throws {
        let body = #"{"error": {"code": "conflict", "message": "taken", "hint": "take another"}}"#
        let server = try CannedServer(answer: CannedServer.json("409 Conflict", body))
        let client = try APIClient(baseURL: server.url)
        await #expect { try await client.send(.GET, "/x") } throws: {
            guard let error = $0 as? NestboxError else { return false }
            return error.code == .conflict && error.message == "taken" && error.hint == "take another"
        }
    }

    @Test func mlflowsErrorShapeIsUnderstood() async throws {
        let body = #"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}"#
        let server = try CannedServer(answer: CannedServer.json("404 Not Found", body))
        let client = try APIClient(baseURL: server.url)
        await #expect { try await client.send(.GET, "/x") } throws: {
            ($0 as? NestboxError)?.code == .notFound && ($0 as? NestboxError)?.message == "no such run"
        }
    }

    /// A proxy in between answers with pages of its own.
    @Test func anAnswerInNoKnownShapeKeepsStatusAndText() async throws {
        let server = try CannedServer(answer: CannedServer.json("503 Service Unavailable", "<h1>upstream is away</h1>"))
        let client = try APIClient(baseURL: server.url)
        await #expect { try await client.send(.GET, "/x") } throws: {
            guard let error = $0 as? NestboxError else { return false }
            return error.code == .unavailable && error.message.contains("503")
                && error.message.contains("upstream is away")
        }
    }

    @Test func anAnswerThatIsNotTheExpectedJSONSaysWhere() async throws {
        let server = try CannedServer(answer: CannedServer.json("200 OK", #"{"dataset": 5}"#))
        let client = try APIClient(baseURL: server.url)
        await #expect { try await client.get("/version", as: DatasetReference.self) } throws: {
            "\($0)".contains("/version")
        }
    }

    @Test func nobodyThereIsUnavailableWithAHint() async throws {
        // A port that was free a moment ago.
        let gone = try CannedServer(answer: CannedServer.json("200 OK", "{}"))
        let client = try APIClient(baseURL: gone.url)
        _ = try await client.send(.GET, "/")
        await #expect { try await client.send(.GET, "/") } throws: {
            guard let error = $0 as? NestboxError else { return false }
            return error.code == .unavailable && error.hint?.contains("nestbox serve") == true
        }
    }
}
