import Contracts
import Core
import Server
import Testing

/// Whatever the short reader reads, the long one reads alike; and it does read what clients send.
@Suite struct PlainMetricsTests {
    private func long(_ body: String) throws -> PlainMetrics {
        let request = try MLflowRequest(body: Array(body.utf8))
        let batch = try MLflowLoggingRoutes.batch(request)
        #expect(batch.params.isEmpty && batch.tags.isEmpty && batch.modelMetrics.isEmpty)
        return PlainMetrics(run: try request.required("run_id"), points: batch.metrics)
    }

    private func longSingle(_ body: String) throws -> PlainMetrics {
        let request = try MLflowRequest(body: Array(body.utf8))
        return PlainMetrics(run: try request.runID(), points: [try MLflowLoggingRoutes.point(request)])
    }

    @Test func theClientsBodiesArePlain() throws {
        let batch = """
            {"run_id": "0f", "metrics": [{"key": "loss", "value": 0.14285714285714285, "timestamp": 1700000000000, "step": 3},
              {"key": "å/b", "value": -1e-7, "timestamp": 0, "step": -2}, {"key": "n", "value": 5, "timestamp": 1}], "params": [], "tags": []}
            """
        let read = try #require(PlainMetrics.batch(Array(batch.utf8)))
        #expect(read == (try long(batch)))
        #expect(read.points.map(\.value) == [1.0 / 7, -1e-7, 5])
        #expect(read.points.map(\.step) == [3, -2, 0])
        let single =
            #"{"run_uuid":"0f","run_id":"0f","key":"loss","value":17.5,"timestamp":1700000000000,"step":3}"#
        #expect(PlainMetrics.single(Array(single.utf8)) == (try longSingle(single)))
    }

    @Test(arguments: [
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1, "model_id": "m"}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": "NaN", "timestamp": 1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": NaN, "timestamp": 1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1e999, "timestamp": 1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 01, "timestamp": 1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": -1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1.5}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1}], "params": [{"key": "p", "value": "1"}]}"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1}]} x"#,
        #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1},]}"#,
        #"{"runId": "0f", "metrics": [{"key": "a", "value": 1, "timestamp": 1}]}"#,
        #"{"run_id": "0f", "metrics": []}"#, #"{"run_id": "", "metrics": [{"key": "a", "value": 1, "timestamp": 1}]}"#,
        #"{"run_id": "0f"}"#, "{}", "", "[]", #"{"run_id": "0f", "metrics": [{"key": "a", "value": 1"#,
    ])
    func whatIsNotPlainIsLeftToTheOther(body: String) {
        #expect(PlainMetrics.batch(Array(body.utf8)) == nil)
    }

    @Test func aBatchThatIsTooLongIsLeftToTheOther() {
        let one = #"{"key": "a", "value": 1, "timestamp": 1}"#
        let body = { (count: Int) in
            Array(
                #"{"run_id": "0f", "metrics": [\#([String](repeating: one, count: count).joined(separator: ","))]}"#
                    .utf8)
        }
        #expect(PlainMetrics.batch(body(1000))?.points.count == 1000)
        #expect(PlainMetrics.batch(body(1001)) == nil)
    }

    @Test func mutatedBodiesAreReadAlikeOrNotAtAll() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        let batch =
            #"{"run_id": "0f", "metrics": [{"key": "k", "value": 0.5, "timestamp": 17, "step": 3}, {"key": "å", "value": -12e-3, "timestamp": 0}], "params": [], "tags": []}"#
        let single = #"{"run_uuid":"0f","run_id":"0f","key":"loss","value":17.25,"timestamp":1700,"step":3}"#
        let alphabet = Array(#"{}[]",:0123456789.eE+-\ aknrt_"#.utf8)
        var plain = 0
        for round in 0..<40_000 {
            let isBatch = round % 2 == 0
            var bytes = Array((isBatch ? batch : single).utf8)
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random), new = alphabet.randomElement(using: &random)!
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = new
                case 1: bytes.insert(new, at: at)
                default: bytes.remove(at: at)
                }
            }
            guard let read = isBatch ? PlainMetrics.batch(bytes) : PlainMetrics.single(bytes) else { continue }
            plain += 1
            let text = String(decoding: bytes, as: UTF8.self)
            let other = try isBatch ? long(text) : longSingle(text)
            #expect(read == other, "seed \(seed): \(text)")
            #expect(
                read.points.map(\.value.bitPattern) == other.points.map(\.value.bitPattern), "seed \(seed): \(text)")
        }
        #expect(plain > 1000, "seed \(seed)")
    }

    @Test func numbersAreReadToTheLastBit() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            var value = Double(bitPattern: random.next())
            if !value.isFinite { value = 0.1 }
            let texts = [
                "\(value)", "\(Double.random(in: -1e6...1e6, using: &random))",
                "\(Int64.random(in: -99_999...99_999, using: &random))",
            ]
            for text in texts {
                let body = #"{"run_id": "0f", "metrics": [{"key": "a", "value": \#(text), "timestamp": 1}]}"#
                let read = try #require(PlainMetrics.batch(Array(body.utf8)), "seed \(seed): \(text)")
                #expect(read.points[0].value.bitPattern == Double(text)!.bitPattern, "seed \(seed): \(text)")
            }
        }
    }
}
