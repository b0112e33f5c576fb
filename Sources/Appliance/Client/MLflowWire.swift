import Contracts
import Core
import NIOHTTP1

/// MLflow's JSON as it arrives, and as Nestbox's values. The fields are named as on the wire.
/// Source: `mlflow/protos/service.proto` and `model_registry.proto`, MLflow 3.17. What is empty is left out there.
package enum MLflowWire {
    package struct Pair: Codable, Sendable {
        package var key: String
        package var value: String?
    }

    /// A whole number that some servers write as text, as proto3's JSON has it.
    package struct Whole: Codable, Sendable {
        package var value: Int64

        package init(_ value: Int64) { self.value = value }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int64.self) {
                value = number
            } else if let number = Int64(try container.decode(String.self)) {
                value = number
            } else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected a whole number")
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(value)
        }

        var timestamp: Timestamp { Timestamp(milliseconds: value) }
    }

    package struct Experiment: Codable, Sendable {
        package var experiment_id: String
        package var name: String
        package var artifact_location: String?
        package var lifecycle_stage: LifecycleStage?
        package var creation_time: Whole?
        package var last_update_time: Whole?
        package var tags: [Pair]?

        package var value: Contracts.Experiment {
            let created = creation_time?.timestamp ?? Timestamp(milliseconds: 0)
            return Contracts.Experiment(
                id: experiment_id, name: name, artifactLocation: artifact_location ?? "",
                lifecycleStage: lifecycle_stage ?? .active, createdAt: created,
                updatedAt: last_update_time?.timestamp ?? created, tags: dictionary(tags))
        }
    }

    package struct Metric: Codable, Sendable {
        package var key: String
        package var value: Double
        package var timestamp: Whole
        package var step: Whole?
        package var run_id: String?
        package var model_id: String?
        package var dataset_name: String?
        package var dataset_digest: String?

        init(_ metric: LoggedModelMetric) {
            self.init(metric.point)
            model_id = metric.modelID
            dataset_name = metric.datasetName
            dataset_digest = metric.datasetDigest
        }

        init(_ point: MetricPoint) {
            key = point.key
            value = point.value
            timestamp = Whole(point.timestamp.milliseconds)
            step = Whole(point.step)
        }

        package var point: MetricPoint {
            MetricPoint(key: key, value: value, timestamp: timestamp.timestamp, step: step?.value ?? 0)
        }
    }

    package struct Input: Codable, Sendable {
        package struct Dataset: Codable, Sendable {
            package var name: String
            package var digest: String
            package var source_type: String
            package var source: String
            package var schema: String?
            package var profile: String?
        }

        package var dataset: Dataset
        package var tags: [Pair]?

        init(_ input: RunInput) {
            dataset = Dataset(
                name: input.name, digest: input.digest, source_type: input.sourceType, source: input.source,
                schema: input.schema, profile: input.profile)
            tags = pairs(input.tags)
        }

        package var value: RunInput {
            RunInput(
                name: dataset.name, digest: dataset.digest, sourceType: dataset.source_type, source: dataset.source,
                schema: dataset.schema, profile: dataset.profile, tags: dictionary(tags))
        }
    }

    package struct Run: Codable, Sendable {
        package struct Info: Codable, Sendable {
            package var run_id: String
            package var experiment_id: String
            package var run_name: String?
            package var user_id: String?
            package var status: RunStatus
            package var start_time: Whole?
            package var end_time: Whole?
            package var artifact_uri: String?
            package var lifecycle_stage: LifecycleStage?
        }

        package struct Data: Codable, Sendable {
            package var metrics: [Metric]?
            package var params: [Pair]?
            package var tags: [Pair]?
        }

        package struct Inputs: Codable, Sendable {
            package var dataset_inputs: [Input]?
            package var model_inputs: [ModelOutput]?
        }

        package struct Outputs: Codable, Sendable {
            package var model_outputs: [ModelOutput]?
        }

        package var info: Info
        package var data: Data?
        package var inputs: Inputs?
        package var outputs: Outputs?

        package var value: Contracts.Run {
            Contracts.Run(
                id: info.run_id, experimentID: info.experiment_id, name: info.run_name ?? "", user: info.user_id ?? "",
                status: info.status, startTime: info.start_time?.timestamp ?? Timestamp(milliseconds: 0),
                endTime: info.end_time?.timestamp, lifecycleStage: info.lifecycle_stage ?? .active,
                artifactURI: info.artifact_uri ?? "", params: dictionary(data?.params),
                metrics: (data?.metrics ?? []).map(\.point).sorted { $0.key < $1.key }, tags: dictionary(data?.tags),
                inputs: (inputs?.dataset_inputs ?? []).map(\.value),
                modelInputs: (inputs?.model_inputs ?? []).map(\.model_id),
                modelOutputs: (outputs?.model_outputs ?? []).map(\.value))
        }
    }

    package struct Version: Codable, Sendable {
        package var name: String
        package var version: Whole
        package var source: String?
        package var run_id: String?
        package var current_stage: ModelStage?
        package var description: String?
        package var user_id: String?
        package var creation_timestamp: Whole?
        package var last_updated_timestamp: Whole?
        package var tags: [Pair]?
        package var aliases: [String]?
        package var model_id: String?
        /// Only a Nestbox says it.
        package var artifact_uri: String?

        package var value: ModelVersion {
            let created = creation_timestamp?.timestamp ?? Timestamp(milliseconds: 0)
            return ModelVersion(
                name: name, version: Int(version.value), source: source ?? "",
                runID: run_id.flatMap { $0.isEmpty ? nil : $0 }, stage: current_stage ?? .none,
                description: description ?? "", tags: dictionary(tags), aliases: aliases ?? [], createdAt: created,
                updatedAt: last_updated_timestamp?.timestamp ?? created, createdBy: user_id ?? "",
                modelID: model_id.flatMap { $0.isEmpty ? nil : $0 }, artifactURI: artifact_uri)
        }
    }

    package struct Model: Codable, Sendable {
        package struct Alias: Codable, Sendable {
            package var alias: String
            package var version: Whole
        }

        package var name: String
        package var description: String?
        package var creation_timestamp: Whole?
        package var last_updated_timestamp: Whole?
        /// The newest in each stage; the newest of all is among them.
        package var latest_versions: [Version]?
        package var tags: [Pair]?
        package var aliases: [Alias]?

        package var value: RegisteredModel {
            let created = creation_timestamp?.timestamp ?? Timestamp(milliseconds: 0)
            return RegisteredModel(
                name: name, description: description ?? "", tags: dictionary(tags),
                aliases: Dictionary(
                    (aliases ?? []).map { ($0.alias, Int($0.version.value)) }, uniquingKeysWith: { $1 }),
                latestVersion: latest_versions?.map { Int($0.version.value) }.max(), createdAt: created,
                updatedAt: last_updated_timestamp?.timestamp ?? created)
        }
    }

    static func pairs(_ values: [String: String]) -> [Pair] {
        values.sorted { $0.key < $1.key }.map { Pair(key: $0.key, value: $0.value) }
    }

    static func dictionary(_ pairs: [Pair]?) -> [String: String] {
        Dictionary((pairs ?? []).map { ($0.key, $0.value ?? "") }, uniquingKeysWith: { $1 })
    }
}

extension APIClient {
    static let mlflow = "/api/2.0/mlflow/"

    /// A request to an MLflow endpoint whose answer holds nothing.
    func mlflow(_ method: HTTPMethod, _ endpoint: String, _ body: some Encodable & Sendable) async throws {
        try await send(
            method, Self.mlflow + endpoint, body: ByteStream(try JSON.encode(body)), contentType: "application/json")
    }

    func mlflow<T: Decodable>(
        _ method: HTTPMethod, _ endpoint: String, _ body: some Encodable & Sendable, as type: T.Type
    ) async throws -> T {
        try await send(method, Self.mlflow + endpoint, body: body, as: type)
    }

    func mlflow<T: Decodable>(_ endpoint: String, query: [(String, String?)], as type: T.Type) async throws -> T {
        try await get(Self.path(Self.mlflow + endpoint, query: query), as: type)
    }
}
