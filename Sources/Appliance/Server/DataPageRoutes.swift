import Contracts
import Core
import Dashboard
import Foundation
import Hummingbird
import Tables

/// Datasets and feature views.
enum DataPageRoutes {
    static let previewRows = 12

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/datasets", "Datasets") { _ in
                DatasetsPage(try await appliance.datasets.datasets(), now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/datasets/{name}", "One dataset: versions, columns, rows") { call in
                try await dataset(call, appliance)
            }(appliance),
            PageRoutes.page("/features", "Feature views") { _ in
                FeaturesPage(
                    try await appliance.features.definitions(),
                    materializations: try await appliance.features.materializations())
            }(appliance),
            PageRoutes.page("/features/{view}", "One feature view, with a look into the online store") { call in
                try await featureView(call, appliance)
            }(appliance),
        ]
    }

    private static func dataset(_ call: Call, _ appliance: Appliance) async throws -> DatasetPage {
        let name = try call.parameter("name")
        let dataset = try await appliance.datasets.dataset(name)
        let version = try call.queryInteger("version", default: dataset.latestVersion, in: 1...Int(Int32.max))
        let reference = DatasetReference(name: name, version: version)
        let shown = try await appliance.datasets.version(reference)
        let table = try await appliance.datasets.preview(reference, rows: previewRows)
        let preview = RowPreview(
            columns: table.schema.names, rows: (0..<table.rowCount).map { row in table.columns.map { $0[row].text } })
        return DatasetPage(
            dataset, shown: shown, versions: try await appliance.datasets.versions(of: name),
            profile: try await appliance.datasets.profile(reference), preview: preview, now: PageRoutes.now)
    }

    private static func featureView(_ call: Call, _ appliance: Appliance) async throws -> FeatureViewPage {
        let name = try call.parameter("view")
        let definitions = try await appliance.features.definitions()
        guard let view = definitions.featureViews.first(where: { $0.name == name }) else {
            throw NestboxError.notFound("feature view", name, among: definitions.featureViews.map(\.name))
        }
        let materialization = try await appliance.features.materializations().first { $0.view == name }
        let keys = PageForm(query: call).fields(prefix: "key.")
        let at = PageForm(query: call)["at"] ?? ""
        let outcome =
            keys.isEmpty ? LookupOutcome.notAsked : try await lookUp(view, keys, at: at, definitions, appliance)
        return FeatureViewPage(
            view, entities: definitions.entities, materialization: materialization, keys: keys, at: at,
            outcome: outcome)
    }

    /// What the client did wrong is shown beside the form; anything else is an error page.
    private static func lookUp(
        _ view: FeatureView, _ keys: [String: String], at: String, _ definitions: FeatureDefinitions,
        _ appliance: Appliance
    ) async throws -> LookupOutcome {
        do {
            let schema = try await appliance.datasets.version(view.dataset).schema
            let wanted = Set(definitions.entities.filter { view.entities.contains($0.name) }.map(\.joinKey))
            var entity: [String: JSONValue] = [:]
            for (key, text) in keys where wanted.contains(key) {
                let type = schema[view.keyColumns?[key] ?? key]?.type.rawValue ?? "string"
                entity[key] = FormValue.json(text, type: type)
            }
            let request = OnlineFeatureRequest(
                features: view.features.map { "\(view.name):\($0)" }, entities: [entity],
                at: try DeploymentRoutes.eventTime(at.isEmpty ? nil : .string(at), in: "`as of`"))
            guard let row = try await appliance.features.lookup(request).rows.first else {
                throw NestboxError(.internalError, "the online store gave no row for the entity")
            }
            return .found(row)
        } catch let error as NestboxError where error.code.httpStatus < 500 {
            return .failed(error)
        }
    }
}
