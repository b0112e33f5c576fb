import Contracts
import Core
import Foundation
import Server
import TestSupport
import Testing

@Suite struct TraceFileTests {
    /// As mlflow 3.17 wrote it.
    private let file = """
        {"spans": [{"trace_id": "hB37dYnYxPwe4IUQpEWelQ==", "span_id": "SitWMMUP10Q=", "parent_span_id": null,
        "name": "outer", "start_time_unix_nano": 1795566964189783370, "end_time_unix_nano": 1795566964233213138,
        "events": [{"name": "exception", "time_unix_nano": 1795566964233098240, "attributes": {"exception.type": "ValueError"}}],
        "status": {"code": "STATUS_CODE_ERROR", "message": "ValueError: negative"},
        "attributes": {"mlflow.spanType": "\\"CHAIN\\"", "a": "1", "b": "1.5", "d": "[1, 2.0, \\"x\\"]", "raw": "not json"},
        "links": []}]}
        """

    @Test func whatMLflowWroteIsRead() throws {
        let spans = try TraceFile.decode(Data(file.utf8))
        let span = try #require(spans.first)
        #expect(spans.count == 1 && span.traceID == "841dfb7589d8c4fc1ee08510a4459e95" && span.id == "4a2b5630c50fd744")
        #expect(span.parentID == nil && span.name == "outer" && span.type == "CHAIN" && span.status == .error)
        #expect(span.start == 1_795_566_964_189_783_370 && span.end == 1_795_566_964_233_213_138)
        #expect(span.attributes["a"] == .int(1) && span.attributes["b"] == 1.5 && span.attributes["raw"] == "not json")
        #expect(span.attributes["d"] == [.int(1), .number(2), "x"])
        #expect(span.events.map(\.name) == ["exception"])
        let again = try TraceFile.decode(try TraceFile.encode(spans))
        #expect(again.map(\.id) == [span.id] && again[0].events == span.events && again[0].type == "CHAIN")
    }

    @Test func brokenFilesAreRefused() async throws {
        for text in ["", "{", "{\"spans\": [{}]}", "{\"spans\": [{\"trace_id\": \"AA==\", \"span_id\": 5}]}"] {
            await expectError(.invalidArgument, mentions: "traces.json") { try TraceFile.decode(Data(text.utf8)) }
        }
        #expect(try TraceFile.decode(Data("[]".utf8)).isEmpty)
    }
}
