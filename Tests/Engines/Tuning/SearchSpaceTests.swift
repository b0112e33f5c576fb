import Core
import Testing
import Tuning

private let space = """
    {"learning_rate": {"type": "float", "low": 0.001, "high": 1, "log": true},
     "num_leaves": {"type": "int", "low": 2, "high": 4}, "learner": ["boosting", "linear"]}
    """

@Test func sameSeedAndTrialGiveTheSameValues() throws {
    let search = try JSON.decode(SearchSpace.self, from: space)
    for trial in 0..<20 { #expect(search.sample(seed: 7, trial: trial) == search.sample(seed: 7, trial: trial)) }
    let trials = Set((0..<50).map { search.sample(seed: 7, trial: $0) })
    #expect(trials.count == 50)
    #expect(search.sample(seed: 7, trial: 0) != search.sample(seed: 8, trial: 0))
}

@Test func valueDoesNotDependOnTheOtherParameters() throws {
    let search = try JSON.decode(SearchSpace.self, from: space)
    let alone = try SearchSpace(["num_leaves": .int(low: 2, high: 4, log: false)])
    for trial in 0..<20 {
        #expect(search.sample(seed: 3, trial: trial)["num_leaves"] == alone.sample(seed: 3, trial: trial)["num_leaves"])
    }
}

@Test func samplesCoverTheirRangesEvenly() throws {
    let search = try JSON.decode(SearchSpace.self, from: space)
    let samples = (0..<3000).map { search.sample(seed: 1, trial: $0) }
    let rates = samples.compactMap { $0["learning_rate"]?.doubleValue }
    #expect(rates.count == 3000 && rates.allSatisfy { (0.001...1).contains($0) })
    // A third of the decades each: standard deviation of a count is about 26.
    for (low, high) in [(0.001, 0.01), (0.01, 0.1), (0.1, 1.0)] {
        #expect(abs(rates.filter { $0 >= low && $0 < high }.count - 1000) < 130)
    }
    for leaves in 2...4 { #expect(abs(samples.filter { $0["num_leaves"] == .int(Int64(leaves)) }.count - 1000) < 130) }
    #expect(abs(samples.filter { $0["learner"] == "linear" }.count - 1500) < 140)
}

@Test func gridHoldsEveryCombinationAndIsLimited() throws {
    let search = try JSON.decode(SearchSpace.self, from: space)
    let points = try search.grid(steps: 4)
    #expect(points.count == 2 * 4 * 3)
    #expect(Set(points).count == points.count)
    #expect(points.first?["learning_rate"] == .number(0.001))
    #expect(Set(points.compactMap { $0["num_leaves"]?.intValue }) == [2, 3, 4])
    #expect(throws: NestboxError.self) { try search.grid(steps: 4, limit: 23) }
    #expect(throws: NestboxError.self) { try search.grid(steps: 0) }
}

@Test(arguments: [
    (#"{"x": {"type": "float", "low": 2, "high": 1}}"#, "above"),
    (#"{"x": {"type": "float", "low": 0, "high": 1, "log": true}}"#, "logarithmic"),
    (#"{"x": {"type": "int", "low": 1}}"#, "high"),
    (#"{"x": {"type": "int", "low": 1, "high": 9223372036854775807}}"#, "2^53"),
    (#"{"x": {"type": "gaussian"}}"#, "gaussian"),
    (#"{"x": {"type": "int", "low": 1, "high": 2, "step": 1}}"#, "step"),
    (#"{"x": []}"#, "no choices"), (#"{"x": [1, 1]}"#, "twice"), (#"{}"#, "no parameters"), (#"{"x": 3}"#, "x"),
])
func wrongRangeIsRefusedByName(text: String, expected: String) throws {
    let error = #expect(throws: NestboxError.self) { try JSON.decode(SearchSpace.self, from: text) }
    #expect(error?.message.contains(expected) == true, "\(error.map { "\($0)" } ?? "")")
}

@Test func spaceSurvivesJSON() throws {
    let search = try JSON.decode(SearchSpace.self, from: space)
    #expect(try JSON.decode(SearchSpace.self, from: JSON.string(search)) == search)
}
