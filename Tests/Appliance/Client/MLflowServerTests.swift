import Client
import Core
import Foundation
import Synchronization
import TestSupport
import Testing

/// How Nestbox meets an MLflow server. What they then do together is in `MLflowSeamTests`.
@Suite struct MLflowServerTests {
    private static func text(_ status: String, _ body: String) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: text/html\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }
    private static let refusal = text("401 UNAUTHORIZED", "You are not authenticated.")

    private func refused(_ url: String, _ credentials: MLflowServer.Credentials = .init()) async -> NestboxError {
        do {
            _ = try await MLflowServer.connect(url, credentials)
            return NestboxError(.internalError, "it was let in")
        } catch {
            return error as? NestboxError ?? NestboxError(.internalError, "\(error)")
        }
    }

    @Test func aServerThatAsksForCredentialsIsNamedWithWhatToSet() async throws {
        let server = try CannedServer(answer: Self.refusal)
        let error = await refused(server.url)
        #expect(error.code == .unavailable && error.message.contains("\(server.url) asks for credentials"))
        #expect(error.hint?.contains("NESTBOX_TRACKING_PASSWORD") == true)
        #expect(!server.request.lowercased().contains("authorization"))
    }

    @Test(arguments: [
        ("ada:s%3Acret@", MLflowServer.Credentials(), "Basic YWRhOnM6Y3JldA=="),
        ("ada@", .init(token: "other", username: "bob", password: "s:cret"), "Basic YWRhOnM6Y3JldA=="),
        ("", .init(username: "ada", password: "s:cret"), "Basic YWRhOnM6Y3JldA=="),
        ("", .init(token: "s:cret"), "Bearer s:cret"),
    ])
    func credentialsAreSentAndNeverShown(
        user: String, credentials: MLflowServer.Credentials, header: String
    ) async throws {
        let server = try CannedServer(answer: Self.refusal)
        let error = await refused(server.url.replacingOccurrences(of: "//", with: "//" + user), credentials)
        #expect(
            server.request.contains("Authorization: \(header)\r\n")
                || server.request.contains("authorization: \(header)\r\n"))
        #expect(error.message.contains("\(server.url) refuses Nestbox's credentials"))
        #expect(!"\(error)".contains("cret") && !"\(error)".contains("YWRh"))
    }

    @Test(arguments: [
        ("2.22.0", "is 2.22.0; Nestbox needs 3.0"), ("<h1>hello</h1>", "is no MLflow server"),
        ("", "is no MLflow server"), ("3", "is no MLflow server"),
    ])
    func whatIsTooOldOrSomethingElseIsNamed(answer: String, says: String) async throws {
        let error = await refused(try CannedServer(answer: Self.text("200 OK", answer)).url)
        #expect(error.code == .invalidArgument && error.message.contains(says), "\(error)")
        #expect(error.hint != nil)
    }

    /// Before 1.28 there was no `/version`.
    @Test func aServerThatDoesNotTellItsVersionIsNamed() async throws {
        let error = await refused(try CannedServer(answer: Self.text("404 NOT FOUND", "Not Found")).url)
        #expect(error.code == .invalidArgument && error.message.contains("is no MLflow server"), "\(error)")
    }

    @Test func aServerThatIsBeingStartedIsWaitedFor() async throws {
        let listens = Atomic(false), told = Atomic(0)
        let server = try CannedServer(
            answer: Self.text("200 OK", "1.30.1"), listens: { listens.load(ordering: .acquiring) })
        await expectError(.invalidArgument, mentions: "1.30.1") {
            _ = try await MLflowServer.connect(server.url, .init(), patience: 600) { _ in
                told.add(1, ordering: .sequentiallyConsistent)
                listens.store(true, ordering: .releasing)
            }
        }
        #expect(told.load(ordering: .sequentiallyConsistent) == 1)
    }

    @Test func nobodyThereIsNamedWithTheSettingToCheck() async throws {
        let gone = try CannedServer(answer: Self.refusal)
        _ = await refused(gone.url)
        let error = await refused(gone.url)
        #expect(error.code == .unavailable && error.message.contains("no answer from \(gone.url)"))
        #expect(error.hint?.contains("--tracking-url") == true)
    }
}
