import Contracts
import Core

/// What may be logged: MLflow's limits and key rules, so that what logs to MLflow logs here.
/// Source: `mlflow/utils/validation.py`, MLflow 3.17. MLflow cuts values off (params after 6,000 characters, tags after 8,000)
/// unless it is told to refuse them; here they are kept whole, up to a length that no value of that kind needs.
enum TrackingRules {
    static let metricsPerBatch = 1000
    static let paramsPerBatch = 100
    static let tagsPerBatch = 100
    static let entriesPerBatch = 1000
    static let modelKeyLength = 255
    static let digestLength = 36
    static let inputTagKeyLength = 255
    static let inputTagLength = 500
    static let experimentTagLength = 20_000
    static let valueLength = 1 << 20
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
        try checkLength(model.modelType ?? "", valueLength, "model_type")
        for (key, value) in model.params { try checkModelEntry(key, value, of: "param") }
        for (key, value) in model.tags { try checkModelEntry(key, value, of: "tag") }
    }

    /// Logged models take keys of any characters, as in MLflow.
    static func checkModelEntry(_ key: String, _ value: String, of kind: String) throws {
        guard isShort(key, modelKeyLength) else {
            throw NestboxError.invalid(
                "`\(key.prefix(80))` cannot be the key of a \(kind) of a logged model",
                hint: "use at most \(modelKeyLength) characters")
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

    static func checkKey(_ key: String, of kind: String) throws { try EntryKey.check(key, of: kind) }

    static func checkExperimentName(_ name: String) throws {
        guard !name.isEmpty, isShort(name, nameLength) else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of an experiment", hint: "use 1–\(nameLength) characters")
        }
    }

    /// Tags that a run begins with. MLflow takes any key here, and only here.
    static func checkFirstTags(_ tags: [String: String]) throws {
        for (key, value) in tags {
            try checkLength(key, valueLength, "the key of a tag")
            try checkLength(value, valueLength, "tag `\(key.prefix(80))`")
        }
    }

    static func checkRunName(_ name: String) throws { try checkLength(name, valueLength, "the name of a run") }

    static func checkArtifactLocation(_ location: String) throws {
        let query = location.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let isFine =
            !location.isEmpty && isShort(location, 2048) && !location.contains("#") && !location.hasPrefix("runs:")
            && !query.contains("..")
            && !location.split(separator: "/").contains("..") && !location.unicodeScalars.contains { $0.value < 0x20 }
        if let scheme = ArtifactPath.schemeNamingHost(location) {
            throw NestboxError.invalid(
                "'artifact_location' cannot use the '\(scheme)' scheme: it names the host that clients connect to",
                hint: "give a URI such as `mlflow-artifacts:/1`")
        }
        guard isFine else {
            throw NestboxError.invalid(
                "`\(location.prefix(80))` cannot be an artifact location",
                hint: "give a URI such as `mlflow-artifacts:/1`, without `..` and `#`")
        }
    }

    static func checkInput(_ input: RunInput) throws {
        try checkLength(input.name, nameLength, "the name of an input")
        try checkLength(input.digest, digestLength, "the digest of input `\(input.name)`")
        try checkLength(input.source, 65_535, "the source of input `\(input.name)`")
        try checkLength(input.schema ?? "", 1_048_575, "the schema of input `\(input.name)`")
        try checkLength(input.profile ?? "", 16_777_215, "the profile of input `\(input.name)`")
        for (key, value) in input.tags {
            try checkLength(key, inputTagKeyLength, "the key of a tag of input `\(input.name)`")
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
}
