import Core
import Tensors

/// Rotary positions turn pairs of elements of each head. Hugging Face pairs element i with i + size / 2; GGUF files of the
/// Llama family pair 2i with 2i + 1, and have the rows of the query and key matrices (and biases) ordered for that: row 2i + s
/// of a head in GGUF is row i + s * size / 2 in a checkpoint. Scores are the same, as queries and keys change alike.
///
/// Models compute with either order (`RotaryEmbedding.pairing`); only conversion moves rows.
enum RopeOrder {
    case interleaved
    case halves

    /// The row to take for row `index` of the result, when `size` rows of a head are brought into this order.
    func source(_ index: Int, headSize size: Int) -> Int {
        let head = index / size * size, row = index % size
        switch self {
        case .interleaved: return head + row / 2 + row % 2 * (size / 2)
        case .halves: return head + (row < size / 2 ? 2 * row : 2 * (row - size / 2) + 1)
        }
    }
}

extension StoredTensor {
    /// A copy in memory with rows (elements of a vector) from the other order into `order`.
    func reordered(_ order: RopeOrder, headSize: Int) throws -> StoredTensor {
        let count = shape.count == 1 ? elementCount : rows
        guard count > 0, count % headSize == 0, headSize % 2 == 0, shape.count > 1 || !dtype.isQuantized else {
            throw NestboxError.invalid("tensor `\(name)` (\(summary)) does not consist of heads of \(headSize) rows")
        }
        let size = bytes.count / count
        let copy = OwnedBytes(bytes.count)
        for index in 0..<count {
            let from = order.source(index, headSize: headSize) * size
            UnsafeMutableRawBufferPointer(rebasing: copy.bytes[index * size..<(index + 1) * size])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[from..<from + size]))
        }
        return StoredTensor(
            name: name, dtype: dtype, shape: shape, bytes: UnsafeRawBufferPointer(copy.bytes), owner: copy)
    }

    /// A copy in memory with rows as columns.
    func transposed() throws -> StoredTensor {
        guard shape.count == 2, !dtype.isQuantized else {
            throw NestboxError.invalid("tensor `\(name)` (\(summary)) cannot be transposed: only plain matrices can")
        }
        let copy = OwnedBytes(bytes.count)
        switch dtype.blockBytes {
        case 1: transpose(into: copy, UInt8.self)
        case 2: transpose(into: copy, UInt16.self)
        case 4: transpose(into: copy, UInt32.self)
        default: transpose(into: copy, UInt64.self)
        }
        return StoredTensor(
            name: name, dtype: dtype, shape: shape.reversed(), bytes: UnsafeRawBufferPointer(copy.bytes), owner: copy)
    }

    private func transpose<T: BitwiseCopyable>(into copy: OwnedBytes, _ type: T.Type) {
        let size = MemoryLayout<T>.size, rows = rows, columns = columns, tile = 32
        // In tiles, so that both sides stay in the cache.
        for top in stride(from: 0, to: rows, by: tile) {
            for left in stride(from: 0, to: columns, by: tile) {
                for row in top..<min(top + tile, rows) {
                    for column in left..<min(left + tile, columns) {
                        let value = bytes.loadUnaligned(fromByteOffset: (row * columns + column) * size, as: T.self)
                        copy.bytes.storeBytes(of: value, toByteOffset: (column * rows + row) * size, as: T.self)
                    }
                }
            }
        }
    }
}
