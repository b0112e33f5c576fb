import Client
import Core
import Testing

@Suite struct MLflowExportTests {
    @Test func valuesAreCutWhereMLflowCountsCharacters() {
        #expect(MLflowExport.fit("short", 6000) == "short")
        // MLflow counts code points: a letter with its accent apart is two.
        let accented = String(repeating: "e\u{301}", count: 3)
        #expect(MLflowExport.fit(accented, 6) == accented)
        #expect(MLflowExport.fit(accented, 3).unicodeScalars.count == 3)
        #expect(MLflowExport.fit(String(repeating: "😀", count: 9000), 8000).unicodeScalars.count == 8000)
    }

    @Test func batchesKeepToMLflowsLimits() {
        let many = Dictionary(uniqueKeysWithValues: (0..<250).map { ("k\($0)", "v\($0)") })
        let batches = MLflowExport.batches(many)
        #expect(batches.map(\.count) == [100, 100, 50])
        #expect(batches.reduce(into: [:]) { $0.merge($1) { $1 } } == many)
        let long = Dictionary(uniqueKeysWithValues: (0..<90).map { ("k\($0)", String(repeating: "x", count: 8000)) })
        #expect(MLflowExport.batches(long).allSatisfy { $0.values.reduce(0) { $0 + $1.utf8.count } <= 400_000 })
        #expect(MLflowExport.batches(["one": String(repeating: "x", count: 500_000)]).count == 1)
        #expect(MLflowExport.batches([:]).isEmpty)
    }

    @Test func errorsSayWhatToDoAboutAnExport() {
        let address = "http://mlflow.example.com"
        let full = MLflowExport.explained(
            NestboxError(.unavailable, "\(address): (sqlite3.OperationalError) database or disk is full"),
            target: address)
        #expect(full.code == .storageFull && full.hint?.contains("export again") == true)
        let away = MLflowExport.explained(NestboxError(.unavailable, "no answer from \(address)"), target: address)
        #expect(away.hint?.contains("export again") == true)
        let refused = MLflowExport.explained(
            NestboxError(.unavailable, "the MLflow server at \(address) asks for credentials"), target: address)
        #expect(refused.hint?.contains("NESTBOX_TRACKING_USERNAME") == true)
        #expect(MLflowExport.explained(.invalid("x"), target: address).hint == nil)
    }
}
