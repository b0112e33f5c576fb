import Core
import Tensors

/// Brings a model's tensors into a backend. The pages of the file are given back once they are copied.
struct WeightLoader {
    let model: PretrainedModel
    let backend: any Backend

    var configuration: ModelConfiguration { model.configuration }

    /// One matrix from matrices below each other.
    func matrix(_ names: String...) throws -> WeightMatrix {
        let tensors = try names.map(model.tensor)
        defer { for tensor in tensors { tensor.release() } }
        return try backend.makeWeights(
            tensors.map { WeightSource(dtype: $0.dtype, rows: $0.rows, columns: $0.columns, bytes: $0.bytes) })
    }

    /// Vectors one behind the other.
    func vector(_ names: String...) throws -> Rows { try vector(names) }

    private func vector(_ names: [String]) throws -> Rows {
        try upload(names.flatMap { try model.tensor($0).floats() })
    }

    private func upload(_ values: [Float]) throws -> Rows {
        try values.withUnsafeBytes { try backend.makeVector(dtype: .f32, count: values.count, bytes: $0) }
    }

    /// Nil when the model has none of them; throws when it has only some.
    func optionalVector(_ names: String...) throws -> Rows? {
        try names.contains { try model.optionalTensor($0) != nil } ? try vector(names) : nil
    }

    /// The first row of a matrix; nil when the model does not have it.
    func firstRow(_ name: String) throws -> Rows? {
        guard let tensor = try model.optionalTensor(name) else { return nil }
        return try upload(BlockCodec.dequantize(tensor.dtype, tensor.row(0)))
    }

    func rmsNorm(_ name: String) throws -> Norm {
        Norm(
            weight: try vector("\(name).weight"), bias: nil, centers: false, epsilon: Float(configuration.normEpsilon),
            size: configuration.hiddenSize)
    }

    func layerNorm(_ name: String) throws -> Norm {
        Norm(
            weight: try vector("\(name).weight"), bias: try vector("\(name).bias"), centers: true,
            epsilon: Float(configuration.normEpsilon), size: configuration.hiddenSize)
    }
}
