import Contracts
import Core
import Foundation
import Registry
import TestSupport
import Testing

@testable import Webhooks

@Suite struct EmbeddedWebhooksTests {
    @Test func contract() async throws {
        let poster = FakePoster { _, _ in throw NestboxError(.unavailable, "nobody there") }
        let fixture = try WebhookFixture(poster: poster)
        try await checkWebhookStore(fixture.webhooks)
        // Its directory goes with it.
        withExtendedLifetime(fixture) {}
    }

    @Test func everyChangeOfAModelIsToldAsMLflowTellsIt() async throws {
        let fixture = try WebhookFixture()
        let all = WebhookEntity.allCases.flatMap { entity in entity.actions.map { WebhookEvent(entity, $0) } }
        _ = try await fixture.hook("http://h/all", all)
        let registry = fixture.registry
        _ = try await registry.createModel(name: "flights late", description: "why", tags: ["team": "ops"])
        _ = try await registry.createVersion(
            NewModelVersion(
                name: "flights late", source: "mlflow-artifacts:/1/r/artifacts/m", runID: "r1", tags: ["a": "b"]))
        try await registry.setVersionTag("flights late", 1, key: "k", value: "v")
        try await registry.setVersionTag("flights late", 1, key: "k", value: nil)
        try await registry.setAlias("flights late", alias: "champion", version: 1, reason: "")
        try await registry.deleteAlias("flights late", alias: "champion")
        // MLflow has no webhook for these.
        try await registry.setModelTag("flights late", key: "k", value: "v")
        _ = try await registry.updateModel("flights late", description: "new")
        try await registry.deleteVersion("flights late", 1)
        let told = try await told(6, fixture)
        #expect(
            told == [
                body("registered_model", "created", ["tags": ["team": "ops"], "description": "why"]),
                body(
                    "model_version", "created",
                    [
                        "version": "1", "source": "mlflow-artifacts:/1/r/artifacts/m", "run_id": "r1",
                        "tags": ["a": "b"], "description": .null,
                    ]),
                body("model_version_tag", "set", ["version": "1", "key": "k", "value": "v"]),
                body("model_version_tag", "deleted", ["version": "1", "key": "k"]),
                body("model_version_alias", "created", ["alias": "champion", "version": "1"]),
                body("model_version_alias", "deleted", ["alias": "champion"]),
            ])
    }

    @Test func promptsAreToldAsPrompts() async throws {
        let fixture = try WebhookFixture()
        let all = WebhookEntity.allCases.flatMap { entity in entity.actions.map { WebhookEvent(entity, $0) } }
        _ = try await fixture.hook("http://h/all", all)
        let registry = fixture.registry
        let mark = ["mlflow.prompt.is_prompt": "true", "_mlflow_prompt_type": "text"]
        _ = try await registry.createModel(
            name: "flights late", description: "", tags: mark.merging(["team": "ops"]) { $1 })
        _ = try await registry.createVersion(
            NewModelVersion(
                name: "flights late", source: "prompt-template", runID: nil, description: "first",
                tags: mark.merging(["mlflow.prompt.text": "Hello {{name}}!", "a": "b"]) { $1 }))
        try await registry.setModelTag("flights late", key: "k", value: "v")
        try await registry.setModelTag("flights late", key: "k", value: nil)
        try await registry.setVersionTag("flights late", 1, key: "k", value: "v")
        try await registry.setVersionTag("flights late", 1, key: "k", value: nil)
        try await registry.setAlias("flights late", alias: "live", version: 1, reason: "")
        try await registry.deleteAlias("flights late", alias: "live")
        #expect(
            try await told(8, fixture) == [
                body("prompt", "created", ["tags": ["team": "ops"], "description": ""]),
                body(
                    "prompt_version", "created",
                    ["version": "1", "template": "Hello {{name}}!", "tags": ["a": "b"], "description": "first"]),
                body("prompt_tag", "set", ["key": "k", "value": "v"]),
                body("prompt_tag", "deleted", ["key": "k"]),
                body("prompt_version_tag", "set", ["version": "1", "key": "k", "value": "v"]),
                body("prompt_version_tag", "deleted", ["version": "1", "key": "k"]),
                body("prompt_alias", "created", ["alias": "live", "version": "1"]),
                body("prompt_alias", "deleted", ["alias": "live"]),
            ])
    }

    /// What was posted, once there are so many: the bodies without their moments.
    private func told(_ count: Int, _ fixture: WebhookFixture) async throws -> [JSONValue] {
        try await fixture.delivering {
            try await wait("\(count) posts") { fixture.poster.requests.count >= count }
        }
        return fixture.poster.requests.map { request in
            var fields = request.json.objectValue ?? [:]
            let moment = fields.removeValue(forKey: "timestamp")?.stringValue ?? ""
            #expect(moment.hasSuffix("+00:00") && Timestamp(iso8601: moment) != nil, "\(moment)")
            return .object(fields)
        }
    }

    private func body(_ entity: JSONValue, _ action: JSONValue, _ data: [String: JSONValue]) -> JSONValue {
        ["entity": entity, "action": action, "data": .object(data.merging(["name": "flights late"]) { $1 })]
    }

    @Test func onlyWhatHappensWhileAWebhookWantsItIsTold() async throws {
        let fixture = try WebhookFixture()
        try await fixture.model("before")
        let hook = try await fixture.hook("http://h/x")
        try await fixture.model("wanted")
        _ = try await fixture.webhooks.updateWebhook(hook.id, WebhookChange(status: .disabled))
        try await fixture.model("while-disabled")
        _ = try await fixture.webhooks.updateWebhook(
            hook.id, WebhookChange(events: [WebhookEvent(.promptTag, .set)], status: .active))
        try await fixture.model("of-another-kind")
        _ = try await fixture.webhooks.updateWebhook(
            hook.id, WebhookChange(events: [WebhookEvent(.registeredModel, .created)]))
        try await fixture.model("wanted-again")
        // The loop starts only now: how late it is makes no difference.
        try await fixture.delivering {
            try await wait("both posts") { fixture.poster.requests.count >= 2 }
        }
        #expect(
            fixture.poster.requests.map { $0.json["data"]?["name"] } == ["wanted", "wanted-again"])
    }

    @Test func aDeletedWebhookIsOwedNothing() async throws {
        let fixture = try WebhookFixture()
        let gone = try await fixture.hook("http://h/gone"), stays = try await fixture.hook("http://h/stays")
        try await fixture.model("m")
        try await fixture.webhooks.deleteWebhook(gone.id)
        try await fixture.delivering {
            try await wait("the other's post") { !fixture.poster.requests(to: stays.url).isEmpty }
        }
        #expect(fixture.poster.requests(to: gone.url).isEmpty)
    }

    @Test func aTestPostsAnExampleOfEveryEvent() async throws {
        let fixture = try WebhookFixture(
            poster: FakePoster { _, _ in OutboundAnswer(status: 418, body: "short and stout") })
        let hook = try await fixture.hook("http://h/x", secret: "s3cret")
        for entity in WebhookEntity.allCases {
            for action in entity.actions {
                let result = try await fixture.webhooks.testWebhook(hook.id, event: WebhookEvent(entity, action))
                #expect(result == WebhookTestResult(success: false, status: 418, body: "short and stout"))
                let sent = try #require(fixture.poster.requests.last)
                #expect(sent.json["entity"]?.stringValue == entity.rawValue)
                #expect(sent.json["action"]?.stringValue == action.rawValue)
                #expect(sent.json["data"]?.objectValue?.isEmpty == false)
                #expect(sent.header("X-MLflow-Signature")?.hasPrefix("v1,") == true)
            }
        }
        fixture.poster.answer { _, _ in OutboundAnswer(status: 302) }
        #expect(try await fixture.webhooks.testWebhook(hook.id, event: nil).success)
        #expect(fixture.poster.requests.last?.json["entity"] == "registered_model")
    }

    /// Expected value: Python, `base64.b64encode(hmac.new(b"s3cret", b"id-1.1700000000.{}", "sha256").digest())`.
    @Test func theSignatureIsMLflows() {
        let headers = WebhookSignature.headers(
            deliveryID: "id-1", at: Timestamp(milliseconds: 1_700_000_000_999), body: "{}", secret: "s3cret")
        #expect(
            headers.first { $0.name == "X-MLflow-Signature" }?.value
                == "v1,laOlY93PgfvXnu0y/Q4W5nm7RnNEJSPyvnczNJlQhiM=")
        #expect(headers.first { $0.name == "X-MLflow-Timestamp" }?.value == "1700000000")
        let unsigned = WebhookSignature.headers(
            deliveryID: "id-1", at: Timestamp(milliseconds: 0), body: "{}", secret: nil)
        #expect(!unsigned.contains { $0.name == "X-MLflow-Signature" })
    }

    @Test func secretsAreNowhereInPlainText() async throws {
        let directory = try TemporaryDirectory()
        let fixture = try WebhookFixture(in: directory)
        let secret = "correct-horse-battery-staple"
        let hook = try await fixture.hook("http://h/x", secret: secret)
        _ = try await fixture.webhooks.updateWebhook(hook.id, WebhookChange(secret: secret + secret))
        let events = try await fixture.store.recentEvents()
        #expect(events.contains { $0.kind == "webhook.created" } && events.contains { $0.kind == "webhook.updated" })
        #expect(!events.contains { "\($0)".contains(secret) || "\($0)".contains("http://h/x") })
        for file in directory.files {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: directory.file(file)))
            #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(file) holds the secret")
        }
        let mode = try FileManager.default.attributesOfItem(atPath: directory.file("secrets.key"))[.posixPermissions]
        #expect((mode as? NSNumber)?.intValue == 0o600)
        // Another process reads the key from its file; without the file the secret is lost, and the error says so.
        _ = try await WebhookFixture(in: directory, poster: fixture.poster).webhooks.testWebhook(hook.id, event: nil)
        #expect(fixture.poster.requests.count == 1)
        try FileManager.default.removeItem(atPath: directory.file("secrets.key"))
        let result = try await WebhookFixture(in: directory).webhooks.testWebhook(hook.id, event: nil)
        #expect(result.error?.contains("secrets.key") == true)
    }
}
