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
        #expect(try authority.identity(authorization: "Bearer \(token)").name == "member")
        let basic = Data("ada:\(token)".utf8).base64EncodedString()
        #expect(try authority.identity(authorization: "Basic \(basic)").name == "ada")
    }

    /// In events these would pass for the appliance's own work, or for a worker.
    @Test(arguments: ["system", "job/1", "a\nb", ""])
    func aNameThatIsNotAPersonsIsNotTaken(name: String) throws {
        let basic = Data("\(name):\(token)".utf8).base64EncodedString()
        let authority = try TokenAuthority(token: token)
        #expect(try authority.identity(authorization: "Basic \(basic)") == .member("member"))
    }

    @Test(arguments: [
        nil, "", "Bearer", "Bearer wrong-token-of-some-length", "Basic !!!", "Basic YWJj", "Digest x", "bearer  ",
    ])
    func anythingElseIsUnauthenticated(header: String?) throws {
        let authority = try TokenAuthority(token: token)
        #expect(code { try authority.identity(authorization: header).name } == .unauthenticated)
    }

    @Test func aJobTokenNamesItsJobUntilRevoked() throws {
        let authority = try TokenAuthority(token: token)
        let minted = authority.mint(job: "j1")
        #expect(try authority.identity(authorization: "Bearer \(minted)").name == "job/j1")
        authority.revoke(job: "j1")
        #expect(code { try authority.identity(authorization: "Bearer \(minted)").name } == .unauthenticated)
    }

    @Test func anOpenServerTakesEverybodyAndStillKnowsItsJobs() throws {
        let authority = try TokenAuthority(token: nil)
        #expect(try authority.identity(authorization: nil).name == "local")
        #expect(try authority.identity(authorization: "Bearer anything").name == "local")
        #expect(try authority.identity(authorization: "Bearer \(authority.mint(job: "j2"))").name == "job/j2")
    }

    @Test func aShortTokenIsRefused() {
        #expect(throws: NestboxError.self) { try TokenAuthority(token: "short") }
    }
}
