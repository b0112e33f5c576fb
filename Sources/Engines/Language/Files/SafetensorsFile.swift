import Core
import Foundation
import Tensors

/// Reads and writes safetensors (https://huggingface.co/docs/safetensors), single and in shards.
///
/// As the format asks, the tensors must fill the data part of a file: each begins where another ends.
public enum SafetensorsFile {
    /// The format's own limit for the JSON at the beginning.
    private static let largestHeader = 100_000_000
    private static let mostDimensions = 8

    /// The types of elements by their names in the header. Those without a `DType` are listed but cannot be read.
    private static let types: [String: (dtype: DType?, size: Int)] = [
        "F64": (.f64, 8), "F32": (.f32, 4), "F16": (.f16, 2), "BF16": (.bf16, 2), "I64": (.i64, 8), "I32": (.i32, 4),
        "I16": (.i16, 2), "I8": (.i8, 1), "U8": (nil, 1), "BOOL": (nil, 1), "U16": (nil, 2), "U32": (nil, 4),
        "U64": (nil, 8), "F8_E4M3": (nil, 1), "F8_E5M2": (nil, 1), "F8_E8M0": (nil, 1), "C64": (nil, 8),
    ]

    /// Throws `not_found`, or `invalid_argument` that names the file, the place and what was expected there.
    public static func open(_ path: String) throws -> ModelFile {
        let mapping = try FileMapping(path)
        return try parse(mapping.bytes, path: path, owner: mapping)
    }

    /// `owner` keeps the bytes.
    static func parse(_ bytes: UnsafeRawBufferPointer, path: String, owner: AnyObject) throws -> ModelFile {
        var reader = ByteReader(bytes, file: path)
        let size = try reader.count(bytesEach: 1, "the length of the header")
        guard size <= largestHeader, size >= 2, bytes[8] == UInt8(ascii: "{") else {
            throw NestboxError.invalid(
                "\(path) is not a safetensors file: it does not begin with the length of a JSON object and the object",
                hint: bytes.starts(with: "version https://git-lfs".utf8)
                    ? "it is a Git LFS pointer: fetch the file itself" : nil)
        }
        let header = try JSONReader.parse(
            reader.take(size, "the header"), what: "\(path): the header", deepest: 4)
        let data = UnsafeRawBufferPointer(rebasing: bytes[reader.position...])
        let texts = try self.metadata(header, path)
        var entries = try (header.objectValue ?? [:]).filter { $0.key != "__metadata__" }.map { name, value in
            try entry(name, value, path)
        }
        entries.sort { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }
        var end = 0
        for entry in entries {
            guard entry.begin == end else {
                throw NestboxError.invalid(
                    "\(path): tensor `\(entry.name)` begins at offset \(entry.begin), but \(end) is the next free one",
                    hint: "tensors may neither overlap nor leave bytes between them")
            }
            end = entry.end
        }
        guard end == data.count else {
            throw NestboxError.invalid(
                end > data.count
                    ? "\(path) is cut off: \(end - data.count) bytes are missing at the end of tensor `\(entries.last?.name ?? "")`"
                    : "\(path): \(data.count - end) bytes follow after the last tensor",
                hint: "fetch the file again")
        }
        var others: [String: String] = [:]
        var tensors: [StoredTensor] = []
        for entry in entries {
            guard let dtype = entry.dtype else {
                others[entry.name] = entry.type
                continue
            }
            let bytes = UnsafeRawBufferPointer(rebasing: data[entry.begin..<entry.end])
            tensors.append(StoredTensor(name: entry.name, dtype: dtype, shape: entry.shape, bytes: bytes, owner: owner))
        }
        return ModelFile(
            path: path, format: .safetensors, tensors: tensors, metadata: texts,
            otherTensors: others)
    }

    private struct Entry {
        var name: String
        var type: String
        var dtype: DType?
        var shape: [Int]
        var begin: Int
        var end: Int
    }

    private static func entry(_ name: String, _ value: JSONValue, _ path: String) throws -> Entry {
        let source = ConfigurationSource(json: value, file: "\(path): tensor `\(name)`")
        guard let type = try source.text("dtype"), let (dtype, size) = types[type] else {
            throw source.fault("dtype", source["dtype"] ?? .null, "a type of elements such as F32 or BF16")
        }
        func numbers(_ key: String, most: Int) throws -> [Int] {
            guard let list = source[key]?.arrayValue, list.count <= most else {
                throw source.fault(key, source[key] ?? .null, "at most \(most) whole numbers")
            }
            return try list.map { try source.integer($0, key, in: 0...Int.max) }
        }
        let shape = try numbers("shape", most: mostDimensions)
        let offsets = try numbers("data_offsets", most: 2)
        var bytes = size
        for dimension in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
            guard !overflow else {
                throw NestboxError.invalid("\(source.file) has the impossible shape \(shapeText(shape))")
            }
            bytes = product
        }
        guard offsets.count == 2, offsets[1] >= offsets[0], offsets[1] - offsets[0] == bytes else {
            throw source.fault(
                "data_offsets", source["data_offsets"] ?? .null,
                "a range of \(bytes) bytes, as \(shapeText(shape)) \(type) needs")
        }
        return Entry(name: name, type: type, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
    }

    private static func metadata(_ header: JSONValue, _ path: String) throws -> ModelMetadata {
        var metadata = ModelMetadata()
        guard let value = header["__metadata__"], value != .null else { return metadata }
        guard let texts = value.objectValue else {
            throw NestboxError.invalid("\(path): `__metadata__` is \(value.kind), not an object")
        }
        for (key, value) in texts.sorted(by: { $0.key < $1.key }) {
            guard let text = value.stringValue else {
                throw NestboxError.invalid("\(path): `__metadata__.\(key)` is \(value.kind), not a text")
            }
            metadata[key] = .string(text)
        }
        return metadata
    }
}
