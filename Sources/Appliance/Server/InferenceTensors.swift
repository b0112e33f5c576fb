import Contracts
import Core
import Tables

/// The tensors of the Open Inference Protocol as rows, and back. One tensor per model input, of shape [N] or [N, 1]; or one
/// tensor [N, F] when every input is a number. Only JSON tensors: the binary extension is refused.
/// Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
package enum InferenceTensors {
    package static let outputName = "prediction"

    private struct Tensor {
        let name: String
        let shape: [Int]
        let datatype: String
        /// Flat, in row-major order.
        let values: [JSONValue]
    }

    /// How an input is described in a model's metadata.
    package static func datatype(_ type: ColumnType) -> String {
        switch type {
        case .int64, .timestamp: "INT64"
        case .float64: "FP64"
        case .bool: "BOOL"
        case .string: "BYTES"
        }
    }

    /// The rows of an inference request. Throws `invalid_argument` naming the tensor.
    package static func rows(_ request: JSONValue, signature: ModelSignature) throws -> [[String: JSONValue]] {
        guard let inputs = request["inputs"]?.arrayValue, !inputs.isEmpty else {
            throw NestboxError.invalid(
                "`inputs` must be an array of tensors",
                hint: "one per model input: " + signature.inputs.map(\.name).joined(separator: ", "))
        }
        let tensors = try inputs.enumerated().map { try tensor($1, at: $0) }
        if tensors.count == 1, tensors[0].shape.count == 2,
            !signature.inputs.contains(where: { $0.name == tensors[0].name })
        {
            return try matrixRows(tensors[0], signature: signature)
        }
        var rowCount: Int?
        for tensor in tensors {
            guard tensor.shape.count == 1 || (tensor.shape.count == 2 && tensor.shape[1] == 1) else {
                throw NestboxError.invalid("tensor `\(tensor.name)` has shape \(tensor.shape); expected [N] or [N, 1]")
            }
            guard rowCount == nil || rowCount == tensor.values.count else {
                throw NestboxError.invalid(
                    "tensor `\(tensor.name)` has \(tensor.values.count) rows; the tensors before it have \(rowCount ?? 0)"
                )
            }
            rowCount = tensor.values.count
        }
        guard Set(tensors.map(\.name)).count == tensors.count else {
            throw NestboxError.invalid("`inputs` names a tensor twice")
        }
        try PredictionLimits.check(rows: rowCount ?? 0, columns: tensors.count)
        return (0..<(rowCount ?? 0)).map { row in
            Dictionary(tensors.map { ($0.name, $0.values[row]) }, uniquingKeysWith: { $1 })
        }
    }

    private static func matrixRows(_ tensor: Tensor, signature: ModelSignature) throws -> [[String: JSONValue]] {
        let names = signature.inputs.map(\.name)
        guard signature.inputs.allSatisfy({ $0.type.isNumeric }),
            tensor.datatype.hasPrefix("FP") || tensor.datatype.hasPrefix("INT")
        else {
            throw NestboxError.invalid(
                "tensor `\(tensor.name)` is none of the model's inputs",
                hint: "send one tensor per input: \(names.joined(separator: ", "))")
        }
        let width = tensor.shape[1]
        guard width == names.count else {
            throw NestboxError.invalid(
                "tensor `\(tensor.name)` has \(width) columns; the model has \(names.count) inputs",
                hint: "the columns are, in this order: \(names.joined(separator: ", "))")
        }
        try PredictionLimits.check(rows: tensor.shape[0], columns: width)
        return (0..<tensor.shape[0]).map { row in
            Dictionary(names.indices.map { (names[$0], tensor.values[row * width + $0]) }, uniquingKeysWith: { $1 })
        }
    }

    private static func tensor(_ value: JSONValue, at index: Int) throws -> Tensor {
        guard let name = value["name"]?.stringValue else {
            throw NestboxError.invalid("`inputs[\(index)].name` must be a string")
        }
        guard value["parameters"]?["binary_data_size"] == nil else { throw binaryRefused(name) }
        guard let datatype = value["datatype"]?.stringValue else {
            throw NestboxError.invalid("tensor `\(name)`: `datatype` must be a string like FP64, INT64, BYTES or BOOL")
        }
        guard datatypes.contains(datatype) else {
            throw NestboxError.invalid(
                "tensor `\(name)`: there is no datatype `\(datatype.prefix(40))`",
                hint: "expected one of \(datatypes.joined(separator: ", "))")
        }
        guard let shape = value["shape"]?.arrayValue?.map({ $0.intValue.flatMap { Int(exactly: $0) } ?? -1 }),
            shape.allSatisfy({ $0 >= 0 })
        else { throw NestboxError.invalid("tensor `\(name)`: `shape` must be an array of whole numbers") }
        guard let data = value["data"]?.arrayValue else {
            throw NestboxError.invalid("tensor `\(name)`: `data` must be an array")
        }
        var values: [JSONValue] = []
        flatten(data, into: &values)
        var expected = 1
        for dimension in shape {
            let (product, overflow) = expected.multipliedReportingOverflow(by: dimension)
            expected = overflow ? .max : product
        }
        guard values.count == expected else {
            throw NestboxError.invalid(
                "tensor `\(name)` has \(values.count) elements; its shape \(shape) needs \(expected)")
        }
        for (position, value) in values.enumerated() where !fits(value, datatype) {
            let shown = if case .int(let number) = value { String(number) } else { value.kind }
            throw NestboxError.invalid("tensor `\(name)`, element \(position): \(shown) is not \(datatype)")
        }
        return Tensor(name: name, shape: shape, datatype: datatype, values: values)
    }

    static func binaryRefused(_ name: String?) -> NestboxError {
        .invalid(
            "binary tensors are not supported\(name.map { " (tensor `\($0)`)" } ?? ""); this server speaks JSON",
            hint: "with tritonclient, use set_data_from_numpy(…, binary_data=False)")
    }

    /// Nested or flat data, in row-major order. The depth is bounded by the JSON reader.
    private static func flatten(_ data: [JSONValue], into values: inout [JSONValue]) {
        for value in data {
            if case .array(let inner) = value { flatten(inner, into: &values) } else { values.append(value) }
        }
    }

    private static let datatypes = [
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64",
        "BYTES",
    ]

    private static func fits(_ value: JSONValue, _ datatype: String) -> Bool {
        switch (value, datatype) {
        case (.null, _), (.string, "BYTES"), (.bool, "BOOL"): true
        case (.int, "FP16"), (.int, "FP32"), (.int, "FP64"), (.number, "FP16"), (.number, "FP32"), (.number, "FP64"):
            true
        case (.int(let value), "INT8"): Int8(exactly: value) != nil
        case (.int(let value), "INT16"): Int16(exactly: value) != nil
        case (.int(let value), "INT32"): Int32(exactly: value) != nil
        case (.int, "INT64"): true
        case (.int(let value), "UINT8"): UInt8(exactly: value) != nil
        case (.int(let value), "UINT16"): UInt16(exactly: value) != nil
        case (.int(let value), "UINT32"): UInt32(exactly: value) != nil
        case (.int(let value), "UINT64"): value >= 0
        default: false
        }
    }

    /// The response to a request with that `id` and `outputs`. Throws for an output that there is not.
    package static func response(_ prediction: Prediction, to request: JSONValue) throws -> JSONValue {
        var isWanted = true
        if let outputs = request["outputs"], outputs != .null, outputs != .array([]) {
            guard let names = outputs.arrayValue?.map({ $0["name"]?.stringValue ?? "" }) else {
                throw NestboxError.invalid("`outputs` must be an array of objects with a `name`")
            }
            if let unknown = names.first(where: { $0 != outputName }) {
                throw NestboxError.invalid(
                    "there is no output `\(unknown)`", hint: "the only output is `\(outputName)`")
            }
            isWanted = !names.isEmpty
        }
        let output: JSONValue = [
            "name": .string(outputName), "datatype": "FP64", "shape": [.int(Int64(prediction.outputs.count))],
            "data": .array(prediction.outputs.map { .number($0) }),
        ]
        var response: [String: JSONValue] = [
            "model_name": .string(prediction.deployment), "model_version": .string(String(prediction.version)),
            "parameters": ["prediction_id": .string(prediction.id)], "outputs": isWanted ? [output] : [],
        ]
        if let id = request["id"], id != .null {
            guard let text = id.stringValue else { throw NestboxError.invalid("`id` must be a string, not \(id.kind)") }
            response["id"] = .string(text)
        }
        return .object(response)
    }
}
