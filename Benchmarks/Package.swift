// swift-tools-version: 6.2
//
// Benchmarks live in a package of their own, so that the main build needs none of their dependencies.

import PackageDescription

let settings: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

let nestbox: [Target.Dependency] = ["Tabular", "Tables", "Core"].map { .product(name: $0, package: "nestbox") }

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "nestbox", path: ".."),
        // Without its traits: they replace malloc, and no count of allocations is asked for here.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "boosting-bench", dependencies: nestbox, path: "peers/boosting-bench", swiftSettings: settings),
        // swift package --package-path Benchmarks benchmark
        .executableTarget(
            name: "micro-bench", dependencies: nestbox + [.product(name: "Benchmark", package: "benchmark")],
            path: "micro-bench", swiftSettings: settings,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ]
)
