import Contracts
import Core
import Testing

@Suite struct RunDiffTests {
    private func run(_ id: String, params: [String: String], metrics: [String: Double]) -> Run {
        Run(
            id: id, experimentID: "1", name: id, user: "ada", status: .finished,
            startTime: Timestamp(milliseconds: 0), endTime: nil, lifecycleStage: .active, artifactURI: "",
            params: params,
            metrics: metrics.map { MetricPoint(key: $0.key, value: $0.value, timestamp: Timestamp(milliseconds: 0)) },
            tags: [:], inputs: [])
    }

    @Test func onlyWhatDiffersIsListed() throws {
        var left = RunEnvironment(origin: .captured), right = left
        left.code = .init(commit: "a1", branch: "main")
        right.code = .init(commit: "b2", branch: "main")
        left.data = [.init(name: "flights", version: 1, digest: "d1"), .init(name: "same", digest: "s")]
        right.data = [.init(name: "flights", version: 2, digest: "d2"), .init(name: "same", digest: "s")]
        left.job = .init(id: "1", kind: "train", attempt: 1, recipe: ["split": ["seed": 1], "name": "x"])
        right.job = .init(id: "2", kind: "train", attempt: 1, recipe: ["split": ["seed": 2], "name": "x"])
        let patch = "diff --git a/x y.py b/x y.py\nindex 1..2\n--- a/x y.py\n+++ b/x y.py\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"
        let diff = RunDiff(
            RunFacts(
                run: run("a", params: ["p": "1", "q": "1"], metrics: ["auc": 0.5, "nan": .nan, "only": 1]),
                environment: left, packages: "numpy==1\nscipy==1\n", patch: patch),
            RunFacts(
                run: run("b", params: ["p": "1", "q": "2"], metrics: ["auc": 0.6, "nan": .nan]), environment: right,
                packages: "numpy==2\nscipy==1\n"))
        #expect(diff.params == [.init(key: "q", a: "1", b: "2")] && diff.same.params == 1)
        #expect(diff.metrics.map(\.key) == ["auc", "only"] && diff.metrics[1].b == nil && diff.same.metrics == 1)
        #expect(diff.packages == [.init(key: "numpy", a: "1", b: "2")])
        #expect(diff.code.map(\.key) == ["commit", "patch x y.py"])
        #expect(diff.code[1].a?.hasPrefix("+2 −1 #") == true && diff.code[1].b == nil)
        #expect(diff.data.map(\.key) == ["flights"])
        #expect(diff.environment == [.init(key: "recipe.split.seed", a: "1", b: "2")])
        #expect(!diff.isEmpty)
        // As it travels.
        #expect(try JSON.decode(RunDiff.self, from: try JSON.encode(diff)) == diff)
    }

    @Test func aRunIsEqualToItself() {
        let facts = RunFacts(
            run: run("a", params: ["p": "1"], metrics: ["m": .infinity]), environment: RunEnvironment(origin: .tags))
        #expect(RunDiff(facts, facts).isEmpty)
    }
}
