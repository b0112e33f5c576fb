import Core
import Foundation
import Tables
import Testing

@testable import Tabular

/// 120 rows: `u` with missing values, `v`, and a category; a binary and a numeric target.
private func table() throws -> Table {
    func fraction(_ x: Double) -> Double { x - x.rounded(.down) }
    let rows = 0..<120
    let u = rows.map { fraction(Double($0) * 0.618033988749895) * 4 }
    let v = rows.map { fraction(Double($0) * 0.414213562373095) * 100 - 50 }
    let g = rows.map { ["a", "b", "c", "a", "b", "a"][$0 % 6] }
    let noise = rows.map { fraction(Double($0) * 0.7320508) }
    let late = rows.map { u[$0] + v[$0] / 40 + (g[$0] == "a" ? 1 : 0) + noise[$0] * 2 > 3.5 }
    let value = rows.map { 3 * u[$0] - v[$0] / 10 + (g[$0] == "b" ? 2 : 0) + noise[$0] }
    return try Table([
        ("u", .float64(u, Validity(rows.map { $0 % 7 != 3 }))), ("v", .float64(v)), ("g", .string(g)),
        ("late", .bool(late)), ("value", .float64(value)),
    ])
}

// scikit-learn 1.9, on the same table with X = [z(u) with the median where missing, missing, z(v), g == a, g == b, g == c] and
// z(x) = (x - mean) / std(ddof=1) over the values that are there:
//   LogisticRegression(C=1 / 0.5, tol=1e-12, max_iter=10000, solver="newton-cholesky"), Ridge(alpha=2.0, solver="cholesky")
@Test func logisticRegressionAgreesWithScikitLearn() throws {
    var parameters = LinearParameters()
    parameters.l2 = 0.5
    parameters.tolerance = 1e-12
    let table = try table()
    let model = try TabularModel.fit(
        table, target: "late", features: ["u", "v", "g"], parameters: .linear(parameters))
    guard case .linear(let linear) = model.model else { throw NestboxError.invalid("not linear") }
    let golden = [
        2.2711484793814183, -0.30865813373892936, 1.5998546944168037, 1.4672798181572269, -1.1721573477425535,
        -0.29512247041467315,
    ]
    for (weight, expected) in zip(linear.weights, golden) { #expect(abs(weight - expected) < 1e-7) }
    #expect(abs(linear.intercept + 0.2872926725284385) < 1e-7)
    for (p, expected) in zip(try model.predict(table), [0.0041823617747078585, 0.2659695980821323, 0.301441661808704]) {
        #expect(abs(p - expected) < 1e-8)
    }
}

@Test func ridgeRegressionAgreesWithScikitLearn() throws {
    var parameters = LinearParameters()
    parameters.l2 = 2
    let table = try table()
    let model = try TabularModel.fit(
        table, target: "value", features: ["u", "v", "g"], parameters: .linear(parameters))
    guard case .linear(let linear) = model.model else { throw NestboxError.invalid("not linear") }
    let golden = [
        3.4987433355698925, -0.5964322664225362, -2.9163041031162162, -0.20645392021760528, 0.7251913997163392,
        -0.5187374794986842,
    ]
    for (weight, expected) in zip(linear.weights, golden) { #expect(abs(weight - expected) < 1e-9) }
    #expect(abs(linear.intercept - 7.189603328226626) < 1e-9)
    #expect(model.importance.map(\.feature) == ["u", "v", "g"])
}

@Test func linearModelIsTheSameOnOneAndTwoThreads() throws {
    let table = try table().gather((0..<3000).map { $0 * 7 % 120 })
    let models = try [1, 2].map { threads in
        try TabularModel.fit(
            table, target: "late", features: ["u", "v", "g"], parameters: .linear(LinearParameters()),
            pool: ComputePool(threads: threads))
    }
    #expect(models[0] == models[1])
}

@Test func dependentColumnsWithoutPenaltyStillHaveASolution() throws {
    var parameters = LinearParameters()
    parameters.l2 = 0
    let rows = (0..<100).map(Double.init)
    let table = try Table([
        ("a", .float64(rows)), ("b", .float64(rows.map { 2 * $0 })), ("c", .float64(rows.map { _ in 4 })),
        ("y", .float64(rows.map { 3 * $0 + 1 })),
    ])
    let model = try TabularModel.fit(table, target: "y", parameters: .linear(parameters))
    for (p, row) in zip(try model.predict(table), rows) { #expect(abs(p - (3 * row + 1)) < 1e-3) }
}

@Test func validationLossIsReportedPerStep() throws {
    let table = try table()
    var seen: [FitProgress] = []
    _ = try TabularModel.fit(
        table, target: "late", features: ["u", "v"], parameters: .linear(LinearParameters()), validation: table
    ) { seen.append($0) }
    let last = try #require(seen.last)
    #expect(seen.count > 2)
    #expect(last.metricName == "log_loss")
    #expect(abs(try #require(last.validation) - last.training) < 1e-9)
    #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.training >= $1.training - 1e-6 })
}

@Test func choleskySolvesAndRefusesIndefiniteMatrices() throws {
    let factor = try #require(Cholesky([4, 0, 0, 2, 5, 0, 1, 3, 6], n: 3))
    let x = factor.solve([9, 18.5, 17.5])
    // A = [4 2 1; 2 5 3; 1 3 6]: check by multiplying back.
    #expect(abs(4 * x[0] + 2 * x[1] + x[2] - 9) < 1e-12)
    #expect(abs(2 * x[0] + 5 * x[1] + 3 * x[2] - 18.5) < 1e-12)
    #expect(abs(x[0] + 3 * x[1] + 6 * x[2] - 17.5) < 1e-12)
    #expect(Cholesky([1, 0, 2, 1], n: 2) == nil)
}
