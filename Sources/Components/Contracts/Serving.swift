import Core
import Tables

/// A name that answers predictions with one model version.
package struct Deployment: Codable, Sendable, Hashable {
    package var name: String
    package var model: String
    package var version: Int
    /// `view:feature` references that are looked up in the online store when a request leaves their columns out.
    package var lookup: [String]
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var updatedBy: String

    package init(
        name: String, model: String, version: Int, lookup: [String], createdAt: Timestamp, updatedAt: Timestamp,
        updatedBy: String
    ) {
        self.name = name
        self.model = model
        self.version = version
        self.lookup = lookup
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.updatedBy = updatedBy
    }
}

package struct DeploymentRequest: Codable, Sendable {
    package var name: String
    package var model: String
    /// `3`, `@champion`, `latest`.
    package var version: String
    package var lookup: [String]?

    package init(name: String, model: String, version: String, lookup: [String]? = nil) {
        self.name = name
        self.model = model
        self.version = version
        self.lookup = lookup
    }
}

/// How much is predicted in one request: rows become dictionaries, which take up far more than they do in a request.
package enum PredictionLimits {
    package static let rows = 1_000_000
    package static let values = 8_000_000

    /// Throws `payload_too_large` when `rows` of `columns` values each are too many for one request.
    package static func check(rows: Int, columns: Int) throws {
        guard rows <= Self.rows, rows <= values / max(1, columns) else {
            throw NestboxError(
                .payloadTooLarge,
                "the request has \(rows) rows of \(columns) values; one request may have \(Self.rows) rows and \(values) values",
                hint: "send the rows in several requests")
        }
    }
}

/// What a deployment takes and gives.
package struct ModelSignature: Codable, Sendable, Hashable {
    package struct Input: Codable, Sendable, Hashable {
        package var name: String
        package var type: ColumnType
        /// Known categories of a string column.
        package var categories: [String]?
        /// Smallest and largest training value of a numeric column.
        package var range: [Double]?

        package init(name: String, type: ColumnType, categories: [String]? = nil, range: [Double]? = nil) {
            self.name = name
            self.type = type
            self.categories = categories
            self.range = range
        }
    }

    package var task: TrainingRecipe.Task
    package var target: String
    package var inputs: [Input]

    package init(task: TrainingRecipe.Task, target: String, inputs: [Input]) {
        self.task = task
        self.target = target
        self.inputs = inputs
    }
}

package struct Prediction: Codable, Sendable, Hashable {
    /// One id per request; row `i` of the request is logged as `id`, row `i`.
    package var id: String
    package var deployment: String
    package var model: String
    package var version: Int
    /// One number per row: the probability of the positive class, or the value.
    package var outputs: [Double]

    package init(id: String, deployment: String, model: String, version: Int, outputs: [Double]) {
        self.id = id
        self.deployment = deployment
        self.model = model
        self.version = version
        self.outputs = outputs
    }
}

package struct ServingStatistics: Codable, Sendable, Hashable {
    package var deployment: String
    /// Since the server started.
    package var requests: Int
    package var rows: Int
    package var errors: Int
    /// Rows answered that the log had to drop because it could not keep up; 0 is normal.
    package var logDropped: Int
    /// Requests per second over the last ten seconds.
    package var requestRate: Double
    /// Milliseconds inside the server, over the last thousand or so requests; nil before the first.
    package var latencyP50: Double?
    package var latencyP99: Double?
    /// Requests in each of the last 60 seconds, oldest first.
    package var perSecond: [Int]

    package init(
        deployment: String, requests: Int, rows: Int, errors: Int, logDropped: Int, requestRate: Double,
        latencyP50: Double?,
        latencyP99: Double?, perSecond: [Int]
    ) {
        self.deployment = deployment
        self.requests = requests
        self.rows = rows
        self.errors = errors
        self.logDropped = logDropped
        self.requestRate = requestRate
        self.latencyP50 = latencyP50
        self.latencyP99 = latencyP99
        self.perSecond = perSecond
    }
}

/// One logged row of one prediction.
package struct LoggedPrediction: Codable, Sendable, Hashable {
    package var id: String
    package var row: Int
    package var at: Timestamp
    package var deployment: String
    package var model: String
    package var version: Int
    package var inputs: [String: JSONValue]
    package var output: Double

    package init(
        id: String, row: Int, at: Timestamp, deployment: String, model: String, version: Int,
        inputs: [String: JSONValue],
        output: Double
    ) {
        self.id = id
        self.row = row
        self.at = at
        self.deployment = deployment
        self.model = model
        self.version = version
        self.inputs = inputs
        self.output = output
    }
}

package protocol ModelServer: Sendable {
    /// Creates a deployment or moves it to another version; requests under way finish on the one they began with.
    func deploy(_ request: DeploymentRequest) async throws -> Deployment
    func deployments() async throws -> [Deployment]
    func deployment(_ name: String) async throws -> Deployment
    func undeploy(_ name: String) async throws
    func signature(_ name: String) async throws -> ModelSignature
    /// One output per row. Throws `invalid_argument` naming row, column and expected type.
    /// - Parameter at: the rows' event time: looked-up features are those that were known then; nil for now.
    func predict(_ name: String, rows: [[String: JSONValue]], at: Timestamp?) async throws -> Prediction
    func statistics(_ name: String) async throws -> ServingStatistics
    /// Newest first.
    func predictions(_ name: String, limit: Int) async throws -> [LoggedPrediction]
    /// Every logged row of one prediction.
    func prediction(id: String) async throws -> [LoggedPrediction]
}

extension ModelServer {
    /// Predicts with what is known now.
    package func predict(_ name: String, rows: [[String: JSONValue]]) async throws -> Prediction {
        try await predict(name, rows: rows, at: nil)
    }
}

/// Logged rows as columns. Outputs and times stand beside the inputs, whose names are the user's own.
package struct LoggedColumns: Sendable {
    /// Typed like the model's inputs.
    package var inputs: Table
    package var outputs: [Double]
    package var times: [Timestamp]

    package init(inputs: Table, outputs: [Double], times: [Timestamp]) {
        self.inputs = inputs
        self.outputs = outputs
        self.times = times
    }
}

/// What Monitoring needs of Serving besides: the logged columns and the training baseline.
package protocol PredictionLog: Sendable {
    /// The newest logged rows (at most `limit`) of the version now deployed, since `since`. Oldest first.
    func loggedColumns(_ deployment: String, since: Timestamp, limit: Int) async throws -> LoggedColumns
    /// The training baseline's bytes (`ModelFolder.baseline`), or nil when the model has none.
    func baseline(_ deployment: String) async throws -> [UInt8]?
}
