import Contracts
import Core
import Testing

@Suite struct ContractsTests {
    @Test(arguments: ["flights", "flights late", "a-b_c.d", "été", "3d"])
    func ordinaryNamesPass(name: String) throws {
        try Name.check(name, what: "dataset")
    }

    @Test(arguments: [
        "", "a/b", "..", "a..b", "-a", ".a", "a\nb", "a\\b", "a:b", "a@1", "a?b", "a#b", "a%2F",
        String(repeating: "a", count: 201),
    ])
    func namesThatWouldBreakAPathAreRefused(name: String) {
        #expect(throws: NestboxError.self) { try Name.check(name, what: "dataset") }
    }

    @Test(arguments: ["a/../b", "../a", "a//b", "/a", "", ".", "a\\..\\b", "a\u{0}b", String(repeating: "a", count: 2001)])
    func artifactPathsStayInTheirStore(path: String) {
        #expect(throws: NestboxError.self) { try ArtifactPath.normalize(path) }
    }

    @Test func artifactURIsRoundTrip() throws {
        #expect(try ArtifactPath.path(ofURI: ArtifactPath.uri("1/abc/artifacts/model")) == "1/abc/artifacts/model")
        #expect(throws: NestboxError.self) { try ArtifactPath.path(ofURI: "s3://bucket/key") }
    }

    @Test func datasetReferencesNameTheirVersion() throws {
        #expect(try DatasetReference(parsing: "flights") == DatasetReference(name: "flights"))
        #expect(try DatasetReference(parsing: "flights@3") == DatasetReference(name: "flights", version: 3))
        for text in ["flights@", "flights@0", "flights@x", "@1", "a@1@2"] {
            #expect(throws: NestboxError.self) { try DatasetReference(parsing: text) }
        }
    }

    @Test func featureReferencesHaveTwoParts() throws {
        #expect(try FeatureName.parse("weather:temp") == (view: "weather", feature: "temp"))
        for text in ["weather", "weather:", ":temp", "a:b:c"] {
            #expect(throws: NestboxError.self) { try FeatureName.parse(text) }
        }
    }
}
