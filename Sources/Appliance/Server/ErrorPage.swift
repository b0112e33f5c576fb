import Core
import Dashboard
import HTTPTypes
import Hummingbird

/// Any error as an HTML page.
enum ErrorPage {
    // From what is compiled in, so that a broken template in a live folder can still be told about.
    private static let dashboard = try? Dashboard(webDirectory: nil)

    static func response(_ error: NestboxError, status: HTTPResponse.Status) -> Response {
        let view = ErrorPageView(error, status: status.code)
        guard let text = try? dashboard?.html(view) else { return .text(error.message, status: status) }
        return PageRoutes.secured(.text(text, type: "text/html; charset=utf-8", status: status))
    }
}
