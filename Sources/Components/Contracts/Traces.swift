import Core

/// How far a trace has come.
package enum TraceState: String, Codable, Sendable, CaseIterable {
    case ok = "OK"
    case error = "ERROR"
    case inProgress = "IN_PROGRESS"
    case unspecified = "STATE_UNSPECIFIED"
}

/// One operation inside a trace, as OpenTelemetry has it.
package struct TraceSpan: Codable, Sendable, Hashable {
    package enum Status: String, Codable, Sendable, CaseIterable {
        case unset = "UNSET"
        case ok = "OK"
        case error = "ERROR"
    }

    package struct Event: Codable, Sendable, Hashable {
        package var name: String
        /// Nanoseconds since 1970.
        package var time: Int64
        package var attributes: [String: JSONValue]

        package init(name: String, time: Int64, attributes: [String: JSONValue] = [:]) {
            self.name = name
            self.time = time
            self.attributes = attributes
        }
    }

    package struct Link: Codable, Sendable, Hashable {
        /// 32 hexadecimal digits.
        package var traceID: String
        package var spanID: String
        package var attributes: [String: JSONValue]

        package init(traceID: String, spanID: String, attributes: [String: JSONValue] = [:]) {
            self.traceID = traceID
            self.spanID = spanID
            self.attributes = attributes
        }
    }

    /// 32 lower-case hexadecimal digits; the trace's own identifier has `tr-` in front.
    package var traceID: String
    /// 16 lower-case hexadecimal digits.
    package var id: String
    /// Nil for the root.
    package var parentID: String?
    package var name: String
    /// Nanoseconds since 1970.
    package var start: Int64
    /// Nanoseconds since 1970; nil while the span runs.
    package var end: Int64?
    package var status: Status
    package var statusMessage: String
    package var attributes: [String: JSONValue]
    package var events: [Event]
    package var links: [Link]

    package init(
        traceID: String, id: String, parentID: String? = nil, name: String, start: Int64, end: Int64?,
        status: Status = .unset, statusMessage: String = "", attributes: [String: JSONValue] = [:],
        events: [Event] = [], links: [Link] = []
    ) {
        self.traceID = traceID
        self.id = id
        self.parentID = parentID
        self.name = name
        self.start = start
        self.end = end
        self.status = status
        self.statusMessage = statusMessage
        self.attributes = attributes
        self.events = events
        self.links = links
    }

    /// `LLM`, `TOOL`, `CHAIN`, …
    package var type: String { attributes[TraceKey.spanType]?.stringValue ?? "UNKNOWN" }
}

/// What somebody, or something, says about a trace.
package struct Assessment: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// How good the outcome was.
        case feedback
        /// What the outcome should have been.
        case expectation
        /// A reference to an issue: `name` is its identifier, `value` its name.
        case issue
    }

    package enum SourceType: String, Codable, Sendable, CaseIterable {
        case unspecified = "SOURCE_TYPE_UNSPECIFIED"
        case human = "HUMAN"
        case judge = "LLM_JUDGE"
        case code = "CODE"
    }

    /// Why no feedback could be given.
    package struct Failure: Codable, Sendable, Hashable {
        package var code: String
        package var message: String?
        package var stackTrace: String?

        package init(code: String, message: String? = nil, stackTrace: String? = nil) {
            self.code = code
            self.message = message
            self.stackTrace = stackTrace
        }
    }

    /// `a-…`; empty asks the store for a new one.
    package var id: String
    package var traceID: String
    package var name: String
    package var kind: Kind
    package var value: JSONValue
    package var error: Failure?
    package var sourceType: SourceType
    package var sourceID: String
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var spanID: String?
    package var rationale: String?
    package var metadata: [String: String]
    /// The assessment that this one replaces, which thereby stops being valid.
    package var overrides: String?
    package var isValid: Bool

    package init(
        id: String = "", traceID: String, name: String, kind: Kind, value: JSONValue, error: Failure? = nil,
        sourceType: SourceType = .human, sourceID: String = "default", createdAt: Timestamp, updatedAt: Timestamp,
        spanID: String? = nil, rationale: String? = nil, metadata: [String: String] = [:], overrides: String? = nil,
        isValid: Bool = true
    ) {
        self.id = id
        self.traceID = traceID
        self.name = name
        self.kind = kind
        self.value = value
        self.error = error
        self.sourceType = sourceType
        self.sourceID = sourceID
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.spanID = spanID
        self.rationale = rationale
        self.metadata = metadata
        self.overrides = overrides
        self.isValid = isValid
    }
}

/// What changes of an assessment; nil keeps.
package struct AssessmentUpdate: Codable, Sendable {
    package var name: String?
    /// A value of that kind, which must be the assessment's own.
    package var kind: Assessment.Kind?
    package var value: JSONValue?
    /// Replaced together with the value.
    package var error: Assessment.Failure?
    package var rationale: String?
    /// Added to what is there.
    package var metadata: [String: String]

    package init(
        name: String? = nil, kind: Assessment.Kind? = nil, value: JSONValue? = nil, error: Assessment.Failure? = nil,
        rationale: String? = nil, metadata: [String: String] = [:]
    ) {
        self.name = name
        self.kind = kind
        self.value = value
        self.error = error
        self.rationale = rationale
        self.metadata = metadata
    }
}

/// A trace without its spans.
package struct TraceInfo: Codable, Sendable, Hashable {
    /// `tr-` and 32 hexadecimal digits, or what a client chose.
    package var id: String
    package var experimentID: String
    package var requestTime: Timestamp
    /// Milliseconds; nil while the trace runs.
    package var duration: Int64?
    package var state: TraceState
    package var clientRequestID: String?
    package var requestPreview: String?
    package var responsePreview: String?
    /// Facts that do not change: session, user, token usage, source.
    package var metadata: [String: String]
    package var tags: [String: String]
    package var assessments: [Assessment]

    package init(
        id: String, experimentID: String, requestTime: Timestamp, duration: Int64? = nil,
        state: TraceState = .inProgress, clientRequestID: String? = nil, requestPreview: String? = nil,
        responsePreview: String? = nil, metadata: [String: String] = [:], tags: [String: String] = [:],
        assessments: [Assessment] = []
    ) {
        self.id = id
        self.experimentID = experimentID
        self.requestTime = requestTime
        self.duration = duration
        self.state = state
        self.clientRequestID = clientRequestID
        self.requestPreview = requestPreview
        self.responsePreview = responsePreview
        self.metadata = metadata
        self.tags = tags
        self.assessments = assessments
    }

    package var name: String? { tags[TraceKey.name] }
}

package struct Trace: Codable, Sendable, Hashable {
    package var info: TraceInfo
    /// The root first, then by start.
    package var spans: [TraceSpan]

    package init(info: TraceInfo, spans: [TraceSpan]) {
        self.info = info
        self.spans = spans
    }
}

/// Keys with a meaning. Source: mlflow/tracing/constant.py (3.17).
package enum TraceKey {
    package static let name = "mlflow.traceName"
    package static let spansLocation = "mlflow.trace.spansLocation"
    package static let artifactLocation = "mlflow.artifactLocation"
    package static let session = "mlflow.trace.session"
    package static let user = "mlflow.trace.user"
    package static let tokenUsage = "mlflow.trace.tokenUsage"
    package static let cost = "mlflow.trace.cost"
    package static let sizeStats = "mlflow.trace.sizeStats"
    package static let linkedPrompts = "mlflow.linkedPrompts"
    package static let sourceRun = "mlflow.sourceRun"
    /// Set once a client has sent the trace's own summary, which spans must not overwrite.
    package static let isFinal = "mlflow.trace.infoFinalized"
    package static let spanType = "mlflow.spanType"
    package static let spanInputs = "mlflow.spanInputs"
    package static let spanOutputs = "mlflow.spanOutputs"
}

package struct TraceSearch: Codable, Sendable {
    package var experimentIDs: [String]
    /// `status = 'OK' AND tags.team = 'blue' AND span.name LIKE '%search%' AND feedback.correct = 'true'`
    package var filter: String
    /// `timestamp_ms DESC`, `tags.team ASC`, …; default: newest first.
    package var orderBy: [String]
    package var maxResults: Int
    package var pageToken: String?

    package init(
        experimentIDs: [String], filter: String = "", orderBy: [String] = [], maxResults: Int = 100,
        pageToken: String? = nil
    ) {
        self.experimentIDs = experimentIDs
        self.filter = filter
        self.orderBy = orderBy
        self.maxResults = maxResults
        self.pageToken = pageToken
    }
}

/// Which traces of an experiment to remove.
package enum TraceSelection: Codable, Sendable {
    case ids([String])
    /// Begun at that moment or before; of these the oldest `limit`.
    case until(Timestamp, limit: Int?)
}

/// Traces of requests: what ran, how long, with which inputs and outputs.
package protocol TraceStore: Sendable {
    /// Stores a trace's summary, or merges it into what its spans have made known already.
    func put(_ info: TraceInfo) async throws -> TraceInfo
    /// A trace by an identifier made here, in progress.
    func begin(experimentID: String, at time: Timestamp, metadata: [String: String], tags: [String: String])
        async throws -> TraceInfo
    /// Ends a trace that was begun by `begin`.
    func end(
        id: String, at time: Timestamp, state: TraceState, metadata: [String: String], tags: [String: String]
    ) async throws -> TraceInfo
    /// Stores spans; a span sent again replaces the one before. Makes the traces that they belong to.
    /// - Parameter resource: what produced them, which becomes tags of their traces.
    func record(_ spans: [TraceSpan], resource: [String: JSONValue], experimentID: String) async throws

    func info(id: String) async throws -> TraceInfo
    /// Those that exist, in the order asked for.
    func infos(ids: [String]) async throws -> [TraceInfo]
    /// - Parameter allowPartial: whether a trace of which spans are still missing is an answer. Otherwise it is waited for,
    ///   and `not_found` is thrown when they do not come.
    func trace(id: String, allowPartial: Bool) async throws -> Trace
    /// Those that exist and are complete, in the order asked for.
    func traces(ids: [String]) async throws -> [Trace]
    func search(_ search: TraceSearch) async throws -> Page<TraceInfo>
    /// By time first, then by the dimensions in their order.
    func metrics(_ query: TraceMetricQuery) async throws -> Page<TraceMetricPoint>
    /// How two filters go together over the traces that `base` holds for, or all of the experiments'.
    func correlation(
        experimentIDs: [String], _ first: String, _ second: String, base: String?
    ) async throws -> TraceCorrelation
    /// Returns the identifiers of what was removed.
    func delete(experimentID: String, _ selection: TraceSelection) async throws -> [String]

    /// Nil removes the tag; throws `not_found` when there is none.
    func setTag(id: String, key: String, value: String?) async throws
    func addAssessment(_ assessment: Assessment) async throws -> Assessment
    func assessment(traceID: String, id: String) async throws -> Assessment
    func updateAssessment(traceID: String, id: String, _ update: AssessmentUpdate) async throws -> Assessment
    /// What it overrode is valid again. Nothing happens when there is none.
    func deleteAssessment(traceID: String, id: String) async throws
    func link(traceIDs: [String], toRun run: String) async throws
    /// - Parameter prompts: `name/version`
    func link(traceID: String, toPrompts prompts: [String]) async throws
}
