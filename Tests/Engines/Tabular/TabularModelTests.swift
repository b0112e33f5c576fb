import Core
import Foundation
import Tables
import Testing

@testable import Tabular

private func table() throws -> Table {
    var random = SeededGenerator(seed: 1)
    let x = (0..<400).map { _ in random.unit() * 100 }
    let n = (0..<400).map { _ in Int64(random.next() % 12) }
    let c = (0..<400).map { _ in random.unit() < 0.1 ? nil : ["JFK", "LGA", "EWR"][Int(random.next() % 3)] }
    let b = (0..<400).map { _ in random.unit() < 0.5 }
    let t = (0..<400).map { _ in Int64(random.next() % 1_000_000) * 1000 }
    let late = (0..<400).map { x[$0] > 60 || (c[$0] == "JFK" && n[$0] > 6) ? "late" : "punctual" }
    return try Table([
        ("x", .float64(x)), ("n", .int64(n)), ("c", .string(c)), ("b", .bool(b)), ("t", .timestamp(t)),
        ("late", .string(late)),
    ])
}

private func models() throws -> [TabularModel] {
    var small = BoostingParameters()
    small.numTrees = 6
    return try [.boosting(small), .linear(LinearParameters())].map {
        try TabularModel.fit(table(), target: "late", positiveClass: "late", parameters: $0)
    }
}

private let row: [String: Cell] = [
    "x": .float64(70), "n": .int64(3), "c": .string("JFK"), "b": .bool(true),
    "t": .timestamp(Timestamp(milliseconds: 5000)),
]

@Test func modelSurvivesItsBytesToTheBit() throws {
    for model in try models() {
        let bytes = try model.encoded()
        let copy = try TabularModel.decode(bytes)
        #expect(copy == model)
        #expect(try copy.encoded() == bytes)
        #expect(try copy.predict(table()).map(\.bitPattern) == model.predict(table()).map(\.bitPattern))
    }
}

@Test func inputsDescribeWhatServingNeeds() throws {
    let model = try models()[0]
    #expect(model.inputs.map(\.name) == ["x", "n", "c", "b", "t"])
    #expect(model.inputs.map(\.type) == [.float64, .int64, .string, .bool, .timestamp])
    #expect(Set(model.inputs[2].categories ?? []) == ["JFK", "LGA", "EWR"])
    #expect(try model.inputs[2].nullCount == table().column("c").nullCount)
    #expect(model.positiveClass == "late" && model.negativeClass == "punctual")
    let rate = try #require(model.positiveRate)
    #expect(rate == (try model.labels(table()).reduce(0, +)) / 400)
}

@Test func rowsAcceptWholeNumbersNullsUnknownCategoriesAndExtraColumns() throws {
    for model in try models() {
        var changed = row
        changed["x"] = .int64(70)
        changed["extra"] = .string("ignored")
        #expect(try model.predict(row: changed) == model.predict(row: row))
        for name in row.keys {
            changed = row
            changed[name] = .null
            #expect((0...1).contains(try model.predict(row: changed)))
        }
        changed = row
        changed["c"] = .string("never seen")
        #expect((0...1).contains(try model.predict(row: changed)))
        changed["x"] = .float64(.infinity)
        #expect((0...1).contains(try model.predict(row: changed)))
    }
}

@Test func missingColumnAndWrongTypeAreNamed() throws {
    let model = try models()[0]
    var changed = row
    changed["n"] = nil
    let missing = #expect(throws: NestboxError.self) { try model.predict(row: changed) }
    #expect(missing?.code == .invalidArgument && missing?.message.contains("`n` (int64) is missing") == true)
    changed = row
    changed["x"] = .string("seventy")
    let wrong = #expect(throws: NestboxError.self) { try model.predict(row: changed) }
    #expect(wrong?.message.contains("`x` holds the string `seventy`; the model expects a number") == true)
    let columns = #expect(throws: NestboxError.self) {
        try model.predict(table().select(["x", "n", "c", "t"]))
    }
    #expect(columns?.message.contains("`b`") == true)
    let numbers = try table().select(["x", "n", "b", "t"]).appending("c", .int64((0..<400).map { Int64($0) }))
    #expect(throws: NestboxError.self) { try model.predict(numbers) }
    // A CSV column without values has no type of its own.
    let nulls = try table().select(["x", "n", "c", "t"]).appending("b", .string([String?](repeating: nil, count: 400)))
    #expect(try model.predict(nulls).count == 400)
    #expect(throws: NestboxError.self) { try model.predict(cells: [.null]) }
}

@Test func corruptedBytesThrowOrStillGiveAUsableModel() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    var refused = 0
    for model in try models() {
        let bytes = [UInt8](try model.encoded())
        for round in 0..<300 {
            var damaged = bytes
            if round % 3 == 0 {
                damaged.removeLast(Int(random.next() % UInt64(bytes.count - 1)) + 1)
            } else {
                for _ in 0...Int(random.next() % 4) {
                    let at = Int(random.next() % UInt64(damaged.count))
                    // Digits and punctuation reach further into the checks than random bytes do.
                    damaged[at] = Array("0123456789-,.[]{}\"e".utf8)[Int(random.next() % 19)]
                }
            }
            do {
                let survivor = try TabularModel.decode(Data(damaged))
                if survivor.inputs.map(\.name) == model.inputs.map(\.name) { _ = try survivor.predict(table()) }
            } catch is NestboxError {
                refused += 1
            }
        }
    }
    #expect(refused > 200, "seed \(seed)")
}

@Test(arguments: [
    ("\"left\":[1", "\"left\":[0"), ("\"left\":[1", "\"left\":[99999"), ("\"left\":[1", "\"left\":[-99"),
    ("\"feature\":[", "\"feature\":[77,"), ("\"format\":\"nestbox-tabular\"", "\"format\":\"pickle\""),
    ("\"version\":1", "\"version\":2"), ("\"leafValue\":[", "\"leafValue\":[\"NaN\","),
    ("\"positiveClass\":\"late\"", "\"positiveClass\":\"punctual\""), ("\"name\":\"x\"", "\"name\":\"n\""),
    ("\"maxBin\":255", "\"maxBin\":9999"),
])
func eachBrokenRuleIsRefused(from: String, to: String) throws {
    let text = String(decoding: try models()[0].encoded(), as: UTF8.self)
    let place = try #require(text.range(of: from), "the model has no \(from)")
    #expect(throws: NestboxError.self) {
        try TabularModel.decode(Data(text.replacingCharacters(in: place, with: to).utf8))
    }
}

@Test func targetsAreChecked() throws {
    let data = try table()
    func fit(_ target: Column, positive: String? = nil, task: TabularTask? = nil) throws -> TabularModel {
        var parameters = BoostingParameters()
        parameters.numTrees = 2
        return try TabularModel.fit(
            data.select(["x"]).appending("y", target), target: "y", task: task, positiveClass: positive,
            parameters: .boosting(parameters))
    }
    let rows = 0..<400
    #expect(try fit(.int64(rows.map { Int64($0 % 2) })).task == .binary)
    #expect(try fit(.int64(rows.map { Int64($0 % 2) })).positiveClass == "1")
    #expect(try fit(.float64(rows.map { Double($0 % 2) })).positiveClass == "1")
    #expect(try fit(.int64(rows.map { Int64($0 % 3) })).task == .regression)
    #expect(try fit(.int64(rows.map { Int64($0 % 2) }), task: .regression).task == .regression)
    #expect(try fit(.int64(rows.map { Int64($0 % 2 * 5) }), positive: "0", task: .binary).negativeClass == "5")
    let strings = Column.string(rows.map { $0 % 2 == 0 ? "no" : "yes" })
    #expect(throws: NestboxError.self) { try fit(strings) }
    #expect(throws: NestboxError.self) { try fit(strings, positive: "maybe") }
    #expect(try fit(strings, positive: "yes").positiveClass == "yes")
    #expect(throws: NestboxError.self) { try fit(.bool(rows.map { _ in true })) }
    #expect(throws: NestboxError.self) { try fit(.float64(rows.map { $0 == 3 ? .nan : Double($0) })) }
    #expect(throws: NestboxError.self) { try fit(.string(rows.map { "\($0)" }), positive: "1") }
    #expect(throws: NestboxError.self) { try fit(.timestamp(rows.map { Int64($0) })) }
    let holes = Column.float64(rows.map { Double($0) }, Validity(rows.map { $0 % 4 != 0 }))
    let error = #expect(throws: NestboxError.self) { try fit(holes) }
    #expect(error?.message.contains("100 of 400") == true)
    let holed = try data.select(["x"]).appending("y", holes)
    #expect(try TabularModel.rowsWithTarget(holed, target: "y").count == 300)
}

@Test func featuresAreChecked() throws {
    let data = try table(), learner = LearnerParameters.linear(LinearParameters())
    for features in [[], ["x", "x"], ["late"], ["nowhere"]] {
        #expect(throws: NestboxError.self) {
            try TabularModel.fit(data, target: "late", features: features, positiveClass: "late", parameters: learner)
        }
    }
}

@Test func recipesNameParametersAsLightGBMDoes() throws {
    let parsed = try LearnerParameters(
        learner: "gradient_boosting",
        parameters: ["n_estimators": 50, "learning_rate": 0.2, "num_leaves": 15, "seed": 3])
    guard case .boosting(let parameters) = parsed else { throw NestboxError.invalid("not boosting") }
    #expect(parameters.numTrees == 50 && parameters.learningRate == 0.2 && parameters.seed == 3)
    #expect(try LearnerParameters(learner: "gradient_boosting", parameters: parsed.values) == parsed)
    let typo = #expect(throws: NestboxError.self) {
        try LearnerParameters(learner: "gradient_boosting", parameters: ["num_leafs": 3])
    }
    #expect(typo?.hint?.contains("num_leaves") == true)
    for (name, value) in [
        ("num_leaves", JSONValue.int(1)), ("learning_rate", "fast"), ("num_trees", 2.5), ("max_bin", 256), ("seed", -1),
        ("bagging_fraction", 0),
    ] {
        let error = #expect(throws: NestboxError.self) {
            try LearnerParameters(learner: "gradient_boosting", parameters: [name: value])
        }
        #expect(error?.message.contains(name) == true)
    }
    #expect(throws: NestboxError.self) { try LearnerParameters(learner: "forest", parameters: [:]) }
    #expect(throws: NestboxError.self) { try LearnerParameters(learner: "linear", parameters: ["l2": -1]) }
}
