import Core
import Tables

extension DatasetVersion {
    /// As long as MLflow's may be, and no longer than its own server keeps.
    package static let digestLength = 32
    /// By which runs name it.
    package var digest: String { String(contentHash.prefix(Self.digestLength)) }

    /// As MLflow records a dataset that a run read.
    package var runInput: RunInput {
        get throws {
            let columns = schema.fields.map { field -> JSONValue in
                ["name": .string(field.name), "type": .string(field.type.mlflowName), "required": false]
            }
            return RunInput(
                name: dataset, digest: digest, sourceType: "nestbox",
                source: try JSON.string(
                    JSONValue.object(["uri": .string("nestbox://datasets/\(dataset)/\(version)")])),
                schema: try JSON.string(JSONValue.object(["mlflow_colspec": .array(columns)])),
                profile: try JSON.string(JSONValue.object(["num_rows": .int(Int64(rowCount))])),
                tags: ["mlflow.data.context": "training"])
        }
    }
}

extension ColumnType {
    /// MLflow's name of the type. Source: mlflow/types/schema.py, 3.17.
    package var mlflowName: String {
        switch self {
        case .int64: "long"
        case .float64: "double"
        case .bool: "boolean"
        case .string: "string"
        case .timestamp: "datetime"
        }
    }
}
