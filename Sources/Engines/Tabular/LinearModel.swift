import Core

/// How an encoded input spreads over the columns of a linear model.
///
/// A number gives one standardised column (the median where missing), and a 0/1 column "missing" when training had missing
/// values. A categorical gives one 0/1 column per category, one for other categories and one for missing, the latter two
/// only when training had any.
struct LinearLayout: Sendable, Equatable {
    struct Part: Sendable, Equatable {
        var first: Int
        var categories: Int
        var isCategorical: Bool
        var other: Int?
        var missing: Int?
        var center: Double
        var scale: Double
        var fill: Double
    }

    let parts: [Part]
    /// Without the intercept.
    let width: Int

    init(_ inputs: [ModelInput]) {
        var parts: [Part] = [], next = 0
        for input in inputs {
            var part = Part(
                first: next, categories: input.categories?.count ?? 0, isCategorical: input.isCategorical, other: nil,
                missing: nil, center: input.mean ?? 0, scale: 1, fill: input.median ?? 0)
            if let deviation = input.standardDeviation, deviation > 0 { part.scale = 1 / deviation }
            next += input.isCategorical ? part.categories : 1
            if input.otherCount > 0 {
                part.other = next
                next += 1
            }
            if input.nullCount > 0 {
                part.missing = next
                next += 1
            }
            parts.append(part)
        }
        self.parts = parts
        width = next
    }

    /// Calls `body` with each column that is not zero and its value.
    @inline(__always)
    func expand(_ index: Int, _ value: Double, _ body: (Int, Double) -> Void) {
        let part = parts[index]
        if value.isNaN, let missing = part.missing { body(missing, 1) }
        if !part.isCategorical {
            body(part.first, ((value.isNaN ? part.fill : value) - part.center) * part.scale)
        } else if !value.isNaN {
            let code = Int(value)
            if code < part.categories { body(part.first + code, 1) } else if let other = part.other { body(other, 1) }
        }
    }
}

/// Logistic or ridge regression. Everything but the weights follows from the inputs.
struct LinearModel: Sendable, Equatable {
    struct Stored: Codable {
        var parameters: LinearParameters
        var intercept: Double
        /// One per column of the layout.
        var weights: [Double]

        func validate(inputs: [ModelInput]) throws {
            try parameters.validate()
            let width = LinearLayout(inputs).width
            guard weights.count == width else {
                throw NestboxError.invalid("the model has \(weights.count) weights; its inputs need \(width)")
            }
            guard intercept.isFinite, weights.allSatisfy(\.isFinite) else {
                throw NestboxError.invalid("a weight of the model is not finite")
            }
        }
    }

    let parameters: LinearParameters
    let intercept: Double
    let weights: [Double]
    let layout: LinearLayout

    init(_ stored: Stored, inputs: [ModelInput]) {
        parameters = stored.parameters
        intercept = stored.intercept
        weights = stored.weights
        layout = LinearLayout(inputs)
    }

    var stored: Stored { Stored(parameters: parameters, intercept: intercept, weights: weights) }

    /// The score of one encoded row.
    func score(_ row: [Double]) -> Double {
        var sum = intercept
        for index in row.indices { layout.expand(index, row[index]) { sum += weights[$0] * $1 } }
        return sum
    }

    func scores(_ columns: [[Double]], rowCount: Int) -> [Double] {
        var out = [Double](repeating: intercept, count: rowCount)
        for (index, column) in columns.enumerated() {
            for row in column.indices { layout.expand(index, column[row]) { out[row] += weights[$0] * $1 } }
        }
        return out
    }

    /// Per input, the sum of its columns' absolute weights. Numbers are standardised, so that weights compare.
    func strengths() -> [Double] {
        layout.parts.map { part in
            var columns = Array(part.first..<part.first + (part.isCategorical ? part.categories : 1))
            if let other = part.other { columns.append(other) }
            if let missing = part.missing { columns.append(missing) }
            return columns.reduce(0) { $0 + abs(weights[$1]) }
        }
    }
}
