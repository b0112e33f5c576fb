import Core
import Server
import Testing

@Suite struct MLflowRequestTests {
    @Test func queriesAreReadAsPythonWritesThem() throws {
        #expect(MLflowRequest.query("") == [:])
        #expect(MLflowRequest.query("a=b+c%2Bd&e=&f") == ["a": "b c+d", "e": "", "f": ""])
        #expect(MLflowRequest.query("s=1&s=2&%C3%A4=%E2%82%AC") == ["s": ["1", "2"], "ä": "€"])
        #expect(MLflowRequest.query("a=%zz&b=%C3&c=100%") == ["a": "%zz", "b": "\u{FFFD}", "c": "100%"])
    }

    @Test(arguments: [
        ("bytes=0-3", 0..<4), ("bytes=5-", 5..<10), ("bytes=-2", 8..<10), ("bytes=-100", 0..<10),
        ("bytes=0-9223372036854775807", 0..<10),
        ("bytes=9-9", 9..<10),
    ])
    func rangesAreCutAtTheEnd(header: String, expected: Range<Int64>) {
        #expect(HTTPRange(header)?.resolve(size: 10) == expected)
    }

    @Test(arguments: ["bytes=10-", "bytes=20-30", "bytes=-0"]) func rangesBeyondTheEndHoldNothing(header: String) throws
    {
        let range = try #require(HTTPRange(header))
        #expect(range.resolve(size: 10) == nil)
    }

    @Test(arguments: [
        "bytes=3-1", "bytes=0-1,4-5", "bytes=-", "bytes=a-b", "items=0-1", "bytes=", "bytes=1",
        "bytes=99999999999999999999-",
    ])
    func whatIsNoRangeMeansTheWholeFile(header: String) {
        #expect(HTTPRange(header) == nil)
    }

    @Test func anEmptyFileHasNoRange() {
        #expect(HTTPRange("bytes=0-")?.resolve(size: 0) == nil)
        #expect(HTTPRange("bytes=-5")?.resolve(size: 0) == nil)
    }
}
