import Foundation
import Tensors
import Testing

/// Random numbers that a test can repeat: splitmix64.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// `count` × `columns` random rows in a backend, with a gap after each row so that strides matter.
func randomRows(
    _ backend: CPUBackend, _ count: Int, _ columns: Int, _ random: inout Random, in range: ClosedRange<Float> = -1...1
) throws -> Rows {
    let stride = columns + 3
    let buffer = try backend.makeBuffer(byteCount: count * stride * 4)
    let values = random.floats(count * stride, in: range)
    values.withUnsafeBytes { backend.upload($0, to: buffer, at: 0) }
    return Rows(buffer, stride: stride)
}

func read(_ backend: CPUBackend, _ rows: Rows, _ count: Int, _ columns: Int) -> [[Float]] {
    (0..<count).map { row in backend.withHostRow(rows, row: row, count: columns) { Array($0) } }
}

/// Random blocks of a type: any bytes, but the f16 factors and plain elements are finite and of ordinary size.
func randomWeights(_ type: DType, rows: Int, columns: Int, _ random: inout Random) -> [UInt8] {
    var bytes = (0..<rows * type.rowBytes(columns)!).map { _ in UInt8.random(in: 0...255, using: &random) }
    let factors: [Int] =
        switch type {
        case .q4_0, .q5_0, .q8_0, .iq4_nl: [0]
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q2_K: [80, 82]
        case .q3_K: [108]
        case .q6_K: [208]
        default: [0]
        }
    for block in stride(from: 0, to: bytes.count, by: type.blockBytes) {
        for factor in factors {
            let value = Float.random(in: -0.1...0.1, using: &random)
            let bits: UInt16
            switch type {
            case .f32:
                withUnsafeBytes(of: value) { bytes.replaceSubrange(block..<block + 4, with: $0) }
                continue
            case .bf16: bits = UInt16(value.bitPattern >> 16)
            default: bits = Float16(value).bitPattern
            }
            bytes[block + factor] = UInt8(bits & 255)
            bytes[block + factor + 1] = UInt8(bits >> 8)
        }
    }
    return bytes
}

/// The types that weights may have.
let weightTypes: [DType] = [
    .f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_nl,
]

func weights(_ backend: CPUBackend, _ type: DType, rows: Int, columns: Int, _ bytes: [UInt8]) throws -> WeightMatrix {
    try bytes.withUnsafeBytes {
        try backend.makeWeights([WeightSource(dtype: type, rows: rows, columns: columns, bytes: $0)])
    }
}
