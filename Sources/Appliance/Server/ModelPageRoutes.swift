import Contracts
import Core
import Dashboard
import Foundation
import Hummingbird

/// Registered models, deployments, and the form that predicts.
enum ModelPageRoutes {
    static let listedVersions = 100
    static let listedPredictions = 12
    static let listedMoves = 40

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/models", "Registered models") { call in
                let page = try await appliance.registry.models(
                    nameContains: nil, maxResults: 200, pageToken: PageForm(query: call)["page"])
                return ModelsPage(
                    page.items, next: page.nextPageToken.map { "/models?page=\(Format.encoded($0))" },
                    now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/models/{name}", "One model: versions, aliases, history") { call in
                let name = try call.parameter("name"), form = PageForm(query: call)
                return ModelPage(
                    try await appliance.registry.model(name),
                    versions: try await appliance.registry.versions(
                        of: name, maxResults: listedVersions, pageToken: form["page"]),
                    history: try await appliance.registry.history(
                        of: name, HistorySearch(maxResults: listedMoves, pageToken: form["history"])),
                    deployments: try await appliance.serving.deployments(), now: PageRoutes.now)
            }(appliance),
            PageRoutes.form("/models/{name}/semantic", "Set a version's semantic version") { call in
                let name = try call.parameter("name"), form = try await PageForm(body: call)
                guard let text = form["version"], let number = Int(text) else {
                    throw NestboxError.invalid("the form names no version")
                }
                _ = try await appliance.semantics.choose(
                    name, number,
                    SemanticChoice(
                        semanticVersion: try SemanticVersion(parsing: form["semantic"] ?? ""), reason: form["reason"]))
                return .redirect(to: Format.link("models", name))
            },
            PageRoutes.page("/deployments", "Deployments") { _ in
                var rows: [(deployment: Deployment, statistics: ServingStatistics)] = []
                for deployment in try await appliance.serving.deployments() {
                    rows.append((deployment, try await appliance.serving.statistics(deployment.name)))
                }
                return DeploymentsPage(
                    rows, openAlerts: try await appliance.monitor.alerts(open: true, limit: 1000), now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/deployments/{name}", "One deployment") { call in
                try await deployment(try call.parameter("name"), entered: nil, outcome: .notTried, appliance)
            }(appliance),
            PageRoutes.hidden(.get, "/deployments/{name}/traffic", "The live part of a deployment's page") { call in
                let view = try await traffic(
                    try await appliance.serving.deployment(try call.parameter("name")), appliance)
                let text = try await ComputePool.shared.run { [dashboard = appliance.dashboard] in
                    try dashboard.fragment("parts/traffic", view)
                }
                return PageRoutes.secured(.text(text, type: "text/html; charset=utf-8"))
            },
            PageRoutes.form("/deployments/{name}/try", "Predict one row from the form") { call in
                try await tryOut(call, appliance)
            },
        ]
    }

    private static func traffic(_ deployment: Deployment, _ appliance: Appliance) async throws -> TrafficView {
        TrafficView(
            deployment, statistics: try await appliance.serving.statistics(deployment.name),
            predictions: try await appliance.serving.predictions(deployment.name, limit: listedPredictions),
            now: PageRoutes.now)
    }

    /// - Parameter entered: what the form was sent with; nil starts it with the newest logged row.
    private static func deployment(
        _ name: String, entered: [String: String]?, at: String = "", outcome: TryOutcome, _ appliance: Appliance
    ) async throws -> DeploymentPage {
        let deployment = try await appliance.serving.deployment(name)
        var signature: ModelSignature?, failure: String?
        do {
            signature = try await appliance.serving.signature(name)
        } catch let error as NestboxError {
            // A model that cannot be loaded is what somebody opens this page to find out about.
            failure = error.message
        }
        let newest = entered == nil ? try await appliance.serving.predictions(name, limit: 1).first : nil
        let start = newest?.inputs.mapValues { FormValue.text($0) } ?? [:]
        return DeploymentPage(
            deployment, signature: signature, signatureFailure: failure,
            traffic: try await traffic(deployment, appliance),
            keys: try await lookupKeys(deployment, signature, appliance).map(\.key), entered: entered ?? start, at: at,
            outcome: outcome, now: PageRoutes.now)
    }

    /// The join keys by which the deployment's features are looked up, with their columns' types; inputs of the model are
    /// not repeated.
    private static func lookupKeys(
        _ deployment: Deployment, _ signature: ModelSignature?, _ appliance: Appliance
    ) async throws -> [(key: String, type: String)] {
        let used = Set(deployment.lookup.compactMap { try? FeatureName.parse($0).view })
        guard !used.isEmpty else { return [] }
        let definitions = try await appliance.features.definitions()
        let inputs = Set(signature?.inputs.map(\.name) ?? [])
        var keys: [(key: String, type: String)] = []
        for view in definitions.featureViews where used.contains(view.name) {
            // A dataset that is gone takes the type along, and the lookup itself will say what is wrong.
            let schema = try await TrackingPageRoutes.optional {
                try await appliance.datasets.version(view.dataset).schema
            }
            for entity in definitions.entities
            where view.entities.contains(entity.name) && !inputs.contains(entity.joinKey) {
                guard !keys.contains(where: { $0.key == entity.joinKey }) else { continue }
                keys.append(
                    (
                        entity.joinKey,
                        schema?[view.keyColumns?[entity.joinKey] ?? entity.joinKey]?.type.rawValue ?? "string"
                    ))
            }
        }
        return keys
    }

    /// Answers with the page itself: the answer is not a resource to be redirected to, and its log line is written later.
    private static func tryOut(_ call: Call, _ appliance: Appliance) async throws -> Response {
        let name = try call.parameter("name")
        let form = try await PageForm(body: call)
        let entered = form.fields(prefix: "in."), at = form["at"] ?? ""
        let deployment = try await appliance.serving.deployment(name)
        let looked = Set(
            deployment.lookup.compactMap { try? FeatureName.parse($0) }.map {
                FeatureName.column(view: $0.view, feature: $0.feature)
            })
        var outcome = TryOutcome.notTried
        do {
            var row: [String: JSONValue] = [:]
            let signature = try await appliance.serving.signature(name)
            for input in signature.inputs {
                let text = entered[input.name] ?? ""
                // An empty field of a looked-up feature is left out, so that the online store answers for it.
                if text.isEmpty, looked.contains(input.name) { continue }
                row[input.name] = FormValue.json(text, type: input.type.rawValue)
            }
            for (key, type) in try await lookupKeys(deployment, signature, appliance) {
                if let text = entered[key], !text.isEmpty { row[key] = FormValue.json(text, type: type) }
            }
            let eventTime = try DeploymentRoutes.eventTime(at.isEmpty ? nil : .string(at), in: "`as of`")
            outcome = .answered(try await appliance.serving.predict(name, rows: [row], at: eventTime))
        } catch let error as NestboxError where error.code.httpStatus < 500 {
            outcome = .failed(error)
        }
        return try await PageRoutes.html(
            appliance, try await self.deployment(name, entered: entered, at: at, outcome: outcome, appliance))
    }
}
