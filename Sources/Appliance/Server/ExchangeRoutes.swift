import Contracts
import Core

/// Takes what was made elsewhere, with its identifiers and times.
enum ExchangeRoutes {
    private static let tag = "Exchange"
    private static let bodyLimit = 64 << 20

    package struct Taken: Codable, Sendable {
        package var id: String
    }

    static func routes(_ appliance: Appliance) -> [Route] {
        let routes: [Route] = [
            .json(
                .post, "/api/v1/imports/runs", tag, "Store or complete a run under its own id, without its metrics",
                takes: Run.self, returns: Taken.self
            ) { _, run in
                try await target(appliance.tracking as? any TrackingImport).importRun(run)
                return Taken(id: run.id)
            },
            .json(
                .post, "/api/v1/imports/logged-models", tag, "Store or replace a logged model under its own id",
                takes: LoggedModel.self, returns: Taken.self
            ) { _, model in
                try await target(appliance.tracking as? any TrackingImport).importLoggedModel(model)
                return Taken(id: model.id)
            },
            .json(
                .post, "/api/v1/imports/models", tag,
                "Store or complete a registered model with the numbers, stages and aliases of its versions",
                takes: ModelWithVersions.self, returns: Taken.self
            ) { _, model in
                try await target(appliance.registry as? any RegistryImport).importModel(model)
                return Taken(id: model.model.name)
            },
        ]
        return routes.map { route in route.with { $0.bodyLimit = bodyLimit } }
    }

    private static func target<T>(_ store: T?) throws -> T {
        guard let store else {
            throw NestboxError(
                .notImplemented, "this Nestbox keeps its runs and models in an MLflow server, which takes no imports",
                hint: "import into a Nestbox that was started without --tracking-url")
        }
        return store
    }
}
