import Contracts
import Core
import Dashboard

/// What went into a thing and what came of it, drawn.
enum LineagePageRoutes {
    static func routes(_ appliance: Appliance) -> [Route] {
        [
            PageRoutes.page("/lineage", "Lineage") { call in
                guard let node = PageForm(query: call)["node"], !node.isEmpty else {
                    return LineagePage(nil, LineageRequest(node: ""), now: PageRoutes.now)
                }
                let request = try LineageRoutes.request(call)
                return LineagePage(try await appliance.lineage.graph(request), request, now: PageRoutes.now)
            }(appliance)
        ]
    }
}
