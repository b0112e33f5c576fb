// swift-tools-version: 6.2
//
// The manifest reads as the map of the house: one line per module, layer by layer, arrows down only.
// `Tests/EndToEnd/ManifestTests.swift` fails on an upward or sideways arrow. See Sources/README.md.

import PackageDescription

enum Layer: String {
    case native = "Native"
    case base = "Base"
    case engines = "Engines"
    case components = "Components"
    case appliance = "Appliance"
}

let settings: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

/// A module with its mirrored test target: `Sources/<layer>/<name>` and `Tests/<layer>/<name>`.
///
/// Engines and components can be tested from inside (`@testable`) in the release build too, for the arithmetic in them.
/// `testsUse` names what only the tests need; a test may stand on a neighbour, a module may not. `fixtures`: the tests have
/// files in `Fixtures`, with the scripts that made them.
func module(
    _ name: String, in layer: Layer, uses: [Target.Dependency] = [], testsUse: [Target.Dependency] = [], fixtures: Bool = false
) -> [Target] {
    let testing: [SwiftSetting] = layer == .engines || layer == .components ? [.unsafeFlags(["-enable-testing"])] : []
    return [
        .target(
            name: name, dependencies: uses, path: "Sources/\(layer.rawValue)/\(name)", swiftSettings: settings + testing),
        .testTarget(
            name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + uses + testsUse,
            path: "Tests/\(layer.rawValue)/\(name)", exclude: fixtures ? ["Fixtures"] : [], swiftSettings: settings),
    ]
}

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nioHTTP = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")

var targets: [Target] = []

// Native
targets += [
    .systemLibrary(
        name: "CArchive", path: "Sources/Native/CArchive", pkgConfig: "libarchive",
        providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(
        name: "COpenBLAS", path: "Sources/Native/COpenBLAS", pkgConfig: "openblas",
        providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CKernels", path: "Sources/Native/CKernels", cSettings: [.unsafeFlags(["-O3"])]),
    .target(name: "CWeb", path: "Sources/Native/CWeb"),
]

// Base
targets += module("Core", in: .base, uses: [logging, yams])
targets += module("Storage", in: .base, uses: ["Core", grdb])
targets += module("Tables", in: .base, uses: ["Core", "CArchive"])

// Engines
targets += module("Statistics", in: .engines, uses: ["Core", "Tables"])
targets += module("Tabular", in: .engines, uses: ["Core", "Tables", "CKernels", "COpenBLAS"])
targets += module("Tuning", in: .engines, uses: ["Core"])
targets += module("Tensors", in: .engines, uses: ["Core", "CKernels"], fixtures: true)
targets += module("Language", in: .engines, uses: ["Tensors", "Core", "CKernels"], fixtures: true)

// Components
targets += module("Contracts", in: .components, uses: ["Core", "Tables", "Statistics"])
targets += module("Access", in: .components, uses: ["Contracts", "Core", "Storage", crypto])
targets += module("Artifacts", in: .components, uses: ["Contracts", "Core", "Storage", grdb, crypto])
targets += module("Capture", in: .components, uses: ["Contracts", "Core", crypto, subprocess])
targets += module("Datasets", in: .components, uses: ["Contracts", "Core", "Storage", "Tables", "Statistics", grdb, crypto])
targets += module("Features", in: .components, uses: ["Contracts", "Core", "Storage", "Tables", grdb, yams], testsUse: ["Datasets"])
targets += module("Tracking", in: .components, uses: ["Contracts", "Core", "Storage", grdb])
targets += module("Traces", in: .components, uses: ["Contracts", "Core", "Storage", grdb], testsUse: ["Tracking"])
targets += module("MLflowFiles", in: .components, uses: ["Contracts", "Core", grdb, yams])
targets += module("Registry", in: .components, uses: ["Contracts", "Core", "Storage", grdb])
targets += module("Webhooks", in: .components, uses: ["Contracts", "Core", "Storage", grdb, crypto, lifecycle, logging], testsUse: ["Registry"])
targets += module("Jobs", in: .components, uses: ["Contracts", "Core", "Storage", grdb, lifecycle, logging, subprocess])
targets += module("Training", in: .components, uses: ["Contracts", "Core", "Tables", "Tabular", "Tuning", "Statistics", logging])
targets += module("Serving", in: .components, uses: ["Contracts", "Core", "Storage", "Tables", "Tabular", "Statistics", grdb, lifecycle, logging])
targets += module("Lineage", in: .components, uses: ["Contracts", "Core", "Storage", crypto, lifecycle, logging], testsUse: ["Datasets", "Tracking", "Registry", "Webhooks", "Tables"])
targets += module("Monitoring", in: .components, uses: ["Contracts", "Core", "Storage", "Tables", "Statistics", grdb, lifecycle, logging])

// Appliance
targets += module("Client", in: .appliance, uses: ["Contracts", "Core", "Tables", crypto, httpClient, nioHTTP])
targets += module("Dashboard", in: .appliance, uses: ["Contracts", "Core", "Statistics", "CWeb", mustache])
targets += module(
    "Server", in: .appliance,
    uses: [
        "Access", "Artifacts", "Datasets", "Features", "Tracking", "Traces", "Registry", "Jobs", "Training", "Serving",
        "Monitoring", "Webhooks", "Lineage", "Contracts", "Dashboard", "CWeb", "Core", "Storage", "Tables", "Statistics",
        hummingbird, hummingbirdCore, httpClient, lifecycle, logging, nioHTTP, nioHTTPTypes,
    ])
targets += [
    .executableTarget(
        name: "nestbox",
        dependencies: ["Server", "Client", "Dashboard", "Training", "Jobs", "Capture", "MLflowFiles", "Contracts", "Core", "Storage", "Tables", "Tabular", arguments, logging, lifecycle],
        path: "Sources/Appliance/nestbox", swiftSettings: settings),
    .target(
        name: "TestSupport", dependencies: ["Contracts", "Core", "Storage", "Tables"], path: "Tests/Support",
        swiftSettings: settings),
    .testTarget(
        name: "EndToEndTests", dependencies: ["Server", "Client", "Contracts", "Core", "MLflowFiles", "Tables", "TestSupport", "nestbox", subprocess],
        path: "Tests/EndToEnd", exclude: ["mlflow-3.17-traffic.jsonl", "record_mlflow_traffic.py", "check_openlineage.py", "fill_mlflow.py"],
        swiftSettings: settings),
]

let package = Package(
    name: "nestbox",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "nestbox", targets: ["nestbox"]),
        // For the Benchmarks package.
        .library(name: "Core", targets: ["Core"]),
        .library(name: "Tables", targets: ["Tables"]),
        .library(name: "Tabular", targets: ["Tabular"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
