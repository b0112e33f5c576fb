import Core
import Foundation

/// The stored form: JSON with sorted keys. Doubles are written in their shortest exact form, so that a model read back
/// predicts the same bits. Bytes from outside are validated completely before any of them is used as an index.
extension TabularModel: Codable {
    public static let contentType = "application/json"
    static let maximumBytes = 1 << 30
    static let maximumInputs = 16_384

    private struct Stored: Codable {
        var format: String
        var version: Int
        var task: TabularTask
        var target: String
        var positiveClass: String?
        var negativeClass: String?
        var trainingRows: Int
        var positiveRate: Double?
        var inputs: [ModelInput]
        var boosting: BoostedTrees.Stored?
        var linear: LinearModel.Stored?
    }

    private static let format = "nestbox-tabular"

    public func encode(to encoder: any Encoder) throws {
        var stored = Stored(
            format: Self.format, version: 1, task: task, target: target, positiveClass: positiveClass,
            negativeClass: negativeClass, trainingRows: trainingRows, positiveRate: positiveRate, inputs: inputs)
        switch model {
        case .boosting(let trees): stored.boosting = trees.stored
        case .linear(let linear): stored.linear = linear.stored
        }
        try stored.encode(to: encoder)
    }

    /// Throws `DecodingError` for the wrong shape, `NestboxError` for values that do not fit together.
    public init(from decoder: any Decoder) throws {
        let stored = try Stored(from: decoder)
        try Self.validate(stored)
        task = stored.task
        target = stored.target
        positiveClass = stored.positiveClass
        negativeClass = stored.negativeClass
        trainingRows = stored.trainingRows
        positiveRate = stored.positiveRate
        preprocessor = Preprocessor(inputs: stored.inputs)
        switch (stored.boosting, stored.linear) {
        case (let trees?, nil):
            try trees.validate(inputs: stored.inputs)
            model = .boosting(BoostedTrees(trees))
        case (nil, let linear?):
            try linear.validate(inputs: stored.inputs)
            model = .linear(LinearModel(linear, inputs: stored.inputs))
        default: throw NestboxError.invalid("the model must hold exactly one of `boosting` and `linear`")
        }
    }

    private static func validate(_ stored: Stored) throws {
        guard stored.format == format else {
            throw NestboxError.invalid("the format is `\(stored.format.prefix(40))`; expected `\(format)`")
        }
        guard stored.version == 1 else {
            throw NestboxError.invalid(
                "the model has format version \(stored.version); this program reads version 1",
                hint: "it may have been made by a newer program")
        }
        guard (1...maximumInputs).contains(stored.inputs.count) else {
            throw NestboxError.invalid("the model has \(stored.inputs.count) inputs; expected 1 to \(maximumInputs)")
        }
        guard Set(stored.inputs.map(\.name)).count == stored.inputs.count else {
            throw NestboxError.invalid("two inputs of the model have the same name")
        }
        for input in stored.inputs { try input.validate() }
        guard stored.trainingRows >= 0, (0...1).contains(stored.positiveRate ?? 0) else {
            throw NestboxError.invalid("`trainingRows` or `positiveRate` of the model is out of range")
        }
        let classes = [stored.positiveClass, stored.negativeClass].compactMap { $0 }
        guard classes.count == (stored.task == .binary ? 2 : 0), Set(classes).count == classes.count else {
            throw NestboxError.invalid("a binary model needs two classes, any other none")
        }
    }

    /// The model as bytes.
    public func encoded() throws -> Data { try JSON.encode(self) }

    /// Reads `encoded()` back. Throws `invalid_argument` for anything else.
    public static func decode(_ data: Data) throws -> TabularModel {
        guard data.count <= maximumBytes else {
            throw NestboxError.invalid("the model has \(data.count) bytes; expected at most \(maximumBytes)")
        }
        return try JSON.decode(TabularModel.self, from: data, what: "the model")
    }
}
