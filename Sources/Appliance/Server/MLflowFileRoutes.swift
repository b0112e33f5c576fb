import Contracts
import Core
import Foundation
import HTTPTypes
import Hummingbird

/// Files of runs, model versions and logged models by the names of those, as MLflow's pages ask for them; and presigned
/// addresses, which storage behind a server does not have.
enum MLflowFileRoutes {
    /// Of what a page may upload.
    private static let uploadLimit = 10 << 20
    private static let presignedSeconds: ClosedRange<Int64> = 1...604_800

    static func routes(
        _ artifacts: any ArtifactStore, tracking: any Tracking & LoggedModelStore, registry: any ModelRegistry
    ) -> [Route] {
        let run = file("/get-artifact", "A file of a run", ["run_id"], "path", artifacts) { _, request in
            try await tracking.run(id: try request.runID()).artifactURI
        }
        let version = file(
            "/model-versions/get-artifact", "A file of a model version", ["name", "version"], "path", artifacts
        ) { _, request in
            try await registry.version(try request.required("name"), try request.version()).artifactURI
        }
        let model = file(
            "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files", "A file of a logged model", [],
            "artifact_file_path", artifacts
        ) { call, _ in
            try await tracking.loggedModel(id: try call.parameter("model_id"), includingDeleted: false).artifactURI
        }
        return [run, version, model, upload(artifacts, tracking)] + presigned(tracking)
    }

    private static func file(
        _ path: String, _ summary: String, _ names: [String], _ file: String, _ artifacts: any ArtifactStore,
        root: @escaping @Sendable (Call, MLflowRequest) async throws -> String
    ) -> Route {
        Route(.get, path, "MLflow", summary) { call in
            let request = try await MLflowRequest(call)
            let below = try MLflowPath.below(try request.required(file))
            let folder = try ArtifactPath.path(ofURI: try await root(call, request))
            return try await MLflowArtifactRoutes.send(below.isEmpty ? folder : "\(folder)/\(below)", call, artifacts)
        }.with {
            $0.errors = .mlflow
            $0.query = names.map { Route.QueryParameter($0, "whose file", isRequired: true) }
            $0.query.append(.init(file, "below its files", isRequired: true))
            $0.response = .init(type: "application/octet-stream")
        }
    }

    private static func upload(_ artifacts: any ArtifactStore, _ tracking: any Tracking) -> Route {
        Route(.post, "/ajax-api/2.0/mlflow/upload-artifact", "MLflow", "Store a small file of a run") { call in
            // Named by the query; the body is the file.
            let request = MLflowRequest(fields: MLflowRequest.query(call.request.uri.query ?? ""))
            guard let run = try request.nonempty("run_uuid") else {
                throw NestboxError.invalid("Request must specify run_uuid.")
            }
            guard let path = try request.nonempty("path") else {
                throw NestboxError.invalid("Request must specify path.")
            }
            let below = try MLflowPath.file(path)
            let data: Data
            do {
                data = try await call.body()
            } catch let error as NestboxError where error.code == .payloadTooLarge {
                throw NestboxError.invalid("Artifact size is too large. Max size is 10MB.")
            }
            guard !data.isEmpty else { throw NestboxError.invalid("Request must specify data.") }
            let folder = try ArtifactPath.path(ofURI: try await tracking.run(id: run).artifactURI)
            _ = try await artifacts.put("\(folder)/\(below)", data)
            return .bytes(MLflowRoutes.nothing, type: "application/json")
        }.with {
            $0.errors = .mlflow
            $0.bodyLimit = uploadLimit
            $0.query = [
                .init("run_uuid", "the run", isRequired: true), .init("path", "below its files", isRequired: true),
            ]
            $0.request = .init(type: "application/octet-stream")
            $0.response = MLflowRoutes.anyObject
        }
    }

    /// Refused as MLflow refuses them for proxied storage, after the same checks.
    private static func presigned(_ tracking: any Tracking & LoggedModelStore) -> [Route] {
        MLflowRoutes.endpoint(
            .post, "artifacts/presigned-upload-url", "An upload address; refused: upload to the server"
        ) {
            request in
            let run = try request.nonempty("run_id"), model = try request.nonempty("model_id")
            let path = try request.required("path")
            guard (run == nil) != (model == nil) else {
                throw NestboxError.invalid("Exactly one of run_id and model_id must be provided.")
            }
            _ = try MLflowPath.below(path)
            let uri: String
            if let model {
                uri = try await tracking.loggedModel(id: model, includingDeleted: false).artifactURI
            } else {
                uri = try await tracking.run(id: run ?? "").artifactURI
            }
            throw refusal("upload", uri)
        }
            + MLflowRoutes.endpoint(
                .post, "artifacts/presigned-download-url", "A download address; refused: download from the server"
            ) { request in
                let run = try request.required("run_id")
                _ = try MLflowPath.below(try request.required("path"))
                let seconds = try request.integer("expiration") ?? 900
                guard presignedSeconds.contains(seconds) else {
                    throw NestboxError.invalid("expiration must be between 1 and 604800 seconds (got \(seconds)).")
                }
                throw refusal("download", try await tracking.run(id: run).artifactURI)
            }
    }

    private static func refusal(_ what: String, _ uri: String) -> NestboxError {
        .invalid(
            "Presigned \(what) is not supported for proxied artifact storage (artifact URI scheme: "
                + "\(uri.prefix { $0 != ":" })).", hint: "\(what) through /api/2.0/mlflow-artifacts/artifacts")
    }
}
