import Contracts
import Core
import Foundation
import Storage
import Synchronization
import TestSupport
import Testing

@testable import Webhooks

@Suite struct DeliveryServiceTests {
    @Test(arguments: [429, 500, 502, 503, 504])
    func whatMayPassIsTriedAgainUnderTheSameID(status: Int) async throws {
        let fixture = try WebhookFixture(
            poster: FakePoster { _, place in OutboundAnswer(status: place < 3 ? status : 204, body: "later") })
        let hook = try await fixture.hook("http://h/x", secret: "s")
        try await fixture.model("m")
        try await fixture.delivering { try await wait("the fourth post") { fixture.poster.requests.count >= 4 } }
        #expect(Set(fixture.poster.requests.map(\.deliveryID)).count == 1)
        #expect(Set(fixture.poster.requests.map(\.body)).count == 1)
        let history = try await fixture.webhooks.deliveries(of: hook.id, limit: 10)
        try #require(history.count == 1)
        #expect(history[0].id == fixture.poster.requests[0].deliveryID)
        #expect(history[0].state == .delivered && history[0].attemptCount == 4 && history[0].dueAt == nil)
        #expect(history[0].attempts.map(\.status) == [status, status, status, 204])
        #expect(history[0].attempts.map { $0.error != nil } == [true, true, true, false])
        #expect(history[0].attempts[0].error?.contains("later") == true)
    }

    @Test(arguments: [301, 307, 400, 401, 404, 410, 501])
    func whatIsRefusedIsGivenUpAtOnce(status: Int) async throws {
        let fixture = try WebhookFixture(
            poster: FakePoster { _, place in OutboundAnswer(status: place == 0 ? status : 200) })
        let hook = try await fixture.hook("http://h/x")
        try await fixture.model("first")
        try await fixture.model("second")
        try await fixture.delivering { try await wait("both posts") { fixture.poster.requests.count >= 2 } }
        let history = try await fixture.webhooks.deliveries(of: hook.id, limit: 10)
        #expect(history.map(\.state) == [.delivered, .failed] && history.allSatisfy { $0.attemptCount == 1 })
        #expect(fixture.poster.requests.map { $0.json["data"]?["name"] } == ["first", "second"])
        let events = try await fixture.store.eventLog(subject: "webhook/\(hook.id)")
        #expect(events.last?.kind == "webhook.gave_up")
    }

    @Test func aDeadReceiverKeepsNobodyWaiting() async throws {
        let fixture = try WebhookFixture(
            poster: FakePoster { request, _ in
                if request.url.hasSuffix("hangs") { try await Task.sleep(for: .seconds(3600)) }
                if request.url.hasSuffix("dead") { throw NestboxError(.unavailable, "no connection to h: refused") }
                return OutboundAnswer(status: 200)
            })
        _ = try await fixture.hook("http://h/hangs")
        let dead = try await fixture.hook("http://h/dead"), alive = try await fixture.hook("http://h/alive")
        for index in 0..<20 { try await fixture.model("m\(index)") }
        try await fixture.delivering {
            try await wait("all posts to the living") { fixture.poster.requests(to: alive.url).count >= 20 }
        }
        #expect(
            fixture.poster.requests(to: alive.url).map { $0.json["data"]?["name"]?.stringValue }
                == (0..<20).map { "m\($0)" })
        let history = try await fixture.webhooks.deliveries(of: dead.id, limit: 100)
        #expect(history.count == 20 && history.allSatisfy { $0.state == .pending })
    }

    /// A message that its receiver cannot take waits alone.
    @Test func oneBadMessageDoesNotBlockTheOthers() async throws {
        let fixture = try WebhookFixture(
            poster: FakePoster { request, _ in
                OutboundAnswer(status: request.json["data"]?["name"] == "poison" ? 500 : 200)
            })
        let hook = try await fixture.hook("http://h/x")
        for name in ["poison", "a", "b", "c"] { try await fixture.model(name) }
        try await fixture.delivering {
            try await wait("the others") {
                try await fixture.webhooks.deliveries(of: hook.id, limit: 10).filter { $0.state == .delivered }.count
                    == 3
            }
        }
        #expect(try await fixture.webhooks.deliveries(of: hook.id, limit: 10).last?.state == .pending)
    }

    @Test func aKilledProcessSendsAgainUnderTheSameID() async throws {
        let directory = try TemporaryDirectory()
        let poster = FakePoster { _, _ in
            try await Task.sleep(for: .seconds(3600))
            return OutboundAnswer(status: 200)
        }
        let first = try WebhookFixture(in: directory, poster: poster)
        let hook = try await first.hook("http://h/x")
        try await first.model("m")
        try await first.delivering { try await wait("the first post") { poster.requests.count == 1 } }
        #expect(try await first.webhooks.deliveries(of: hook.id, limit: 1).first?.attemptCount == 0)
        poster.answer { _, _ in OutboundAnswer(status: 200) }
        let second = try WebhookFixture(in: directory, poster: poster)
        try await second.delivering {
            try await wait("the delivery") {
                try await second.webhooks.deliveries(of: hook.id, limit: 1).first?.state == .delivered
            }
        }
        #expect(poster.requests.count == 2 && Set(poster.requests.map(\.deliveryID)).count == 1)
    }

    @Test func whatIsNotTakenForDaysIsGivenUp() async throws {
        var schedule = WebhookFixture.quick
        schedule.giveUpAfter = 0.15
        let fixture = try WebhookFixture(
            poster: FakePoster { _, _ in OutboundAnswer(status: 503) }, schedule: schedule)
        let hook = try await fixture.hook("http://h/x")
        try await fixture.model("m")
        try await fixture.delivering {
            try await wait("the end") {
                try await fixture.webhooks.deliveries(of: hook.id, limit: 1).first?.state == .failed
            }
        }
        #expect(fixture.poster.requests.count > 1)
    }

    @Test func theHistoryIsBounded() async throws {
        var schedule = WebhookFixture.quick
        schedule.keptDeliveries = 5
        schedule.keptAttempts = 3
        let fixture = try WebhookFixture(
            poster: FakePoster { _, place in OutboundAnswer(status: place < 6 ? 500 : 200) }, schedule: schedule)
        let hook = try await fixture.hook("http://h/x")
        try await fixture.model("slow")
        try await fixture.delivering {
            try await wait("the first") {
                try await fixture.webhooks.deliveries(of: hook.id, limit: 1).first?.state == .delivered
            }
            let slow = try await fixture.webhooks.deliveries(of: hook.id, limit: 1)[0]
            #expect(slow.attemptCount == 7 && slow.attempts.count == 3 && slow.attempts.last?.status == 200)
            for index in 0..<12 { try await fixture.model("m\(index)") }
            try await wait("the rest") { fixture.poster.requests.count == 19 }
        }
        #expect(
            try await fixture.webhooks.deliveries(of: hook.id, limit: 100).filter { $0.state == .delivered }.count == 5)
    }

    @Test func addressesOfTheServerItselfAreServedToo() async throws {
        let fixture = try WebhookFixture()
        let target = OutboxTarget(url: "http://h/lineage", headers: [(name: "Content-Type", value: "application/json")])
        try await fixture.delivering(targets: ["known": target]) {
            let outbox = fixture.webhooks.outbox
            #expect(try await outbox.position(of: "sender") == nil)
            try await outbox.enqueue(
                [
                    OutboxMessage(target: "known", label: "a", body: "{}"),
                    OutboxMessage(target: "unknown", label: "b", body: "{}"),
                ], from: "sender", upTo: 7)
            #expect(try await outbox.position(of: "sender") == 7)
            try await wait("the delivery") {
                try await outbox.deliveries(to: "known", limit: 1).first?.state == .delivered
            }
        }
        #expect(fixture.poster.requests.map(\.url) == ["http://h/lineage"])
        #expect(try await fixture.webhooks.outbox.deliveries(to: "unknown", limit: 1).first?.state == .pending)
    }

    @Test func waitsGrowAndEnd() {
        let schedule = DeliverySchedule()
        #expect((1...4).map { schedule.wait(attempts: $0, retryAfter: nil, chance: 0) } == [1, 2, 4, 8])
        #expect(schedule.wait(attempts: 400, retryAfter: nil, chance: 0) == 600)
        #expect(schedule.wait(attempts: 1, retryAfter: 30, chance: 0) == 30)
        #expect(schedule.wait(attempts: 1, retryAfter: 1e9, chance: 0) == 3600)
        #expect(schedule.wait(attempts: 3, retryAfter: nil, chance: 0.999) < 5)
        #expect(schedule.rest(failures: 3, retryAfter: nil) < schedule.wait(attempts: 3, retryAfter: nil, chance: 0))
        let now = Timestamp(iso8601: "2026-10-21T07:27:00Z")!
        #expect(DeliverySchedule.seconds(retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT", now: now) == 60)
        #expect(DeliverySchedule.seconds(retryAfter: "120", now: now) == 120)
        #expect(DeliverySchedule.seconds(retryAfter: "-5", now: now) == 0)
        #expect(DeliverySchedule.seconds(retryAfter: "soon", now: now) == nil)
    }
}
