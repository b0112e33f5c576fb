import Contracts
import Core
import Server
import Testing
import TestSupport

@Suite struct InferenceTensorsTests {
    private let mixed = ModelSignature(
        task: .binary, target: "late",
        inputs: [
            .init(name: "hour", type: .int64), .init(name: "distance", type: .float64),
            .init(name: "carrier", type: .string),
        ])
    private let numeric = ModelSignature(
        task: .regression, target: "delay",
        inputs: [.init(name: "hour", type: .int64), .init(name: "distance", type: .float64)])

    private func tensor(_ name: String, _ datatype: String, _ shape: JSONValue, _ data: JSONValue) -> JSONValue {
        ["name": .string(name), "datatype": .string(datatype), "shape": shape, "data": data]
    }

    @Test func tensorsBecomeRowsWhetherFlatOrNested() throws {
        let request: JSONValue = [
            "inputs": [
                tensor("hour", "INT64", [2], [8, 9]), tensor("distance", "FP32", [2, 1], [[400.5], [.null]]),
                tensor("carrier", "BYTES", [2, 1], ["AA", "BB"]), tensor("join key", "BYTES", [2], ["x", "y"]),
            ]
        ]
        #expect(
            try InferenceTensors.rows(request, signature: mixed) == [
                ["hour": 8, "distance": 400.5, "carrier": "AA", "join key": "x"],
                ["hour": 9, "distance": .null, "carrier": "BB", "join key": "y"],
            ])
    }

    @Test(arguments: [JSONValue](arrayLiteral: [1, 2.5, 3, 4.5], [[1, 2.5], [3, 4.5]]))
    func oneMatrixIsTakenWhenEveryInputIsANumber(data: JSONValue) throws {
        let request: JSONValue = ["inputs": [tensor("x", "FP64", [2, 2], data)]]
        #expect(
            try InferenceTensors.rows(request, signature: numeric) == [
                ["hour": 1, "distance": 2.5], ["hour": 3, "distance": 4.5],
            ])
        #expect(throws: NestboxError.self) { try InferenceTensors.rows(request, signature: mixed) }
    }

    @Test func refusalsNameTheTensor() async {
        let cases: [(JSONValue, String)] = [
            ([:], "`inputs` must be an array"), (["inputs": []], "`inputs` must be an array"),
            (["inputs": [["name": "hour"]]], "tensor `hour`: `datatype`"),
            (
                ["inputs": [tensor("hour", "INT64", [3], [1, 2])]],
                "tensor `hour` has 2 elements; its shape [3] needs 3"
            ),
            (["inputs": [tensor("hour", "INT64", [-1], [1])]], "tensor `hour`: `shape`"),
            (["inputs": [tensor("hour", "INT64", [9_000_000_000_000_000_000, 4], [1])]], "has 1 elements"),
            (["inputs": [tensor("hour", "INT64", [1], [1.5])]], "tensor `hour`, element 0: a number is not INT64"),
            (["inputs": [tensor("hour", "UINT8", [1], [-1])]], "is not UINT8"),
            (["inputs": [tensor("carrier", "BYTES", [1], [1])]], "is not BYTES"),
            (["inputs": [tensor("hour", "FLOAT", [1], [1])]], "no datatype `FLOAT`"),
            (["inputs": [tensor("hour", "INT8", [1], [128])]], "128 is not INT8"),
            (["inputs": [tensor("hour", "UINT16", [1], [-1])]], "-1 is not UINT16"),
            (["inputs": [tensor("hour", "INT64", [1, 2], [1, 2])]], "shape [1, 2]; expected [N] or [N, 1]"),
            (
                ["inputs": [tensor("hour", "INT64", [1], [1]), tensor("distance", "FP64", [2], [1, 2])]],
                "`distance` has 2 rows"
            ),
            (["inputs": [tensor("hour", "INT64", [1], [1]), tensor("hour", "INT64", [1], [1])]], "twice"),
            (
                ["inputs": [tensor("x", "FP32", [1, 3], [1, 2, 3])]], "tensor `x` has 3 columns; the model has 2 inputs"
            ),
            (
                [
                    "inputs": [
                        ["name": "hour", "datatype": "INT64", "shape": [1], "parameters": ["binary_data_size": 8]]
                    ]
                ],
                "binary tensors are not supported"
            ),
        ]
        for (request, sentence) in cases {
            await expectError(.invalidArgument, mentions: sentence) {
                try InferenceTensors.rows(request, signature: numeric)
            }
        }
    }

    @Test func theAnswerIsOneTensorWithTheRequestsID() throws {
        let prediction = Prediction(id: "p", deployment: "d", model: "m", version: 3, outputs: [0.25, 1])
        #expect(
            try InferenceTensors.response(prediction, to: ["id": "42", "outputs": [["name": "prediction"]]]) == [
                "id": "42", "model_name": "d", "model_version": "3", "parameters": ["prediction_id": "p"],
                "outputs": [
                    ["name": "prediction", "datatype": "FP64", "shape": [2], "data": [.number(0.25), .number(1)]]
                ],
            ])
        #expect(try InferenceTensors.response(prediction, to: [:])["id"] == nil)
        #expect(throws: NestboxError.self) {
            try InferenceTensors.response(prediction, to: ["outputs": [["name": "label"]]])
        }
    }
}
