import Contracts
import Core
import Dashboard
import Foundation

/// Logged models, and the versions that were registered from them.
enum LoggedModelPageRoutes {
    private static let modelsPerPage = 100
    private static let listedVersions = 100

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/experiments/{id}/models", "Logged models of an experiment") { call in
                try await list(call, appliance)
            }(appliance),
            PageRoutes.page("/logged-models/{id}", "One logged model: metrics by dataset, origin, files") { call in
                try await model(try call.parameter("id"), appliance)
            }(appliance),
            PageRoutes.page("/models/{name}/versions/{version}", "One version of a model: origin, history, files") {
                call in
                try await version(try call.parameter("name"), try call.integerParameter("version"), appliance)
            }(appliance),
        ]
    }

    private static func list(_ call: Call, _ appliance: Appliance) async throws -> LoggedModelsPage {
        let form = PageForm(query: call), filter = form["filter"] ?? "", tracking = appliance.tracking
        let experiment = try await tracking.experiment(id: try call.parameter("id"))
        let search = LoggedModelSearch(
            experimentIDs: [experiment.id], filter: filter, maxResults: modelsPerPage, pageToken: form["page"])
        do {
            let page = try await tracking.loggedModels(search)
            return LoggedModelsPage(
                page.items, experiment: experiment, runs: try await names(page.items, experiment, tracking),
                filter: filter, failure: nil, next: page.nextPageToken, now: PageRoutes.now)
        } catch let error as NestboxError where error.code == .invalidArgument {
            return LoggedModelsPage(
                [], experiment: experiment, runs: [:], filter: filter, failure: error, next: nil, now: PageRoutes.now)
        }
    }

    /// The names of the runs that made them, by one search.
    private static func names(
        _ models: [LoggedModel], _ experiment: Experiment, _ tracking: any Tracking
    ) async throws -> [String: String] {
        let ids = Set(models.compactMap(\.sourceRunID)).filter { $0.utf8.allSatisfy { $0 != UInt8(ascii: "'") } }
        guard !ids.isEmpty else { return [:] }
        let filter = "attributes.run_id IN (\(ids.sorted().map { "'\($0)'" }.joined(separator: ", ")))"
        let runs = try await tracking.runs(RunSearch(experimentIDs: [experiment.id], view: .all, filter: filter))
        return Dictionary(runs.items.map { ($0.id, $0.name) }) { $1 }
    }

    private static func model(_ id: String, _ appliance: Appliance) async throws -> LoggedModelPage {
        let tracking = appliance.tracking
        let model = try await tracking.loggedModel(id: id, includingDeleted: true)
        let experiment = try await tracking.experiment(id: model.experimentID)
        var run: Run?
        if let source = model.sourceRunID {
            run = try await TrackingPageRoutes.optional { try await tracking.run(id: source) }
        }
        let folder = try? ArtifactPath.path(ofURI: model.artifactURI)
        let files = try await files(folder, appliance)
        let input = LoggedModelInputs(
            model: model, experiment: experiment, run: run, versions: try await versions(of: model, appliance),
            files: files, hasFilesHere: folder != nil)
        return try await ComputePool.shared.run { LoggedModelPage(input, now: PageRoutes.now) }
    }

    /// Registered by its id, or from its files by the run that made it.
    private static func versions(of model: LoggedModel, _ appliance: Appliance) async throws -> [ModelVersion] {
        var filters = ["source_path = 'models:/\(model.id)'"]
        if let run = model.sourceRunID { filters.append("run_id = '\(run)'") }
        var found: [ModelVersion] = []
        for filter in filters {
            let page = try await appliance.registry.searchVersions(
                ModelSearch(filter: filter, maxResults: listedVersions))
            for version in page.items where version.modelID == model.id || version.source == "models:/\(model.id)" {
                if !found.contains(where: { $0.name == version.name && $0.version == version.version }) {
                    found.append(version)
                }
            }
        }
        return found
    }

    private static func version(_ name: String, _ number: Int, _ appliance: Appliance) async throws -> ModelVersionPage
    {
        let version = try await appliance.registry.version(name, number)
        var run: Run?, loggedModel: LoggedModel?
        if let id = version.runID {
            run = try await TrackingPageRoutes.optional { try await appliance.tracking.run(id: id) }
        }
        if let id = version.modelID {
            loggedModel = try await TrackingPageRoutes.optional {
                try await appliance.tracking.loggedModel(id: id, includingDeleted: true)
            }
        }
        let folder = try? ArtifactPath.path(ofURI: version.artifactURI)
        let input = ModelVersionInputs(
            version: version, run: run, loggedModel: loggedModel,
            deployments: try await appliance.serving.deployments().filter {
                $0.model == name && $0.version == number
            },
            transitions: try await appliance.registry.history(of: name, HistorySearch(version: number)).items,
            files: try await files(folder, appliance), hasFilesHere: folder != nil)
        return try await ComputePool.shared.run { ModelVersionPage(input, now: PageRoutes.now) }
    }

    private static func files(_ folder: String?, _ appliance: Appliance) async throws -> FileListing {
        guard let folder else { return .none }
        return try await ArtifactPageRoutes.listing(below: folder, open: "", appliance)
    }
}
