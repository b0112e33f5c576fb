import Core
import Foundation
import Testing

/// `JSON.decode` of Codable types, beside Foundation's decoder.
@Suite struct JSONDecodingTests {
    enum Colour: String, Codable { case red, blue }
    enum Shape: Codable, Hashable {
        case circle(radius: Double)
        case none
    }
    struct Leaf: Codable, Hashable {
        var flag: Bool
        var small: Int8
        var wide: UInt64
        var single: Float
        var colour: Colour?
    }
    struct Tree: Codable, Hashable {
        var name: String
        var leaves: [Leaf?]
        var byName: [String: [Double]]
        var counts: [Int]
        var shapes: [Shape]
        var extra: JSONValue
        var settings: [String: JSONValue]
        var left: [Tree]?
    }
    class Base: Codable { var a = 1 }
    final class Derived: Base {
        var b = 2
        enum Keys: CodingKey { case b }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            b = try container.decode(Int.self, forKey: .b)
            try super.init(from: try container.superDecoder())
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            try container.encode(b, forKey: .b)
            try super.encode(to: container.superEncoder())
        }
    }
    struct Job: Codable {
        var kind: String
        var payload: JSONValue
    }

    @Test func whatIsEncodedComesBack() throws {
        let leaf = Leaf(flag: true, small: -128, wide: 1 << 62, single: 0.1, colour: .blue)
        var tree = Tree(
            name: "é \"x\"", leaves: [leaf, nil, leaf], byName: ["a": [1, 0.1, -0.0, 1e-300], "": []],
            counts: [0, .min, .max],
            shapes: [.circle(radius: 2), .none], extra: ["deep": [[[.null, true, 1.5, "x"]]]], settings: ["k": 7],
            left: nil)
        tree.left = [tree]
        let bytes = try JSON.encode(tree)
        #expect(try JSON.decode(Tree.self, from: bytes) == tree)
        #expect(
            try JSON.decode([Tree?].self, from: "[null, \(String(decoding: bytes, as: UTF8.self))]") == [nil, tree])
        #expect(try JSON.decode(Tree?.self, from: "null") == nil)
        let derived = Derived()
        (derived.a, derived.b) = (5, 6)
        let back = try JSON.decode(Derived.self, from: try JSON.encode(derived))
        #expect(back.a == 5 && back.b == 6)
        let zero = try JSON.decode([Double].self, from: try JSON.encode([-0.0]))
        #expect(zero[0].sign == .minus)
    }

    @Test(arguments: [
        (#"{"flag": 1}"#, "`flag` must be true or false"),
        (#"{"flag": true, "small": 128}"#, "`small` must be a whole number"),
        (#"{"flag": true, "small": 1.5}"#, "`small` must be a whole number"),
        (#"{"flag": true, "small": null}"#, "`small` must be a whole number, not null"),
        (#"{"flag": true, "small": 2.0, "wide": -1}"#, "`wide` must be a whole number"),
        (#"{"flag": true, "small": 2, "wide": 1, "single": 1e300}"#, "`single` must be a number"),
        (#"{"flag": true, "small": 2, "wide": 1, "single": 1, "colour": "green"}"#, "`colour` is not valid"),
        ("[]", "`the whole` must be an object"), ("null", "`the whole` must be an object, not null"),
    ])
    func whatDoesNotFitIsRefusedByItsPlace(text: String, expected: String) {
        let error = #expect(throws: NestboxError.self) { try JSON.decode(Leaf.self, from: text, what: "it") }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test func placesInListsAreNamed() {
        let error = #expect(throws: NestboxError.self) {
            try JSON.decode([String: [[Double]]].self, from: #"{"a": [[1], [2, "x"]]}"#, what: "it")
        }
        #expect(error?.message == "it: `a[1][1]` must be a number")
    }

    /// Megabytes of what used to be tried type by type: every list as five other things first.
    @Test func deepBodiesAreReadOnceOrRefused() throws {
        let deep = String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        let objects = String(repeating: #"{"a":"#, count: 60) + "1" + String(repeating: "}", count: 60)
        for item in [deep, objects] {
            let list = Array(repeating: item, count: (3 << 20) / item.utf8.count).joined(separator: ",")
            let job = try JSON.decode(Job.self, from: #"{"kind": "k", "payload": [\#(list)]}"#)
            #expect(job.payload.arrayValue?.count == (3 << 20) / item.utf8.count)
        }
        for opening in ["[", #"{"a":"#, #"{"kind":"k","payload":["#] {
            let endless = Data(String(repeating: opening, count: (4 << 20) / opening.utf8.count).utf8)
            let error = #expect(throws: NestboxError.self) { try JSON.decode(Job.self, from: endless, deepest: 64) }
            #expect(error?.message.contains("nested more than 64 levels deep") == true)
        }
    }
}
