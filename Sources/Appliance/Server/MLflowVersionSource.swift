import Contracts
import Core
import Foundation

/// What a new model version is made from. `runs:/RUN/path`, `models:/NAME/VERSION` and `models:/m-…` are followed once, when
/// the version is made, so that it keeps pointing at the same files.
///
/// Files of this server are registered together with the run or the logged model that they belong to, and others not at all,
/// as `_validate_source_run` and `_validate_source_model` in mlflow/server/handlers.py (3.17) have it.
struct MLflowVersionSource {
    /// As it was given; an alias as the version it stood for.
    var source: String
    /// Where the files lie, when that is another place.
    var artifactURI: String?
    var runID: String?
    var modelID: String?

    /// Reads `source`, `run_id`, `model_id` and the tags, which tell prompts from models.
    static func resolve(
        _ request: MLflowRequest, _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) async throws -> MLflowVersionSource {
        let source = try request.required("source")
        var origin = MLflowVersionSource(
            source: source, runID: try request.nonempty("run_id"), modelID: try request.nonempty("model_id"))
        if isPrompt(try request.pairs("tags")) {
            guard promptSources.contains(source) else {
                throw NestboxError.invalid(
                    "Invalid prompt source: '\(source.prefix(120))'. Prompt sources must use an MLflow placeholder.",
                    hint: promptSources.joined(separator: " or "))
            }
        } else if source.hasPrefix("runs:/") {
            try checkPath(source)
            try await origin.followRun(tracking)
        } else if source.hasPrefix("models:/") {
            try checkPath(source)
            try await origin.followModel(request, registry, tracking: tracking)
        } else {
            try checkPath(source)
            try await origin.checkOwner(tracking)
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

    private static let promptSources = ["dummy-source", "prompt-template"]

    private static func isPrompt(_ tags: [String: String]) -> Bool {
        tags["mlflow.prompt.is_prompt"]?.lowercased() == "true"
    }

    private mutating func followRun(_ tracking: any Tracking) async throws {
        let parts = source.dropFirst(6).split(separator: "/", maxSplits: 1)
        guard let id = parts.first else {
            throw NestboxError.invalid("`\(source)` names no run", hint: "runs:/RUN/path")
        }
        guard modelID == nil else { throw notContained("model_id") }
        guard runID.map({ $0 == id }) == true else { throw notContained("run_id") }
        let root = try await tracking.run(id: String(id)).artifactURI
        artifactURI = parts.count == 2 ? "\(root)/\(try ArtifactPath.normalize(String(parts[1])))" : root
    }

    private mutating func followModel(
        _ request: MLflowRequest, _ registry: any ModelRegistry, tracking: any Tracking & LoggedModelStore
    ) async throws {
        let reference = source.dropFirst(8).drop { $0 == "/" }
        if !reference.contains("/"), !reference.contains("@") {
            guard modelID.map({ $0 == reference }) == true else { throw notContained("model_id") }
            artifactURI = try await tracking.loggedModel(id: String(reference), includingDeleted: false).artifactURI
            return
        }
        let separator: Character = reference.contains("@") ? "@" : "/"
        guard let cut = reference.lastIndex(of: separator) else {
            throw NestboxError.invalid(
                "`\(source)` names no version", hint: "models:/NAME/VERSION or models:/NAME@ALIAS")
        }
        let model = try await registry.model(String(reference[..<cut]))
        guard !Self.isPrompt(model.tags) else {
            throw Self.refusal(source, "Prompt versions cannot be used as model version sources.")
        }
        // With its `@`, so that an alias made of digits is no version.
        let version = try await Self.version(
            of: model, String(reference[(separator == "@" ? cut : reference.index(after: cut))...]), registry)
        let fits =
            (!request.has("run_id") || runID == version.runID)
            && (!request.has("model_id") || modelID == version.modelID)
        guard fits else {
            throw Self.refusal(
                source, "The run_id and model_id request parameters must match the referenced model version.")
        }
        source = "models:/\(version.name)/\(version.version)"
        artifactURI = version.artifactURI
        runID = version.runID
        modelID = version.modelID
    }

    /// A version by its number, its `@alias`, a stage or `latest`.
    private static func version(
        of model: RegisteredModel, _ selector: String, _ registry: any ModelRegistry
    ) async throws -> ModelVersion {
        if let stage = ModelStage.allCases.first(where: { $0.rawValue.lowercased() == selector.lowercased() }),
            let found = try await MLflowModelRoutes.newest(of: model, registry).first(where: { $0.stage == stage })
        {
            return found
        }
        do {
            return try await registry.resolve(model.name, selector)
        } catch var error as NestboxError where error.code == .notFound && selector.hasPrefix("@") {
            // MLflow's code for an alias that there is not.
            error.code = .invalidArgument
            throw error
        }
    }

    /// Files in this server's own store belong to the run or the model that is named.
    private func checkOwner(_ tracking: any Tracking & LoggedModelStore) async throws {
        guard source.lowercased().hasPrefix("mlflow-artifacts:") else { return }
        let field = modelID == nil ? "run_id" : "model_id"
        do {
            let root =
                if let modelID {
                    try await tracking.loggedModel(id: modelID, includingDeleted: false).artifactURI
                } else if let runID {
                    try await tracking.run(id: runID).artifactURI
                } else {
                    throw notContained(field)
                }
            let inner = Self.parts(source), outer = Self.parts(root)
            guard outer.count > 1, inner.starts(with: outer) else { throw notContained(field) }
        } catch let error as NestboxError where error.code == .notFound {
            throw notContained(field)
        }
    }

    /// Scheme, host and names of folders, decoded.
    private static func parts(_ uri: String) -> [String] {
        let parts = uri.split(separator: "/").map { PercentDecoding.decodeFully(String($0)) ?? String($0) }
        return [parts.first?.lowercased() ?? ""] + parts.dropFirst()
    }

    private func notContained(_ field: String) -> NestboxError {
        let given = field == "run_id" ? runID : modelID
        return Self.refusal(
            source, "The \(field) request parameter must identify the resource that contains the source.",
            hint: given.map { "`\($0)` does not; register its own files" } ?? "give its \(field), too")
    }

    private static func refusal(_ source: String, _ why: String, hint: String? = nil) -> NestboxError {
        .invalid("Invalid model version source: '\(source.prefix(120))'. \(why)", hint: hint)
    }

    /// Where files lie that a client would fetch by itself: a whole path in a store, never on the client's own disk, nor outside
    /// the store that is named.
    private static func checkPath(_ source: String) throws {
        let text = PercentDecoding.decodeFully(source) ?? ".."
        let scheme = text.range(of: ":").map { text[..<$0.lowerBound].lowercased() } ?? "file"
        let steps = text.split { $0 == "/" || $0 == "\\" || $0 == "?" || $0 == "#" }
        let isRefused =
            ["file", "http", "https", "ftp"].contains(scheme) || scheme.contains("/")
            || ArtifactPath.schemeNamingHost(text) != nil
        let rest = text.dropFirst(scheme.count + 1)
        // Runs and models are this server's, and no other's.
        let namesHost = ["runs", "models"].contains(scheme) && rest.hasPrefix("//") && !rest.hasPrefix("///")
        guard !isRefused, !namesHost, !steps.contains(".."), isWhole(rest) else {
            throw NestboxError.invalid(
                "`\(source.prefix(120))` cannot be a version's source",
                hint:
                    "register runs:/RUN/path, models:/NAME/VERSION, or a URI of a store such as mlflow-artifacts:/ or s3://, without `..`"
            )
        }
    }

    /// Whether what follows the scheme is an absolute path, below a host if it has one.
    private static func isWhole(_ rest: Substring) -> Bool {
        var path = rest.prefix { $0 != "?" && $0 != "#" }
        if path.hasPrefix("//") { path = path.dropFirst(2).drop { $0 != "/" } }
        let steps = path.split(separator: "/")
        return path.hasPrefix("/") && !steps.isEmpty && !steps.contains(".") && !path.unicodeScalars.contains("\0")
    }
}
