import Core
import Hummingbird
import Server
import Testing

/// The document and the 405 index, made from a route table of the test's own.
@Suite struct OpenAPITests {
    private struct Inner: Codable, Sendable {
        var weights: [Double]
        var at: Timestamp
    }

    private enum Color: String, Codable, CaseIterable, Sendable { case red, green }

    private struct Sample: Codable, Sendable {
        var name: String
        var count: Int?
        var isOpen: Bool
        var color: Color
        var inner: Inner
        var extras: [String: JSONValue]
        var list: [Inner]?
    }

    private struct Tree: Codable, Sendable { var children: [Tree] }

    @Test func schemaFollowsTheType() throws {
        let schema = SchemaProbe.schema(of: Sample.self)
        #expect(schema["type"] == "object")
        #expect(schema["required"] == ["color", "extras", "inner", "isOpen", "name"])
        let properties = try #require(schema["properties"])
        #expect(properties["name"] == ["type": "string"])
        #expect(properties["count"]?["type"] == "integer")
        #expect(properties["isOpen"] == ["type": "boolean"])
        #expect(properties["color"] == ["type": "string", "enum": ["red", "green"]])
        #expect(properties["inner"]?["properties"]?["weights"] == ["type": "array", "items": ["type": "number"]])
        #expect(properties["inner"]?["properties"]?["at"]?["format"] == "int64")
        #expect(properties["extras"]?["type"] == "object")
        #expect(properties["list"]?["items"]?["required"] == ["at", "weights"])
    }

    @Test func aRecursiveTypeEnds() {
        #expect(SchemaProbe.schema(of: Tree.self)["properties"]?["children"]?["type"] == "array")
    }

    private let routes: [Route] = [
        .get(
            "/things/{name}", "Things", "One thing", query: [.init("deep", "also its parts"), .limit(5, most: 9)],
            returns: Inner.self
        ) {
            _ in
            Inner(weights: [], at: Timestamp(milliseconds: 0))
        },
        .json(.put, "/things/{name}", "Things", "Change it", takes: Sample.self, returns: Inner.self) { _, sample in
            sample.inner
        },
        .action(.delete, "/files/**", "Files", "Remove", returns: Acknowledgement.self) { _ in Acknowledgement() },
        .get("/page", "Pages", "A page", returns: Acknowledgement.self) { _ in Acknowledgement() }.with {
            $0.isHidden = true
        },
    ]

    @Test func documentHasEveryRouteThatIsNotHidden() throws {
        let document = OpenAPI.document(of: routes, version: "9")
        #expect(document["openapi"] == "3.1.0" && document["info"]?["version"] == "9")
        let paths = try #require(document["paths"]?.objectValue)
        #expect(paths.keys.sorted() == ["/files/{path}", "/things/{name}"])
        let get = try #require(paths["/things/{name}"]?["get"])
        #expect(get["parameters"]?.arrayValue?.map { $0["name"] } == ["name", "deep", "limit"])
        #expect(get["parameters"]?.arrayValue?.map { $0["required"] } == [true, false, false])
        #expect(get["parameters"]?.arrayValue?.last?["schema"]?["maximum"] == 9)
        #expect(
            paths["/things/{name}"]?["put"]?["requestBody"]?["content"]?["application/json"]?["schema"]?["required"]
                != nil)
        let identifiers = paths.values.flatMap { $0.objectValue!.values.map { $0["operationId"]!.stringValue! } }
        #expect(Set(identifiers).count == 3)
    }

    @Test func methodsOfAPath() {
        let index = RouteIndex(routes)
        #expect(index.methods(at: "/things/a") == ["GET", "HEAD", "PUT"])
        #expect(index.methods(at: "/files/a/b/c") == ["DELETE"])
        #expect(index.methods(at: "/things") == [])
        #expect(index.methods(at: "/things/a/b") == [])
        #expect(index.methods(at: "/") == [])
    }
}
