// Trains gradient boosting on a CSV file and prints one JSON line: seconds of wall and CPU time spent in fit (binning
// included, reading CSV not), and the AUC on a second file.
//
//   boosting-bench TRAIN.csv TEST.csv TARGET '{"num_trees": 100}'     (threads: NESTBOX_THREADS)
import Core
import Foundation
import Tables
import Tabular

func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

func run(_ arguments: [String]) throws {
    guard arguments.count == 5 else {
        throw NestboxError.invalid(
            "expected TRAIN.csv TEST.csv TARGET PARAMETERS", hint: "PARAMETERS is JSON, {} for defaults")
    }
    let train = try CSVReader.read(path: arguments[1]), test = try CSVReader.read(path: arguments[2])
    let parameters = try LearnerParameters(
        learner: "gradient_boosting", parameters: try JSON.decode([String: JSONValue].self, from: arguments[4]))
    let clock = ContinuousClock(), start = clock.now, startCPU = cpuSeconds()
    let model = try TabularModel.fit(train, target: arguments[3], parameters: parameters)
    let cpu = cpuSeconds() - startCPU, wall = (clock.now - start) / .seconds(1)
    let predictStart = clock.now
    let predictions = try model.predict(test)
    let predict = (clock.now - predictStart) / .seconds(1)
    let result: [String: JSONValue] = [
        "seconds": .number(wall), "cpu_seconds": .number(cpu), "predict_seconds": .number(predict),
        "auc": .number(try Metrics.auc(predictions, labels: try model.labels(test))),
        "rows": .int(Int64(train.rowCount)), "features": .int(Int64(model.inputs.count)),
        "threads": .int(Int64(ComputePool.shared.width)), "model_bytes": .int(Int64(try model.encoded().count)),
    ]
    print(try JSON.string(result))
}

do {
    try run(CommandLine.arguments)
} catch {
    FileHandle.standardError.write(Data("boosting-bench: \(error)\n".utf8))
    exit(1)
}
