import Core
import Testing

/// One value after the other.
@Suite struct JSONReaderPullTests {
    private func read<T>(_ text: String, _ body: (inout JSONReader) throws -> T) throws -> T {
        try Array(text.utf8).withUnsafeBufferPointer { try JSONReader.read($0, what: "it", deepest: 3, body) }
    }

    @Test func keysComeInOrderAndWithoutEscapes() throws {
        var keys: [String] = [], values: [JSONValue] = []
        try read(#" { "b" : 1 , "a\u00e9" : [ true ], "b":{} } "#) { reader in
            try reader.members { key, reader in
                keys.append(String(decoding: key, as: UTF8.self))
                values.append(try reader.value())
            }
        }
        #expect(keys == ["b", "aé", "b"])
        #expect(values == [1, [true], [:]])
    }

    @Test func scalarsHaveTheirKinds() throws {
        let found = try read(#"["å", 0.14285714285714285, -7, 1e2, 5]"#) { reader in
            var index = 0, found: [JSONValue] = []
            try reader.elements { reader in
                switch index {
                case 0: found.append(.string(try reader.text()))
                case 2: found.append(.int(try reader.integer()))
                default: found.append(.number(try reader.double()))
                }
                index += 1
            }
            return found
        }
        #expect(found == ["å", .number(1.0 / 7), -7, .number(100), .number(5)])
    }

    @Test(arguments: [
        "[1.5]", #"["1"]"#, "[1", "[1,]", "[1] x", "{}", "", "[01]", "[99999999999999999999]", "[-]",
    ])
    func anythingElseIsRefusedWithItsPlace(_ text: String) throws {
        let error = #expect(throws: NestboxError.self) {
            try read(text) { reader in try reader.elements { _ = try $0.integer() } }
        }
        #expect(
            error?.message.contains("it is not well-formed: expected") == true, "\(text): \(String(describing: error))")
    }

    @Test func depthIsLimitedHowEverItIsRead() throws {
        func deep(_ reader: inout JSONReader) throws { try reader.elements { try deep(&$0) } }
        try read("[[[]]]") { try deep(&$0) }
        #expect(throws: NestboxError.self) { try read("[[[[]]]]") { try deep(&$0) } }
        #expect(throws: NestboxError.self) { try read("[[[[]]]]") { try $0.elements { _ = try $0.value() } } }
    }
}
