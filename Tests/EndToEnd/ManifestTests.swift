import Foundation
import Testing

/// Reads Package.swift and the imports of every source file, and holds them against the rule of the house: arrows point
/// down only (see Sources/README.md).
@Suite struct ManifestTests {
    private struct Module {
        var name: String
        var layer: Int
        var uses: [String]
    }

    private static let layers = ["native", "base", "engines", "components", "appliance"]
    /// The one module of a layer that its other modules may import.
    private static let foundations = ["base": "Core", "engines": "Tensors", "components": "Contracts"]
    /// The order inside the appliance, which is a stack rather than rooms side by side.
    private static let applianceStack = [
        "nestbox": ["Server", "Client", "Dashboard"], "Server": ["Dashboard"], "Client": [], "Dashboard": [],
    ]

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private static func modules() throws -> [String: Module] {
        let manifest = try String(contentsOfFile: root + "/Package.swift", encoding: .utf8)
        var modules: [String: Module] = [:]
        let declared =
            #/module\(\s*"(\w+)",\s*in:\s*\.(\w+)(?:,\s*uses:\s*\[([^\]]*)\])?(?:,\s*testsUse:\s*\[[^\]]*\])?(?:,\s*fixtures:\s*\w+)?\s*\)/#
        try #require(manifest.matches(of: declared).count == manifest.matches(of: #/\+= module\(/#).count)
        for match in manifest.matches(of: declared) {
            let uses = (match.output.3 ?? "").matches(of: #/"(\w+)"/#).map { String($0.output.1) }
            let layer = try #require(layers.firstIndex(of: String(match.output.2)))
            modules[String(match.output.1)] = Module(name: String(match.output.1), layer: layer, uses: uses)
        }
        for match in manifest.matches(of: #/\.(?:target|systemLibrary)\(\s*name:\s*"(C\w+)"/#) {
            modules[String(match.output.1)] = Module(name: String(match.output.1), layer: 0, uses: [])
        }
        let executable = try #require(manifest.firstMatch(of: #/name: "nestbox",\s*dependencies: \[([^\]]*)\]/#))
        let uses = executable.output.1.matches(of: #/"(\w+)"/#).map { String($0.output.1) }
        modules["nestbox"] = Module(name: "nestbox", layer: 4, uses: uses)
        return modules
    }

    private static func isAllowed(_ from: Module, _ to: Module) -> Bool {
        if to.layer < from.layer { return true }
        guard to.layer == from.layer else { return false }
        if layers[from.layer] == "appliance" { return applianceStack[from.name]?.contains(to.name) ?? false }
        return foundations[layers[from.layer]] == to.name && from.name != to.name
    }

    /// The Swift files of a module, by path below the root.
    private static func sources(_ module: Module) throws -> [String] {
        let folder = "Sources/\(layers[module.layer].capitalized)/\(module.name)"
        let names = try FileManager.default.subpathsOfDirectory(atPath: root + "/" + folder)
        return names.filter { $0.hasSuffix(".swift") }.map { folder + "/" + $0 }
    }

    private static func imports(_ path: String) throws -> Set<String> {
        let text = try String(contentsOfFile: root + "/" + path, encoding: .utf8)
        let line =
            #/^\s*(?:package |public |internal |private |fileprivate )?(?:@\w+ )?import (?:struct |class |enum |func )?(\w+)/#
            .anchorsMatchLineEndings()
        return Set(text.matches(of: line).map { String($0.output.1) })
    }

    @Test func everyDeclaredArrowPointsDown() throws {
        let modules = try Self.modules()
        #expect(modules.count > 20, "the manifest could not be read: \(modules.keys.sorted())")
        for module in modules.values {
            for use in module.uses {
                guard let target = modules[use] else { continue }
                #expect(Self.isAllowed(module, target), "\(module.name) → \(use) points up or sideways")
            }
        }
    }

    /// SwiftPM lets a file import what some other module happens to depend on; the house does not.
    @Test func everyImportIsDeclared() throws {
        let modules = try Self.modules()
        for module in modules.values where module.layer > 0 {
            for path in try Self.sources(module) {
                for name in try Self.imports(path) {
                    guard let target = modules[name], name != module.name else { continue }
                    #expect(
                        module.uses.contains(name),
                        "\(path) imports \(name), which the manifest does not give to \(module.name)")
                    #expect(Self.isAllowed(module, target), "\(path): \(module.name) → \(name) points up or sideways")
                }
            }
        }
    }

    @Test func frameworksStayInTheirRooms() throws {
        for module in try Self.modules().values where module.layer > 0 {
            let layer = Self.layers[module.layer]
            for path in try Self.sources(module) {
                let imports = try Self.imports(path)
                if layer != "appliance" {
                    #expect(imports.isDisjoint(with: ["Hummingbird", "HTTPTypes"]), "\(path): HTTP stays in Appliance")
                }
                if layer != "components", module.name != "Storage" {
                    #expect(!imports.contains("GRDB"), "\(path): GRDB stays in Storage and Components")
                }
            }
        }
    }

    @Test func theRuleItselfRefusesWrongArrows() {
        let tracking = Module(name: "Tracking", layer: 3, uses: []),
            registry = Module(name: "Registry", layer: 3, uses: [])
        let contracts = Module(name: "Contracts", layer: 3, uses: []), core = Module(name: "Core", layer: 1, uses: [])
        let server = Module(name: "Server", layer: 4, uses: []), client = Module(name: "Client", layer: 4, uses: [])
        #expect(!Self.isAllowed(tracking, registry))
        #expect(!Self.isAllowed(core, contracts))
        #expect(!Self.isAllowed(server, client))
        #expect(!Self.isAllowed(tracking, server))
        #expect(Self.isAllowed(tracking, contracts))
        #expect(Self.isAllowed(server, tracking))
    }

    @Test func everyModuleIsOnTheMap() throws {
        let map = try String(contentsOfFile: Self.root + "/Sources/README.md", encoding: .utf8)
        for module in try Self.modules().keys {
            #expect(map.contains("`\(module)`"), "Sources/README.md does not mention \(module)")
        }
    }
}
