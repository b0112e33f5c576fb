import Core
import Tensors

/// Reads GGUF versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
///
/// All that the file says is checked before it is used: counts against the bytes that are left, names for being unique,
/// dimensions for overflow, every tensor for lying inside the file, at its alignment and on no other's bytes.
public enum GGUFFile {
    /// Longest accepted names. The tools in use write less than 64 bytes for tensors.
    static let longestName = 1024
    static let longestKey = 65_535
    private static let mostDimensions = 8

    /// Throws `not_found`, or `invalid_argument` that names the file, the place and what was expected there.
    public static func open(_ path: String) throws -> ModelFile {
        let mapping = try FileMapping(path)
        return try parse(mapping.bytes, path: path, owner: mapping)
    }

    /// `owner` keeps the bytes.
    static func parse(_ bytes: UnsafeRawBufferPointer, path: String, owner: AnyObject) throws -> ModelFile {
        var reader = ByteReader(bytes, file: path)
        let (tensorCount, metadataCount) = try header(&reader)
        let metadata = try self.metadata(&reader, count: metadataCount, owner: owner)
        let alignment = try self.alignment(metadata, path)
        let outlines = try self.outlines(&reader, count: tensorCount)
        let start = (reader.position + alignment - 1) / alignment * alignment
        let places = try place(outlines, start: start, alignment: alignment, end: bytes.count, path)
        let tensors = zip(outlines, places).map { outline, place in
            StoredTensor(
                name: outline.name, dtype: outline.dtype, shape: outline.shape,
                bytes: UnsafeRawBufferPointer(rebasing: bytes[place]), owner: owner)
        }
        return ModelFile(path: path, format: .gguf, tensors: tensors, metadata: metadata)
    }

    /// Whether a file begins like GGUF.
    static func isGGUF(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: GGUFEncoding.magic) }

    private static func header(_ reader: inout ByteReader) throws -> (tensors: Int, metadata: Int) {
        let file = reader.file
        guard isGGUF(reader.bytes) else {
            throw NestboxError.invalid(
                "\(file) is not a GGUF file: it does not begin with the letters GGUF",
                hint: reader.bytes.starts(with: "version https://git-lfs".utf8)
                    ? "it is a Git LFS pointer: fetch the file itself" : "name a .gguf file or a Hugging Face directory"
            )
        }
        _ = try reader.take(4, "the magic")
        let version = try reader.number(UInt32.self, "the version")
        guard version == 2 || version == 3 else {
            let swapped = version.byteSwapped == 2 || version.byteSwapped == 3
            throw NestboxError.invalid(
                swapped ? "\(file) is big-endian GGUF" : "\(file) is GGUF version \(version), not 2 or 3",
                hint: "convert it with the gguf Python package or with llama.cpp's tools")
        }
        // A tensor needs a name's length, a count of dimensions, a type and an offset; a value a key's length, type and byte.
        let tensors = try reader.count(bytesEach: 24, "the number of tensors")
        let metadata = try reader.count(bytesEach: 13, "the number of metadata values")
        return (tensors, metadata)
    }

    private static func metadata(_ reader: inout ByteReader, count: Int, owner: AnyObject) throws -> ModelMetadata {
        var metadata = ModelMetadata()
        for index in 0..<count {
            let start = reader.position
            let key = try reader.string("the key of metadata value \(index + 1)")
            guard !key.isEmpty, key.utf8.count <= longestKey, metadata[key] == nil else {
                let fault = key.isEmpty ? "is empty" : metadata[key] == nil ? "is too long" : "`\(key)` appears twice"
                throw NestboxError.invalid("\(reader.file): the metadata key at byte \(start) \(fault)")
            }
            do {
                let kind = try GGUFEncoding.kind(from: &reader)
                metadata[key] = try GGUFEncoding.value(kind, from: &reader, depth: 0, owner: owner)
            } catch let error as NestboxError {
                throw NestboxError(error.code, error.message + ", in metadata `\(key)`", hint: error.hint)
            }
        }
        return metadata
    }

    static func alignment(_ metadata: ModelMetadata, _ path: String) throws -> Int {
        guard let value = metadata["general.alignment"] else { return GGUFEncoding.defaultAlignment }
        guard case .uint32(let alignment) = value, alignment > 0, alignment <= 1 << 20, alignment.nonzeroBitCount == 1
        else {
            throw NestboxError.invalid(
                "\(path): general.alignment is \(value.excerpt), not a power of two up to \(1 << 20) in 32 bits")
        }
        return Int(alignment)
    }

    private struct Outline {
        var name: String
        var dtype: DType
        var shape: [Int]
        var offset: Int
        var size: Int
    }

    private static func outlines(_ reader: inout ByteReader, count: Int) throws -> [Outline] {
        var outlines: [Outline] = []
        var names = Set<String>()
        outlines.reserveCapacity(count)
        for index in 0..<count {
            let name = try reader.string("the name of tensor \(index + 1)")
            guard !name.isEmpty, name.utf8.count <= longestName, names.insert(name).inserted else {
                let fault = name.isEmpty ? "is empty" : name.utf8.count > longestName ? "is too long" : "appears twice"
                throw NestboxError.invalid(
                    "\(reader.file): the name of tensor \(index + 1), `\(name.prefix(80))`, \(fault)")
            }
            outlines.append(try outline(&reader, name))
        }
        return outlines
    }

    private static func outline(_ reader: inout ByteReader, _ name: String) throws -> Outline {
        let dimensions = Int(try reader.number(UInt32.self, "the dimensions of tensor `\(name)`"))
        guard dimensions <= mostDimensions else {
            throw NestboxError.invalid(
                "\(reader.file): tensor `\(name)` has \(dimensions) dimensions, more than \(mostDimensions)")
        }
        var shape: [Int] = []
        for _ in 0..<dimensions {
            let dimension = try reader.number(UInt64.self, "a dimension of tensor `\(name)`")
            guard let value = Int(exactly: dimension) else {
                throw NestboxError.invalid("\(reader.file): tensor `\(name)` has a dimension of \(dimension)")
            }
            shape.insert(value, at: 0)
        }
        let type = try reader.number(UInt32.self, "the type of tensor `\(name)`")
        guard let dtype = DType(rawValue: type) else {
            throw NestboxError.invalid(
                "\(reader.file): tensor `\(name)` is of type \(otherTypes[type] ?? "number \(type)"), which is not supported",
                hint: "use a file in F32, F16, BF16, Q8_0, Q4_0 to Q5_1, Q2_K to Q6_K or IQ4_NL")
        }
        let offset = try reader.number(UInt64.self, "the offset of tensor `\(name)`")
        let size = try checkedSize(shape, dtype, "\(reader.file): tensor `\(name)`")
        guard let offset = Int(exactly: offset), !offset.addingReportingOverflow(size).overflow else {
            throw NestboxError.invalid("\(reader.file): tensor `\(name)` lies at the impossible offset \(offset)")
        }
        return Outline(name: name, dtype: dtype, shape: shape, offset: offset, size: size)
    }

    /// Where each tensor lies in the file.
    private static func place(
        _ outlines: [Outline], start: Int, alignment: Int, end fileEnd: Int, _ path: String
    ) throws -> [Range<Int>] {
        // A file of metadata alone may end before the padding.
        let available = max(0, fileEnd - start)
        if let last = outlines.max(by: { $0.offset + $0.size < $1.offset + $1.size }) {
            let missing = last.offset + last.size - available
            guard missing <= 0, start <= fileEnd else {
                throw NestboxError.invalid(
                    "\(path) is cut off: \(max(missing, start - fileEnd)) bytes are missing at the end of tensor `\(last.name)`",
                    hint: "fetch the file again")
            }
        }
        var end = 0
        var before: Outline?
        for outline in outlines.sorted(by: { ($0.offset, $0.size) < ($1.offset, $1.size) }) {
            guard outline.offset % alignment == 0 else {
                throw NestboxError.invalid(
                    "\(path): tensor `\(outline.name)` begins at offset \(outline.offset), "
                        + "which is not a multiple of the alignment \(alignment)")
            }
            guard outline.offset >= end else {
                throw NestboxError.invalid(
                    "\(path): tensors `\(before?.name ?? "")` and `\(outline.name)` lie on each other at offset \(outline.offset)"
                )
            }
            end = outline.offset + outline.size
            before = outline
        }
        return outlines.map { start + $0.offset..<start + $0.offset + $0.size }
    }

    /// Types of ggml that are not read here, for sentences.
    private static let otherTypes: [UInt32: String] = [
        9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S",
        23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
    ]
}
