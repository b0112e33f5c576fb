import Access
import Core
import Foundation
import Testing

@Suite struct TokenAuthorityTests {
    private let token = "0123456789abcdef0123"

    private func code(_ body: () throws -> String) -> NestboxError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? NestboxError)?.code
        }
    }

    @Test func bearerAndBasicPasswordAreAccepted() throws {
        let authority = try TokenAuthority(token: token)
        #expect(try authority.caller(authorization: "Bearer \(token)") == "member")
        let basic = Data("ada:\(token)".utf8).base64EncodedString()
        #expect(try authority.caller(authorization: "Basic \(basic)") == "ada")
    }

    @Test(arguments: [
        nil, "", "Bearer", "Bearer wrong-token-of-some-length", "Basic !!!", "Basic YWJj", "Digest x", "bearer  ",
    ])
    func anythingElseIsUnauthenticated(header: String?) throws {
        let authority = try TokenAuthority(token: token)
        #expect(code { try authority.caller(authorization: header) } == .unauthenticated)
    }

    @Test func aJobTokenNamesItsJobUntilRevoked() throws {
        let authority = try TokenAuthority(token: token)
        let minted = authority.mint(job: "j1")
        #expect(try authority.caller(authorization: "Bearer \(minted)") == "job/j1")
        authority.revoke(job: "j1")
        #expect(code { try authority.caller(authorization: "Bearer \(minted)") } == .unauthenticated)
    }

    @Test func anOpenServerTakesEverybodyAndStillKnowsItsJobs() throws {
        let authority = try TokenAuthority(token: nil)
        #expect(try authority.caller(authorization: nil) == "local")
        #expect(try authority.caller(authorization: "Bearer anything") == "local")
        #expect(try authority.caller(authorization: "Bearer \(authority.mint(job: "j2"))") == "job/j2")
    }

    @Test func aShortTokenIsRefused() {
        #expect(throws: NestboxError.self) { try TokenAuthority(token: "short") }
    }
}
