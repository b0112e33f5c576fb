import CKernels
import Core
import Foundation
import Tables
import Testing

@testable import Tabular

private func boosting(_ change: (inout BoostingParameters) -> Void = { _ in }) -> LearnerParameters {
    var parameters = BoostingParameters()
    parameters.numTrees = 30
    change(&parameters)
    return .boosting(parameters)
}

/// Numbers, a missing pattern, a category and a boolean; more rows than one thread's share.
private func mixed(rows: Int, seed: UInt64) throws -> Table {
    var random = SeededGenerator(seed: seed)
    let a = (0..<rows).map { _ in random.unit() * 10 }
    let b = (0..<rows).map { _ in Int64(random.next() % 50) }
    let present = (0..<rows).map { _ in random.unit() > 0.2 }
    let city = (0..<rows).map { _ in random.unit() < 0.05 ? nil : "city\(random.next() % 40)" }
    let flag = (0..<rows).map { _ in random.unit() < 0.5 }
    let y = (0..<rows).map { row -> Double in
        let part = (present[row] ? sin(a[row]) : 0.7) + Double(b[row] % 7) / 5 + (flag[row] ? 0.3 : 0)
        return part + Double((city[row] ?? "city3").utf8.reduce(0) { $0 &+ Int($1) } % 5) / 3 + random.unit() * 0.3
    }
    return try Table([
        ("a", .float64(a, Validity(present))), ("b", .int64(b)), ("city", .string(city)), ("flag", .bool(flag)),
        ("y", .float64(y)), ("high", .bool(y.map { $0 > 1.9 })),
    ])
}

@Test func boostingLearnsExclusiveOr() throws {
    var random = SeededGenerator(seed: 1)
    let x = (0..<2000).map { _ in random.unit() }, z = (0..<2000).map { _ in random.unit() }
    let table = try Table([
        ("x", .float64(x)), ("z", .float64(z)), ("y", .bool(zip(x, z).map { ($0 > 0.5) != ($1 > 0.5) })),
    ])
    let model = try TabularModel.fit(table, target: "y", parameters: boosting())
    #expect(try #require(try model.evaluate(table)["accuracy"]) > 0.98)
    // No linear model can.
    let linear = try TabularModel.fit(table, target: "y", parameters: .linear(LinearParameters()))
    #expect(try #require(try linear.evaluate(table)["accuracy"]) < 0.65)
}

@Test func boostingLearnsWhichCategoriesBelongTogether() throws {
    // The target depends on the category in no order that a threshold on its code could follow.
    var random = SeededGenerator(seed: 2)
    let late = Set((0..<40).filter { _ in random.unit() < 0.5 })
    let codes = (0..<8000).map { _ in Int(random.next() % 40) }
    let table = try Table([("c", .string(codes.map { "c\($0)" })), ("y", .bool(codes.map { late.contains($0) }))])
    let model = try TabularModel.fit(table, target: "y", parameters: boosting { $0.numTrees = 10 })
    #expect(try #require(try model.evaluate(table)["accuracy"]) == 1)
    let unseen = try model.predict(row: ["c": .string("never")])
    #expect(unseen.isFinite && (0...1).contains(unseen))
}

@Test func boostingLearnsFromMissingness() throws {
    var random = SeededGenerator(seed: 3)
    let present = (0..<1000).map { _ in random.unit() < 0.6 }
    let values = (0..<1000).map { _ in random.unit() }
    let y = (0..<1000).map { present[$0] ? values[$0] : -1 }
    let table = try Table([("x", .float64(values, Validity(present))), ("y", .float64(y))])
    let model = try TabularModel.fit(table, target: "y", parameters: boosting { $0.numTrees = 100 })
    #expect(abs(try model.predict(row: ["x": .null]) + 1) < 0.02)
    #expect(abs(try model.predict(row: ["x": .float64(0.9)]) - 0.9) < 0.05)
    #expect(try model.predict(row: ["x": .float64(.nan)]) == model.predict(row: ["x": .null]))
}

@Test(arguments: ["high", "y"]) func modelIsTheSameOnAnyNumberOfThreads(target: String) throws {
    let table = try mixed(rows: 60_000, seed: 4)
    let parameters = boosting { ($0.numTrees, $0.featureFraction, $0.baggingFraction) = (5, 0.8, 0.7) }
    let models = try [1, 2, 3].map { threads in
        try TabularModel.fit(
            table, target: target, features: ["a", "b", "city", "flag"], parameters: parameters,
            pool: ComputePool(threads: threads))
    }
    #expect(models[0] == models[1] && models[1] == models[2])
    #expect(try models[0].encoded() == models[2].encoded())
}

@Test func tableAndRowPredictionsAgreeToTheBit() throws {
    let table = try mixed(rows: 500, seed: 5)
    for (target, learner) in [("high", boosting()), ("y", boosting()), ("high", .linear(LinearParameters()))] {
        let model = try TabularModel.fit(
            table, target: target, features: ["a", "b", "city", "flag"], parameters: learner)
        let all = try model.predict(table)
        for row in 0..<table.rowCount {
            let cells = try ["a", "b", "city", "flag"].map { try table.column($0)[row] }
            #expect(try model.predict(cells: cells) == all[row])
            let named = Dictionary(uniqueKeysWithValues: zip(["a", "b", "city", "flag"], cells))
            #expect(try model.predict(row: named) == all[row])
        }
    }
}

@Test func reportedLossIsThatOfThePredictions() throws {
    let table = try mixed(rows: 3000, seed: 6), held = try mixed(rows: 1000, seed: 7)
    for (target, metric) in [("high", Metric.logLoss), ("y", Metric.rmse)] {
        var last: FitProgress?
        let model = try TabularModel.fit(
            table, target: target, features: ["a", "b", "city", "flag"],
            parameters: boosting { ($0.baggingFraction, $0.numTrees) = (0.5, 12) }, validation: held
        ) { last = $0 }
        let training = try metric(model.predict(table), labels: model.labels(table))
        let validation = try metric(model.predict(held), labels: model.labels(held))
        #expect(abs(try #require(last).training - training) < 1e-5)
        #expect(abs(try #require(last?.validation) - validation) < 1e-9)
    }
}

@Test func earlyStoppingKeepsTheBestTrees() throws {
    let table = try mixed(rows: 400, seed: 8), held = try mixed(rows: 400, seed: 9)
    var losses: [Double] = []
    let model = try TabularModel.fit(
        table, target: "high", features: ["a", "b", "city", "flag"],
        parameters: boosting { ($0.numTrees, $0.learningRate, $0.earlyStoppingRounds) = (500, 0.5, 5) },
        validation: held
    ) { losses.append($0.validation ?? .infinity) }
    guard case .boosting(let trees) = model.model else { throw NestboxError.invalid("not boosting") }
    let best = try #require(losses.indices.min { losses[$0] < losses[$1] })
    #expect(losses.count < 500)
    #expect(trees.trees.count == best + 1)
    #expect(throws: NestboxError.self) {
        try TabularModel.fit(table, target: "high", parameters: boosting { $0.earlyStoppingRounds = 5 })
    }
}

@Test func progressCallbackCanStopTraining() throws {
    struct Stop: Error {}
    var trees = 0
    let table = try mixed(rows: 300, seed: 10)
    #expect(throws: Stop.self) {
        try TabularModel.fit(table, target: "y", features: ["a", "b"], parameters: boosting()) { progress in
            trees = progress.iteration
            if progress.iteration == 3 { throw Stop() }
        }
    }
    #expect(trees == 3)
}

@Test func leavesRespectTheirLimits() throws {
    let table = try mixed(rows: 2000, seed: 11)
    let parameters = boosting { ($0.numLeaves, $0.maxDepth, $0.minDataInLeaf) = (8, 3, 150) }
    let model = try TabularModel.fit(table, target: "y", features: ["a", "b", "city"], parameters: parameters)
    guard case .boosting(let trees) = model.model else { throw NestboxError.invalid("not boosting") }
    for tree in trees.trees {
        #expect(tree.leafValue.count <= 8)
        // Squared error has constant hessians, so that counts are exact.
        #expect(tree.leafCount.allSatisfy { $0 >= 150 })
        #expect(tree.leafCount.reduce(0, +) == 2000)
        for node in tree.feature.indices {
            for child in [tree.left[node], tree.right[node]] where child >= 0 { #expect(child > node) }
        }
    }
    #expect(abs(model.importance.reduce(0) { $0 + $1.share } - 1) < 1e-12)
}

@Test func constantTargetGivesItsMean() throws {
    let table = try Table([("x", .float64([1, 2, 3])), ("y", .float64([5, 5, 5]))])
    let model = try TabularModel.fit(table, target: "y", task: .regression, parameters: boosting())
    #expect(try model.predict(table) == [5, 5, 5])
}

@Test func binsFollowQuantilesAndKeepEveryBoundBetweenItsValues() {
    let few = BinnedMatrix.quantileBounds([1, 1, 1, 2, 2, 2, 4, 4, 4], maxBin: 255)
    #expect(few == [1.5, 3])
    let many = BinnedMatrix.quantileBounds((0..<10_000).map { Double($0) }, maxBin: 64)
    #expect(many.count <= 62 && many.count >= 55)
    #expect(zip(many, many.dropFirst()).allSatisfy { $0 < $1 })
    // Half the rows share one value: it has a bin of its own.
    let skewed = BinnedMatrix.quantileBounds(
        ([Double](repeating: 500, count: 1000) + (0..<1000).map { Double($0) }).sorted(), maxBin: 32)
    #expect(skewed.contains { (499..<500).contains($0) } && skewed.contains { (500..<501).contains($0) })
    let wide = BinnedMatrix.quantileBounds(
        [-.greatestFiniteMagnitude, 0, .greatestFiniteMagnitude].flatMap { [$0, $0, $0] }, maxBin: 8)
    #expect(wide.filter { !$0.isFinite }.isEmpty)
}

@Test func kernelsAgreeWithPlainCode() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for n in [0, 1, 2, 7, 8, 255, 256, 257, 1000] {
        var values = (0..<n).map { _ in (random.unit() - 0.5) * pow(10, random.unit() * 20 - 10) }
        let expected = values.sorted()
        var scratch = values
        nb_sort(&values, &scratch, n)
        #expect(values == expected, "seed \(seed)")
        let bounds = (0..<min(n, 254)).map { Double($0) / 100 }
        let points = (0..<n).map { _ in random.unit() < 0.1 ? .nan : random.unit() * 3 - 0.2 }
        var bins = [UInt8](repeating: 0, count: n)
        nb_bin(points, n, bounds, bounds.count, 255, &bins)
        for (point, bin) in zip(points, bins) {
            let plain = point.isNaN ? 255 : bounds.firstIndex { point <= $0 } ?? bounds.count
            #expect(Int(bin) == plain, "seed \(seed)")
        }
        let scores = (0..<n).map { _ in (random.unit() - 0.5) * 200 }
        let labels = (0..<n).map { _ in Float(random.next() & 1) }
        var g = [Float](repeating: 0, count: n), h = g
        let sums = nb_gradients_log_loss(scores, labels, n, &g, &h)
        var loss = 0.0
        for row in 0..<n {
            let p = TabularTask.binary.prediction(score: scores[row])
            #expect(abs(Double(g[row]) - (p - Double(labels[row]))) < 1e-5, "seed \(seed)")
            #expect(abs(Double(h[row]) - p * (1 - p)) < 1e-6, "seed \(seed)")
            loss += TabularTask.binary.loss(score: scores[row], label: Double(labels[row]))
        }
        #expect(abs(sums.loss - loss) <= 1e-5 * max(1, loss), "seed \(seed)")
    }
}

@Test func quantisationIsUnbiasedAndHistogramsAreExact() {
    let n = 20_000
    var random = SeededGenerator(seed: 12)
    let g = (0..<n).map { _ in Float(random.unit() - 0.5) }, h = (0..<n).map { _ in Float(random.unit()) }
    var packed = [Int64](repeating: 0, count: n)
    nb_quantize(g, h, n, 3, 5, 0, 99, &packed)
    let sumG = packed.reduce(0) { $0 + Double(SplitFinder.gradient($1)) } / 3
    let sumH = packed.reduce(0) { $0 + Double(SplitFinder.hessian($1)) } / 5
    // A rounding error has a variance of at most 1/4 unit².
    let bound = 5 * (Double(n) / 4).squareRoot()
    #expect(abs(sumG - g.reduce(0) { $0 + Double($1) }) < bound / 3)
    #expect(abs(sumH - h.reduce(0) { $0 + Double($1) }) < bound / 5)
    let bins = (0..<2 * n).map { _ in UInt8(random.next() % 9) }
    var whole = [Int64](repeating: 0, count: 18), parts = whole
    nb_histogram(bins, 2, [0, 9], nil, 0, n, packed, &whole)
    let order = (0..<UInt32(n)).shuffled(using: &random)
    nb_histogram(bins, 2, [0, 9], order, 0, n, packed, &parts)
    #expect(whole == parts)
    #expect(whole.prefix(9).reduce(0, &+) == packed.reduce(0, &+))
}
