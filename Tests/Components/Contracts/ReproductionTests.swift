import Contracts
import Core
import Testing

struct ReproductionTests {
    private func run(_ metrics: [String: Double], _ status: RunStatus = .finished) -> Run {
        let now = Timestamp(milliseconds: 0)
        return Run(
            id: "r", experimentID: "0", name: "r", user: "", status: status, startTime: now, endTime: now,
            lifecycleStage: .active, artifactURI: "", params: [:],
            metrics: metrics.map { MetricPoint(key: $0.key, value: $0.value, timestamp: now) }, tags: [:], inputs: [])
    }

    private func compare(_ a: [String: Double], _ b: [String: Double], _ tolerance: Double = 1e-6) -> Reproduction {
        Reproduction(of: run(a), by: run(b), tolerance: tolerance)
    }

    @Test func withinTheToleranceIsEqual() {
        #expect(compare(["a": 1, "b": -2], ["a": 1.0000005, "b": -2.000001]).isEqual)
        #expect(!compare(["a": 1], ["a": 1.00001]).isEqual)
        #expect(!compare(["a": 1], ["a": 1 + 1e-12], 0).isEqual && compare(["a": 0.1], ["a": 0.1], 0).isEqual)
        #expect(!compare(["a": 0], ["a": 1e-9]).isEqual, "relative to zero, nothing is near")
        #expect(compare([:], [:]).isEqual)
    }

    @Test func whatIsNoNumberIsTheSameOnlyAsItself() {
        #expect(compare(["a": .nan, "b": .infinity], ["a": .nan, "b": .infinity]).isEqual)
        #expect(!compare(["a": .nan], ["a": 1]).isEqual && !compare(["a": .infinity], ["a": -.infinity]).isEqual)
        #expect(!compare(["a": .infinity], ["a": 1e308], 1).isEqual)
    }

    @Test func whatOneOfThemLacksDiffers() throws {
        let result = compare(["a": 1, "system/cpu": 3], ["b": 1, "system/cpu": 4])
        #expect(result.entries.map(\.metric) == ["a"] && !result.isEqual && result.added == ["b"])
        #expect(compare(["a": 1], ["a": 1, "b": 1]).isEqual)
        #expect(result.ignored == ["system/cpu"] && result.entries[0].difference == nil)
        #expect(!Reproduction(of: run(["a": 1]), by: run(["a": 1], .failed), tolerance: 1).isEqual)
        #expect(Reproduction(of: run(["t": 1]), by: run(["t": 9]), tolerance: 0, ignoring: ["t"]).isEqual)
    }

    @Test func gapsNameWhatIsMissing() {
        var environment = RunEnvironment(origin: .captured)
        #expect(environment.gaps.count == 2)
        environment.command = ["python", "--token", RunEnvironment.redacted]
        environment.code = .init(commit: "abc", isDirty: true, isDiffWhole: false)
        #expect(environment.gaps.count == 2 && environment.gaps[0].contains("secrets"))
        environment.job = .init(id: "j", kind: "train", attempt: 1, recipe: [:])
        #expect(environment.gaps.isEmpty)
    }
}
