import Core
import Dashboard
import Foundation
import Testing

@Suite struct WebFilesTests {
    private var web: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../web")
            .standardizedFileURL.resolvingSymlinksInPath()
    }

    private func filesOnDisk() throws -> [String] {
        let walk = try #require(
            FileManager.default.enumerator(at: web, includingPropertiesForKeys: [.isRegularFileKey]))
        return try walk.compactMap { $0 as? URL }.filter {
            try $0.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true
        }
        .map { String($0.resolvingSymlinksInPath().path.dropFirst(web.path.count + 1)) }.sorted()
    }

    @Test func everyWebFileIsCompiledIn() throws {
        let embedded = try Dashboard.embeddedPaths()
        #expect(
            embedded == embedded.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) },
            "CWeb.c looks up by binary search")
        #expect(Set(embedded) == Set(try filesOnDisk()))
    }

    @Test func compiledAssetsEqualTheFiles() throws {
        let dashboard = try Dashboard(webDirectory: nil)
        for path in try filesOnDisk() where path.hasPrefix("assets/") {
            let asset = try #require(try dashboard.asset(String(path.dropFirst("assets/".count))))
            #expect(Data(asset.bytes) == (try Data(contentsOf: web.appendingPathComponent(path))), "\(path)")
        }
        #expect(try dashboard.asset("nothing.css") == nil)
        #expect(try dashboard.asset("../layout.mustache") == nil)
        #expect(try dashboard.asset("nestbox.css")?.type == "text/css; charset=utf-8")
    }

    @Test func aLiveFolderIsReadAtEveryRequest() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("nestbox-web-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: web, to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let dashboard = try Dashboard(webDirectory: folder.path)
        let page = DatasetsPage([], now: Timestamp(milliseconds: 0))
        #expect(!(try dashboard.html(page).contains("changed while running")))
        try "<h1>changed while running</h1>".write(
            to: folder.appendingPathComponent("pages/datasets.mustache"), atomically: true, encoding: .utf8)
        #expect(try dashboard.html(page).contains("changed while running"))
        try "{{#open}}".write(
            to: folder.appendingPathComponent("pages/datasets.mustache"), atomically: true, encoding: .utf8)
        #expect(throws: NestboxError.self) { try dashboard.html(page) }
        #expect(try dashboard.asset("../layout.mustache") == nil)
    }

    @Test func aFolderWithoutTemplatesIsRefused() {
        #expect(throws: NestboxError.self) { try Dashboard(webDirectory: "/nonexistent-nestbox-web") }
    }
}
