import Core
import Tensors

extension GGUFFile {
    /// Writes a file of version 3 whole or not at all. `bytes` is called for each tensor in turn, with the tensor's position
    /// and a function that takes its bytes; what it gives must be as much as the tensor's type and shape say.
    ///
    /// Throws `invalid_argument` for names and shapes that a reader would refuse, `storage_full` or `unavailable`.
    public static func write(
        _ path: String, metadata: ModelMetadata, tensors: [TensorOutline], bytes: (Int, TensorSink) throws -> Void
    ) throws {
        let alignment = try alignment(metadata, path)
        let sizes = try tensors.map { try checkedSize($0.shape, $0.dtype, "\(path): tensor `\($0.name)`") }
        let file = try OutputFile(path)
        try file.write(try head(path, metadata, tensors, sizes, alignment))
        try file.pad(to: alignment)
        for (index, size) in sizes.enumerated() {
            let start = file.position
            try bytes(index) { try file.write($0) }
            guard file.position - start == size else {
                throw NestboxError(
                    .internalError,
                    "\(path): tensor `\(tensors[index].name)` has \(size) bytes, not \(file.position - start)")
            }
            try file.pad(to: alignment)
        }
        try file.commit()
    }

    private static func head(
        _ path: String, _ metadata: ModelMetadata, _ tensors: [TensorOutline], _ sizes: [Int], _ alignment: Int
    ) throws -> [UInt8] {
        var out = GGUFEncoding.magic
        GGUFEncoding.append(UInt32(3), to: &out)
        GGUFEncoding.append(UInt64(tensors.count), to: &out)
        GGUFEncoding.append(UInt64(metadata.keys.count), to: &out)
        for key in metadata.keys {
            guard !key.isEmpty, key.utf8.count <= longestKey, let value = metadata[key] else {
                throw NestboxError.invalid(
                    "\(path): `\(key.prefix(80))` is no key for metadata: 1 to \(longestKey) bytes are")
            }
            GGUFEncoding.append(key, to: &out)
            GGUFEncoding.append(value.kind.rawValue, to: &out)
            GGUFEncoding.append(value, to: &out)
        }
        var names = Set<String>()
        var offset = 0
        for (tensor, size) in zip(tensors, sizes) {
            guard !tensor.name.isEmpty, tensor.name.utf8.count <= longestName, names.insert(tensor.name).inserted else {
                throw NestboxError.invalid(
                    "\(path): `\(tensor.name.prefix(80))` is no name for a tensor, or appears twice")
            }
            // llama.cpp reads at most four dimensions.
            guard tensor.shape.count <= 4 else {
                throw NestboxError.invalid(
                    "\(path): tensor `\(tensor.name)` has \(tensor.shape.count) dimensions; GGUF has 4")
            }
            GGUFEncoding.append(tensor.name, to: &out)
            GGUFEncoding.append(UInt32(tensor.shape.count), to: &out)
            for dimension in tensor.shape.reversed() { GGUFEncoding.append(UInt64(dimension), to: &out) }
            GGUFEncoding.append(tensor.dtype.rawValue, to: &out)
            GGUFEncoding.append(UInt64(offset), to: &out)
            offset += (size + alignment - 1) / alignment * alignment
        }
        return out
    }
}
