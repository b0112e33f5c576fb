// Dashboard: values → HTML. It asks nobody for anything: a page is made from contract values and rendered with the
// templates of `web/`. Contents:
//
//   Dashboard.swift     renders a page inside the layout; hands out the assets
//   WebFiles.swift      the files of web/: compiled in, or read from a folder
//   Page.swift          what a page is; small views that pages share
//   ViewValue.swift     view → what the templates see; the one place that makes text safe for HTML
//   Format.swift        numbers, sizes, durations, moments, links as text
//   PageQuery.swift     what the address of a page asks for; CurveQuery, RunColumn: parts of it
//   Charts/             Plot (scales, ticks), CurveChart, LineChart, ParallelChart, BarChart, Sparkline → SVG as text
//   Pages/              one file per page

import Core
import Foundation
import Mustache

/// Renders pages and serves the files beside them.
package struct Dashboard: Sendable {
    private let files: WebFiles
    /// Parsed once; nil when templates are read from a folder at every request.
    private let library: MustacheLibrary?

    /// - Parameter webDirectory: a checkout's `web` folder, read again at every request; nil uses what is compiled in.
    ///   Throws when a template is missing or malformed.
    package init(webDirectory: String?) throws {
        files = webDirectory.map { WebFiles(directory: $0) } ?? .embedded
        let parsed = try Self.parse(files)
        library = files.isLive ? nil : parsed
    }

    /// The whole page. Throws when a template is missing or malformed, which only a live folder can cause.
    package func html(_ page: some DashboardPage) throws -> String {
        let library = try self.library ?? Self.parse(files)
        let content = try Self.render(page, "pages/\(page.template)", library)
        let layout = Layout(
            title: page.title, events: page.events.joined(separator: " "),
            sections: Section.links(current: page.section, path: page.path),
            hasTrail: !page.trail.isEmpty, trail: page.trail, stylesURL: try url("assets/nestbox.css"),
            scriptURL: try url("assets/nestbox.js"), markURL: try url("assets/mark.svg"), contentMarkup: Markup(content)
        )
        return try Self.render(layout, "layout", library)
    }

    /// A part of a page by its template's name, for polling.
    package func fragment(_ template: String, _ view: some Sendable) throws -> String {
        try Self.render(view, template, try library ?? Self.parse(files))
    }

    /// A file below `web/assets` with its type and a tag that changes with its contents; nil when there is none.
    package func asset(_ name: String) throws -> WebAsset? {
        guard !name.contains(".."), let bytes = try files.bytes("assets/\(name)") else { return nil }
        return WebAsset(bytes: bytes, type: WebAsset.type(of: name), tag: WebFiles.tag(bytes))
    }

    /// The paths of every file compiled in.
    package static func embeddedPaths() throws -> [String] { try WebFiles.embedded.paths() }

    private func url(_ path: String) throws -> String {
        guard let bytes = try files.bytes(path) else { throw Self.missing(path) }
        return "/\(path)?v=\(WebFiles.tag(bytes))"
    }

    private static func parse(_ files: WebFiles) throws -> MustacheLibrary {
        var library = MustacheLibrary()
        for path in try files.paths() where path.hasSuffix(".mustache") {
            guard let bytes = try files.bytes(path) else { continue }
            do {
                try library.register(
                    String(decoding: bytes, as: UTF8.self), named: String(path.dropLast(".mustache".count)))
            } catch {
                throw NestboxError(
                    .internalError, "web/\(path) is not a well-formed Mustache template: \(error)", cause: error)
            }
        }
        return library
    }

    private static func render(_ view: Any, _ template: String, _ library: MustacheLibrary) throws -> String {
        guard let text = library.render(ViewValue.make(view), withTemplate: template) else {
            throw missing("\(template).mustache")
        }
        return text
    }

    private static func missing(_ path: String) -> NestboxError {
        NestboxError(
            .internalError, "web/\(path) is missing", hint: "point --web-dir at the `web` folder of a checkout")
    }
}

private struct Layout {
    var title: String
    var events: String
    var sections: [SectionLink]
    var hasTrail: Bool
    var trail: [Crumb]
    var stylesURL: String
    var scriptURL: String
    var markURL: String
    var contentMarkup: Markup
}

/// A file of `web/assets`.
package struct WebAsset: Sendable {
    package var bytes: [UInt8]
    package var type: String
    /// Changes with the contents; without quotes.
    package var tag: String

    static func type(of name: String) -> String {
        switch name.split(separator: ".").last {
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        default: "application/octet-stream"
        }
    }
}
