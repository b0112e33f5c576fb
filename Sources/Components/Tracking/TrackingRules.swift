import Contracts
import Core

/// What may be logged: MLflow's limits and key rules, so that what logs to MLflow logs here.
/// Source: `mlflow/utils/validation.py`, MLflow 3.17. MLflow cuts values of params and tags off after 5000 to 8000
/// characters; here they are kept whole, up to a length that no value of that kind needs.
enum TrackingRules {
    static let metricsPerBatch = 1000
    static let paramsPerBatch = 100
    static let tagsPerBatch = 100
    static let entriesPerBatch = 1000
    static let keyLength = 250
    static let modelKeyLength = 255
    static let digestLength = 36
    static let inputTagLength = 500
    static let experimentTagLength = 20_000
    static let valueLength = 65_536
    static let nameLength = 500
    static let pageSize = 1...50_000
    static let historyPageSize = 1...100_000

    /// Throws `invalid_argument` naming the first key that breaks a rule.
    static func check(_ batch: LogBatch) throws {
        try checkCount(batch.metrics.count, metricsPerBatch, "metrics")
        try checkCount(batch.params.count, paramsPerBatch, "params")
        try checkCount(batch.tags.count, tagsPerBatch, "tags")
        try checkCount(
            batch.metrics.count + batch.params.count + batch.tags.count, entriesPerBatch, "metrics, params and tags")
        for point in batch.metrics {
            try checkKey(point.key, of: "metric")
            guard point.timestamp.milliseconds >= 0 else {
                throw NestboxError.invalid(
                    "metric `\(point.key)`: the timestamp \(point.timestamp.milliseconds) is negative",
                    hint: "timestamps are milliseconds since 1970")
            }
        }
        for (key, value) in batch.params {
            try checkKey(key, of: "param")
            try checkLength(value, valueLength, "param `\(key)`")
        }
        for (key, value) in batch.tags { try checkTag(key, value) }
        for metric in batch.modelMetrics {
            try checkKey(metric.point.key, of: "metric")
            try checkModelID(metric.modelID)
            guard (metric.datasetName == nil) == (metric.datasetDigest == nil) else {
                throw NestboxError.invalid("Both dataset_name and dataset_digest must be provided if one is provided")
            }
        }
    }

    static func check(_ model: NewLoggedModel) throws {
        if let name = model.name {
            let isFine =
                !name.isEmpty && isShort(name, nameLength)
                && !name.unicodeScalars.contains { $0.value < 0x20 || "/:.%\"'".unicodeScalars.contains($0) }
            guard isFine else {
                throw NestboxError.invalid(
                    "`\(name.prefix(80))` cannot be the name of a logged model",
                    hint: "use 1–\(nameLength) characters, without / : . % and quotes")
            }
        }
        try checkLength(model.modelType ?? "", nameLength, "model_type")
        for (key, value) in model.params { try checkModelEntry(key, value, of: "param") }
        for (key, value) in model.tags { try checkModelEntry(key, value, of: "tag") }
    }

    /// Logged models take keys of any characters, as in MLflow.
    static func checkModelEntry(_ key: String, _ value: String, of kind: String) throws {
        guard !key.isEmpty, isShort(key, modelKeyLength) else {
            throw NestboxError.invalid(
                "`\(key.prefix(80))` cannot be the key of a \(kind) of a logged model",
                hint: "use 1–\(modelKeyLength) characters")
        }
        try checkLength(value, valueLength, "\(kind) `\(key)`")
    }

    static func checkModelID(_ id: String) throws {
        guard !id.isEmpty, id.utf8.count <= 36 else {
            throw NestboxError.invalid("`\(id.prefix(80))` is not the id of a logged model", hint: "expected m-…")
        }
    }

    static func checkTag(_ key: String, _ value: String) throws {
        try checkKey(key, of: "tag")
        try checkLength(value, valueLength, "tag `\(key)`")
    }

    static func checkExperimentTag(_ key: String, _ value: String) throws {
        try checkKey(key, of: "tag")
        try checkLength(value, experimentTagLength, "tag `\(key)`")
    }

    static func checkKey(_ key: String, of kind: String) throws {
        guard !key.isEmpty else { throw NestboxError.invalid("a \(kind) needs a key, and it is empty") }
        guard isShort(key, keyLength) else {
            throw NestboxError.invalid(
                "the \(kind) key `\(key.prefix(40))…` has \(key.unicodeScalars.count) characters; \(keyLength) are allowed"
            )
        }
        guard key.unicodeScalars.allSatisfy(isAllowed) else {
            throw NestboxError.invalid(
                "`\(key)` cannot be the key of a \(kind)",
                hint: "use letters, digits, underscores, dashes, periods, spaces, colons and slashes")
        }
        // A key is also a path in MLflow's file layout, so it must be the shortest way to write that path.
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            throw NestboxError.invalid(
                "`\(key)` cannot be the key of a \(kind): its slashes do not make a plain path",
                hint: "write `a/b`, without a slash at the ends, without `//`, `.` and `..` between slashes")
        }
    }

    static func checkExperimentName(_ name: String) throws {
        guard !name.isEmpty, isShort(name, nameLength), !name.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of an experiment",
                hint: "use 1–\(nameLength) characters, without control characters")
        }
    }

    static func checkRunName(_ name: String) throws {
        guard !name.isEmpty, isShort(name, 250), !name.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of a run",
                hint: "use 1–250 characters, without control characters")
        }
    }

    static func checkArtifactLocation(_ location: String) throws {
        let isFine =
            !location.isEmpty && isShort(location, 256) && !location.contains("#") && !location.contains("?")
            && !location.split(separator: "/").contains("..") && !location.unicodeScalars.contains { $0.value < 0x20 }
        guard isFine else {
            throw NestboxError.invalid(
                "`\(location.prefix(80))` cannot be an artifact location",
                hint: "give a URI such as `mlflow-artifacts:/1`, without `..`, `?` and `#`")
        }
    }

    static func checkInput(_ input: RunInput) throws {
        guard !input.name.isEmpty, isShort(input.name, nameLength) else {
            throw NestboxError.invalid(
                "a dataset input needs a name of 1–\(nameLength) characters, not `\(input.name.prefix(40))`")
        }
        guard !input.digest.isEmpty, isShort(input.digest, digestLength) else {
            throw NestboxError.invalid(
                "input `\(input.name)` needs a digest of 1–\(digestLength) characters, not `\(input.digest.prefix(40))`"
            )
        }
        try checkLength(input.source, 65_535, "the source of input `\(input.name)`")
        try checkLength(input.schema ?? "", 1_048_575, "the schema of input `\(input.name)`")
        try checkLength(input.profile ?? "", 16_777_215, "the profile of input `\(input.name)`")
        for (key, value) in input.tags {
            try checkKey(key, of: "tag")
            try checkLength(value, inputTagLength, "tag `\(key)` of input `\(input.name)`")
        }
    }

    static func checkPageSize(_ size: Int, in range: ClosedRange<Int> = pageSize) throws {
        guard range.contains(size) else {
            throw NestboxError.invalid(
                "max_results is \(size); expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    private static func checkCount(_ count: Int, _ limit: Int, _ what: String) throws {
        guard count <= limit else {
            throw NestboxError.invalid(
                "the batch holds \(count) \(what); at most \(limit) are allowed", hint: "send it in several batches")
        }
    }

    private static func checkLength(_ value: String, _ limit: Int, _ what: String) throws {
        guard isShort(value, limit) else {
            throw NestboxError.invalid(
                "\(what): the value has \(value.unicodeScalars.count) characters; \(limit) are allowed",
                hint: "log long text as an artifact")
        }
    }

    private static func isShort(_ text: String, _ limit: Int) -> Bool {
        text.utf8.count <= limit || text.unicodeScalars.count <= limit
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".", " ", ":", "/": true
        default:
            !scalar.isASCII
                && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    || scalar.properties.canonicalCombiningClass != .notReordered)
        }
    }
}
