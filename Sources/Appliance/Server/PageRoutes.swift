import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Storage

/// The dashboard: every page a person sees, and the files beside them. Contents, one group per part of the house:
///
///   PageRoutes.swift               overview, assets; what page routes share
///   ExperimentPageRoutes.swift     experiments, the run table and its CSV
///   ComparePageRoutes.swift        runs side by side
///   TrackingPageRoutes.swift       what they share
///   RunPageRoutes.swift            one run, what tells two apart
///   ArtifactPageRoutes.swift       files of runs, logged models and model versions
///   LoggedModelPageRoutes.swift    logged models, one version of a model
///   WebhookPageRoutes.swift        webhooks and their deliveries
///   TracePageRoutes.swift          traces, one trace
///   DataPageRoutes.swift           datasets, feature views
///   ModelPageRoutes.swift          models, deployments, the form that predicts
///   LineagePageRoutes.swift        what went into what
///   OperationPageRoutes.swift      jobs with their logs, monitoring
///   StoragePageRoutes.swift        what the data directory holds, collections
///   PageForm.swift                 queries and form bodies
///   ErrorPage.swift                any error as a page
enum PageRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        var routes = [page("/", "Overview") { _ in try await overview(appliance) }(appliance), assets(appliance)]
        routes += ExperimentPageRoutes.routes(appliance)
        routes += ComparePageRoutes.routes(appliance)
        routes += TrackingPageRoutes.routes(appliance)
        routes += RunPageRoutes.routes(appliance)
        routes += ArtifactPageRoutes.routes(appliance)
        routes += LoggedModelPageRoutes.routes(appliance)
        routes += TracePageRoutes.routes(appliance)
        routes += DataPageRoutes.routes(appliance)
        routes += ModelPageRoutes.routes(appliance)
        routes += WebhookPageRoutes.routes(appliance)
        routes += LineagePageRoutes.routes(appliance)
        routes += OperationPageRoutes.routes(appliance)
        routes += StoragePageRoutes.routes(appliance)
        return routes
    }

    // MARK: shared

    /// A GET that answers with a page.
    static func page<P: DashboardPage>(
        _ path: String, _ summary: String, _ make: @escaping @Sendable (Call) async throws -> P
    ) -> (Appliance) -> Route {
        { appliance in
            hidden(.get, path, summary) { call in try await html(appliance, try await make(call)) }
        }
    }

    /// A route of the dashboard: left out of the API document, with errors as pages.
    static func hidden(
        _ method: HTTPRequest.Method, _ path: String, _ summary: String, handler: @escaping Route.Handler
    ) -> Route {
        Route(method, path, "Pages", summary, handler: handler).with {
            $0.isHidden = true
            $0.errors = .page
        }
    }

    /// A form's POST. `CrossSite` has refused it when it came from another site's page.
    static func form(_ path: String, _ summary: String, handler: @escaping Route.Handler) -> Route {
        hidden(.post, path, summary, handler: handler)
    }

    /// Rendering is computation, so it stays off the cooperative pool.
    static func html(_ appliance: Appliance, _ page: some DashboardPage, status: HTTPResponse.Status = .ok) async throws
        -> Response
    {
        let text = try await ComputePool.shared.run { [dashboard = appliance.dashboard] in try dashboard.html(page) }
        return secured(.text(text, type: "text/html; charset=utf-8", status: status))
    }

    /// No inline script runs, nothing is loaded from elsewhere, nobody frames the page. Styles may be inline: widths of bars.
    static func secured(_ response: Response) -> Response {
        var response = response
        response.headers[.contentSecurityPolicy] =
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
            + "form-action 'self'; frame-ancestors 'none'"
        response.headers[.init("Referrer-Policy")!] = "same-origin"
        response.headers[.cacheControl] = "no-store"
        return response
    }

    static var now: Timestamp { Ambient.live.now() }

    // MARK: overview and assets

    private static func overview(_ appliance: Appliance) async throws -> OverviewPage {
        var input = OverviewInput()
        input.datasets = try await appliance.datasets.datasets()
        input.views = try await appliance.features.definitions().featureViews
        input.materializations = try await appliance.features.materializations()
        // The experiment `Default` is always there and says nothing while it is empty.
        input.experiments = try await appliance.tracking.experiments(view: .activeOnly, maxResults: 200, pageToken: nil)
            .items
        if !input.experiments.isEmpty {
            let search = RunSearch(experimentIDs: input.experiments.map(\.id), maxResults: 200)
            input.runs = try await appliance.tracking.runs(search).items
        }
        let used = Set(input.runs.map(\.experimentID))
        input.experiments.removeAll { !used.contains($0.id) }
        input.models = try await appliance.registry.models(nameContains: nil, maxResults: 200, pageToken: nil).items
        for deployment in try await appliance.serving.deployments() {
            input.deployments.append((deployment, try await appliance.serving.statistics(deployment.name)))
        }
        input.openAlerts = try await appliance.monitor.alerts(open: true, limit: 50)
        input.activeJobs =
            try await appliance.jobs.jobs(state: .running, limit: 20) + appliance.jobs.jobs(state: .queued, limit: 20)
        input.facts = try await appliance.decisions.recentEvents(limit: 300)
            .filter { $0.kind != "job.progressed" && $0.kind != "run.logged" && $0.kind != "metrics.logged" }
            .map(fact)
        return OverviewPage(input, now: now)
    }

    private static func fact(_ event: Event) -> Fact {
        var name: String?
        if ["job", "run", "experiment"].contains(where: { event.subject.hasPrefix($0 + "/") }) {
            name = event.data["name"]?.stringValue
        }
        if event.subject.hasPrefix("alert/"), let feature = event.data["feature"]?.stringValue {
            name = (event.data["deployment"]?.stringValue).map { "\(feature) of \($0)" } ?? feature
        }
        return Fact(at: event.at, kind: event.kind, subject: event.subject, actor: event.actor, name: name)
    }

    private static func assets(_ appliance: Appliance) -> Route {
        hidden(.get, "/assets/**", "Styles, script and mark") { call in
            let name = try call.rest
            guard let asset = try appliance.dashboard.asset(name) else {
                throw NestboxError(.notFound, "there is no asset `\(name.prefix(100))`")
            }
            let tag = "\"\(asset.tag)\""
            // Pages name an asset with its tag, so that very address never changes its contents.
            let isPinned = call.query("v") == asset.tag && appliance.options.webDirectory == nil
            let headers: HTTPFields = [
                .eTag: tag, .cacheControl: isPinned ? "public, max-age=31536000, immutable" : "no-cache",
                .contentType: asset.type,
            ]
            let known = (call.header(.ifNoneMatch) ?? "").split(separator: ",").map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            if known.contains(tag) || known.contains("W/\(tag)") || known == ["*"] {
                return Response(status: .notModified, headers: headers)
            }
            return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: asset.bytes)))
        }
    }
}
