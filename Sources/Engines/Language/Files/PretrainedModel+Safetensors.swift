import Core
import Foundation
import Tensors

extension PretrainedModel {
    /// Writes the weights as `model.safetensors` in `directory`, under the names and in the orders that Hugging Face's code
    /// has, as F32, F16 or BF16. With it a GGUF file can go back to where checkpoints are trained; `config.json` and the
    /// tokenizer are those of the original.
    public func writeSafetensors(to directory: String, as type: DType) throws {
        guard [.f32, .f16, .bf16].contains(type) else {
            throw NestboxError.invalid(
                "weights in safetensors cannot be \(type.name)", hint: "use F32, F16 or BF16")
        }
        let tensors = configuration.expectedTensors.filter { stored($0.name) != nil }
        let outlines = tensors.map { tensor in
            let transposed = names.isTransposedInCheckpoints(tensor.name)
            return TensorOutline(tensor.name, type, transposed ? tensor.shape.reversed() : tensor.shape)
        }
        try DurableFile.makeDirectory(directory)
        try SafetensorsFile.write(
            directory + "/model.safetensors", metadata: ["format": "pt"], tensors: outlines
        ) { index, sink in
            var tensor = try tensor(tensors[index].name)
            if file.format == .gguf, names.isReorderedInGGUF(tensors[index].name) {
                tensor = try tensor.reordered(.halves, headSize: configuration.headSize)
            }
            let values = try tensor.floats()
            let ordered =
                names.isTransposedInCheckpoints(tensors[index].name)
                ? try StoredTensor(tensor.name, values, tensor.shape).transposed().floats() : values
            try BlockCodec.quantize(type, ordered).withUnsafeBytes(sink)
            tensor.release()
        }
    }
}
