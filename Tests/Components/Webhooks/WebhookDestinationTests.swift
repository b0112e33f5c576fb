import Contracts
import Core
import TestSupport
import Testing

@testable import Webhooks

@Suite struct WebhookDestinationTests {
    private func destination(_ addresses: [String]) -> WebhookDestination {
        WebhookDestination(allowsPrivate: false) { _ in addresses }
    }

    @Test func onlyHTTPSToPublicAddressesWhereClientsComeFromElsewhere() async throws {
        #expect(try await destination(["93.184.215.14"]).check("https://example.com/x").address == "93.184.215.14")
        await expectError(.invalidArgument, mentions: "https") {
            try await destination(["93.184.215.14"]).check("http://example.com/x")
        }
        await expectError(.invalidArgument, mentions: "10.0.0.7", "--webhook-targets any") {
            try await destination(["93.184.215.14", "10.0.0.7"]).check("https://inside.example.com/")
        }
        await expectError(.invalidArgument) { try await destination([]).check("https://example.com/x") }
    }

    @Test func whereEveryClientIsOnThisMachineAnythingGoes() async throws {
        let destination = WebhookDestination(allowsPrivate: true) { _ in
            Issue.record("nothing needs to be looked up")
            return []
        }
        #expect(try await destination.check("http://127.0.0.1:9/x").address == nil)
    }

    /// The address is checked at every post, so that a name that moves inside later is of no use.
    @Test func aNameThatMovesInsideIsNotFollowed() async throws {
        let inside = ["169.254.169.254"]
        let fixture = try WebhookFixture(destination: destination(["93.184.215.14"]))
        let hook = try await fixture.hook("https://rebinding.example.com/")
        try await fixture.model("m")
        try await fixture.delivering { try await wait("a post") { !fixture.poster.requests.isEmpty } }
        #expect(fixture.poster.requests[0].address == "93.184.215.14")
        let later = try WebhookFixture(in: fixture.directory, destination: destination(inside))
        try await later.model("n")
        try await later.delivering {
            try await wait("its failure") {
                try await later.webhooks.deliveries(of: hook.id, limit: 1).first?.state == .failed
            }
        }
        #expect(later.poster.requests.isEmpty)
    }

    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255", "::",
        "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1", "2002:7f00:1::", "2001:db8::1", "2001::1", "3fff::1", "localhost", "", "127.1",
        "0177.0.0.1",
    ])
    func notPublic(_ address: String) { #expect(!PublicAddress.isPublic(address)) }

    @Test(arguments: [
        "1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "198.20.0.1", "223.255.255.255", "2606:4700:4700::1111",
        "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::",
    ])
    func isPublic(_ address: String) { #expect(PublicAddress.isPublic(address)) }

    /// The system's own reading of odd spellings is what is checked.
    @Test(arguments: ["127.1", "0x7f000001", "2130706433", "[::1]", "localhost"])
    func oddSpellingsOfThisMachineAreSeenThrough(_ host: String) async throws {
        let destination = WebhookDestination(allowsPrivate: false)
        await expectError(.invalidArgument) { try await destination.check("https://\(host)/x") }
    }
}
