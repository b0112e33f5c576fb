// What a training job spends its time on, piece by piece, on the sample's flights:
//
//   swift package --package-path Benchmarks benchmark
//
// Pieces of one process have no peer to be held against; these find what a change made slower.
import Benchmark
import Core
import Foundation
import Tables
import Tabular

private func sample(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../samples/flights/\(name)")
        .path
}

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .cpuTotal], maxDuration: .seconds(10), maxIterations: 50)

    Benchmark("read gzipped CSV, 56,570 rows of flights") { benchmark in
        for _ in benchmark.scaledIterations { blackHole(try CSVReader.read(path: sample("flights.csv.gz"))) }
    }

    Benchmark("fit 10 trees on 55,028 flights") { benchmark in
        let flights = try known()
        let parameters = try LearnerParameters(learner: "gradient_boosting", parameters: ["num_trees": 10])
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(try TabularModel.fit(flights, target: "late", parameters: parameters))
        }
    }

    Benchmark("predict 55,028 flights with 10 trees") { benchmark in
        let flights = try known()
        let model = try TabularModel.fit(
            flights, target: "late",
            parameters: try LearnerParameters(learner: "gradient_boosting", parameters: ["num_trees": 10]))
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try model.predict(flights)) }
    }
}

/// The flights that arrived, without what tells when.
private func known() throws -> Table {
    let table = try CSVReader.read(path: sample("flights.csv.gz"))
    let late = try table.column("late")
    let rows = (0..<table.rowCount).filter { late[$0] != .null }
    return try table.gather(rows).select([
        "carrier", "origin", "dest", "distance", "month", "day_of_week", "hour", "late",
    ])
}
