import Contracts
import Core
import Foundation

/// What a new model version is made from. `runs:/RUN/path`, `models:/NAME/VERSION` and `models:/m-…` are followed once, when
/// the version is made, so that it keeps pointing at the same files.
struct MLflowVersionSource {
    /// As it was given; an alias as the version it stood for.
    var source: String
    /// Where the files lie, when that is another place.
    var artifactURI: String?
    var runID: String?
    var modelID: String?

    /// Reads `source`, `run_id` and `model_id`.
    static func resolve(
        _ request: MLflowRequest, _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) async throws -> MLflowVersionSource {
        let source = try request.required("source")
        var origin = MLflowVersionSource(
            source: source, runID: try request.nonempty("run_id"), modelID: try request.nonempty("model_id"))
        if source.hasPrefix("runs:/") {
            origin.artifactURI = try await folder(ofRunSource: source, tracking)
        } else if source.hasPrefix("models:/") {
            try await origin.followModel(registry, tracking: tracking)
        } else {
            try check(source)
        }
        // Before anything is stored: what is noted on the model afterwards must not fail.
        if let model = origin.modelID {
            let made = try await tracking.loggedModel(id: model, includingDeleted: false)
            if origin.runID == nil { origin.runID = made.sourceRunID }
        }
        return origin
    }

    /// MLflow's note of the versions of a logged model, in a tag of the model.
    static func note(_ version: ModelVersion, on model: String, _ tracking: any LoggedModelStore) async throws {
        let tag = "mlflow.modelVersions"
        let entry: JSONValue = ["name": .string(version.name), "version": .int(Int64(version.version))]
        let text = try await tracking.loggedModel(id: model, includingDeleted: false).tags[tag]
        var versions = text.flatMap { try? JSON.decode([JSONValue].self, from: $0) } ?? []
        if !versions.contains(entry) { versions.append(entry) }
        // A tag has a limit, and the newest are what people look for.
        versions = Array(versions.suffix(100))
        try await tracking.setLoggedModelTags(id: model, [tag: try JSON.string(versions)])
    }

    private static func folder(ofRunSource source: String, _ tracking: any Tracking) async throws -> String {
        let parts = source.dropFirst(6).split(separator: "/", maxSplits: 1)
        guard let id = parts.first else {
            throw NestboxError.invalid("`\(source)` names no run", hint: "runs:/RUN/path")
        }
        let root = try await tracking.run(id: String(id)).artifactURI
        return parts.count == 2 ? "\(root)/\(try ArtifactPath.normalize(String(parts[1])))" : root
    }

    private mutating func followModel(
        _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) async throws {
        let reference = source.dropFirst(8).drop { $0 == "/" }
        if reference.hasPrefix("m-"), !reference.contains("/"), !reference.contains("@") {
            let id = String(reference)
            guard modelID == nil || modelID == id else {
                throw NestboxError.invalid(
                    "Invalid model version source: '\(source)'. The model_id request parameter must identify the resource that "
                        + "contains the source.", hint: "model_id is `\(modelID ?? "")`")
            }
            artifactURI = try await tracking.loggedModel(id: id, includingDeleted: false).artifactURI
            modelID = id
            return
        }
        let separator: Character = reference.contains("@") ? "@" : "/"
        guard let cut = reference.lastIndex(of: separator) else {
            throw NestboxError.invalid(
                "`\(source)` names no version", hint: "models:/NAME/VERSION or models:/NAME@ALIAS")
        }
        // With its `@`, so that an alias made of digits is no version.
        let selector = String(reference[(separator == "@" ? cut : reference.index(after: cut))...])
        let version = try await registry.resolve(String(reference[..<cut]), selector)
        source = "models:/\(version.name)/\(version.version)"
        artifactURI = version.artifactURI
        runID = runID ?? version.runID
        modelID = modelID ?? version.modelID
    }

    /// Where files lie that a client would fetch by itself: never on the client's own disk, nor outside the store that is
    /// named. A plain word, as prompts have it, is no place at all.
    private static func check(_ source: String) throws {
        let scheme = source.range(of: ":/").map { source[..<$0.lowerBound].lowercased() }
        let refused = ["file", "http", "https", "ftp"]
        let isPath = scheme == nil && source.contains("/")
        let steps = (PercentDecoding.decodeFully(source) ?? "..").split {
            $0 == "/" || $0 == "\\" || $0 == "?" || $0 == "#"
        }
        guard !isPath, !refused.contains(scheme ?? ""), !steps.contains("..") else {
            throw NestboxError.invalid(
                "`\(source.prefix(120))` cannot be a version's source",
                hint:
                    "register runs:/RUN/path, models:/NAME/VERSION, or a URI of a store such as mlflow-artifacts:/ or s3://, without `..`"
            )
        }
    }
}
