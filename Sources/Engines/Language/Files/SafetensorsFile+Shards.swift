import Core
import Foundation
import Tensors

extension SafetensorsFile {
    /// Opens the checkpoint in a directory: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    public static func openDirectory(_ directory: String) throws -> ModelFile {
        let single = directory + "/model.safetensors", index = single + ".index.json"
        let files = FileManager.default
        if files.fileExists(atPath: single) { return try open(single) }
        if files.fileExists(atPath: index) { return try openShards(index) }
        let names = ((try? files.contentsOfDirectory(atPath: directory)) ?? []).sorted()
        let others = names.filter { $0.hasSuffix(".safetensors") }
        if others.count == 1 { return try open(directory + "/" + others[0]) }
        let pickles = names.contains { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".pth") }
        throw NestboxError.invalid(
            "\(directory) holds no weights: neither model.safetensors nor model.safetensors.index.json",
            hint: pickles ? "its weights are in PyTorch's pickle format: convert them to safetensors" : nil)
    }

    /// The index must name every tensor of every shard, and no other.
    static func openShards(_ index: String) throws -> ModelFile {
        guard let source = try HuggingFaceFiles.json(index), let map = source["weight_map"]?.objectValue, !map.isEmpty
        else {
            throw NestboxError.invalid("\(index): `weight_map` must name the file of each tensor")
        }
        var namesByShard: [String: Set<String>] = [:]
        for (tensor, shard) in map {
            // The name comes from a file: it may only be that of a neighbour.
            guard let shard = shard.stringValue, !shard.isEmpty, !shard.contains("/"), !shard.hasPrefix(".") else {
                throw source.fault("weight_map.\(tensor)", shard, "the name of a file in the same directory")
            }
            namesByShard[shard, default: []].insert(tensor)
        }
        let directory = (index as NSString).deletingLastPathComponent
        var tensors: [StoredTensor] = [], others: [String: String] = [:]
        for shard in namesByShard.keys.sorted() {
            let path = "\(directory)/\(shard)"
            guard FileManager.default.fileExists(atPath: path) else {
                throw NestboxError.invalid(
                    "\(path) is missing, which \(index) lists", hint: "fetch all shards of the model")
            }
            let file = try open(path)
            let found = Set(file.tensors.map(\.name)).union(file.otherTensors.keys), listed = namesByShard[shard] ?? []
            if let odd = found.symmetricDifference(listed).min() {
                throw NestboxError.invalid(
                    listed.contains(odd)
                        ? "\(path): tensor `\(odd)` is missing, which the index lists"
                        : "\(path): tensor `\(odd)` is not listed in the index")
            }
            tensors += file.tensors
            others.merge(file.otherTensors) { first, _ in first }
        }
        return ModelFile(
            path: index, format: .safetensors, tensors: tensors, metadata: ModelMetadata(), otherTensors: others)
    }

    /// Writes one file whole or not at all; `bytes` as for `GGUFFile.write`.
    public static func write(
        _ path: String, metadata: [String: String] = [:], tensors: [TensorOutline],
        bytes: (Int, TensorSink) throws -> Void
    ) throws {
        var header: [String: JSONValue] = [:]
        if !metadata.isEmpty { header["__metadata__"] = .object(metadata.mapValues(JSONValue.string)) }
        var offset = 0
        var sizes: [Int] = []
        for tensor in tensors {
            guard !tensor.dtype.isQuantized else {
                throw NestboxError.invalid(
                    "\(path): tensor `\(tensor.name)` is \(tensor.dtype.name), and safetensors holds plain types only",
                    hint: "convert to F32, F16 or BF16")
            }
            guard tensor.name != "__metadata__", header[tensor.name] == nil else {
                throw NestboxError.invalid(
                    "\(path): `\(tensor.name.prefix(80))` is no name for a tensor, or appears twice")
            }
            let size = try checkedSize(tensor.shape, tensor.dtype, "\(path): tensor `\(tensor.name)`")
            header[tensor.name] = [
                "dtype": .string(tensor.dtype.name), "shape": .array(tensor.shape.map { .int(Int64($0)) }),
                "data_offsets": [.int(Int64(offset)), .int(Int64(offset + size))],
            ]
            sizes.append(size)
            offset += size
        }
        var text = Array(try JSON.encode(JSONValue.object(header)))
        // Spaces bring the data to a multiple of eight, as the format advises.
        text += [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
        let file = try OutputFile(path)
        var length: [UInt8] = []
        GGUFEncoding.append(UInt64(text.count), to: &length)
        try file.write(length)
        try file.write(text)
        for (index, size) in sizes.enumerated() {
            let start = file.position
            try bytes(index) { try file.write($0) }
            guard file.position - start == size else {
                throw NestboxError(
                    .internalError,
                    "\(path): tensor `\(tensors[index].name)` has \(size) bytes, not \(file.position - start)")
            }
        }
        try file.commit()
    }
}
