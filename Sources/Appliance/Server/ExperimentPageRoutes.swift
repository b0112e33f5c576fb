import Contracts
import Core
import Dashboard
import Foundation
import HTTPTypes
import Hummingbird

/// Experiments, the table of an experiment's runs, and the same table as CSV.
enum ExperimentPageRoutes {
    /// Runs that are read at once for a file of all of them.
    private static let runsPerChunk = 1000

    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/experiments", "Experiments") { call in
                let page = try await appliance.tracking.experiments(
                    view: .activeOnly, maxResults: 200, pageToken: PageForm(query: call)["page"])
                return ExperimentsPage(
                    page.items, next: page.nextPageToken.map { "/experiments?page=\(Format.encoded($0))" },
                    now: PageRoutes.now)
            }(appliance),
            PageRoutes.page("/experiments/{id}", "One experiment with its runs") { call in
                try await experiment(call, appliance)
            }(appliance),
            PageRoutes.hidden(.get, "/experiments/{id}/runs.csv", "The runs of an experiment as CSV") { call in
                try await csv(call, appliance)
            },
        ]
    }

    /// A filter or an order that is not understood is answered with the page that it was typed into.
    private static func experiment(_ call: Call, _ appliance: Appliance) async throws -> ExperimentPage {
        let id = try call.parameter("id")
        let query = RunTableQuery(PageForm(query: call).pageQuery)
        let experiment = try await appliance.tracking.experiment(id: id)
        do {
            let page = try await appliance.tracking.runs(query.search(id))
            return ExperimentPage(
                experiment, runs: page.items, query: query, next: page.nextPageToken, now: PageRoutes.now)
        } catch let error as NestboxError where error.code == .invalidArgument {
            return ExperimentPage(
                experiment, runs: [], query: query, next: nil, failure: error, now: PageRoutes.now)
        }
    }

    private static func csv(_ call: Call, _ appliance: Appliance) async throws -> Response {
        let id = try call.parameter("id")
        let form = PageForm(query: call), query = RunTableQuery(form.pageQuery)
        let experiment = try await appliance.tracking.experiment(id: id)
        var search = query.search(id)
        let isAll = form["all"] == "1"
        if isAll { (search.maxResults, search.pageToken) = (runsPerChunk, nil) }
        let page = try await appliance.tracking.runs(search)
        let table = RunTable(query, runs: page.items)
        let chunks = RunChunks(
            first: table.csvHeader + table.csv(page.items), table: table, search: search,
            next: isAll ? page.nextPageToken : nil, tracking: appliance.tracking)
        var response = Response.stream(
            ByteStream { try await chunks.next() }, type: "text/csv; charset=utf-8; header=present")
        let name = Format.encoded("\(Format.short(experiment.name, 60)) runs.csv")
        response.headers[.contentDisposition] = "attachment; filename*=UTF-8''\(name)"
        response.headers[.cacheControl] = "no-store"
        return response
    }

    /// A file of all runs, read a part at a time while it is sent.
    private actor RunChunks {
        private var first: String?
        private let table: RunTable
        private var search: RunSearch
        private var token: String?
        private let tracking: any Tracking

        init(first: String, table: RunTable, search: RunSearch, next: String?, tracking: any Tracking) {
            self.first = first
            self.table = table
            self.search = search
            token = next
            self.tracking = tracking
        }

        func next() async throws -> [UInt8]? {
            if let text = first {
                first = nil
                return [UInt8](text.utf8)
            }
            guard let token else { return nil }
            search.pageToken = token
            let page = try await tracking.runs(search)
            self.token = page.nextPageToken
            return [UInt8](table.csv(page.items).utf8)
        }
    }
}
