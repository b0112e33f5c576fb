import Contracts
import Core

extension MLflowFolder {
    private static let tracesAtOnce = 50
    private static let traceFile = "trace_info.yaml"

    func traces(of experiment: Experiment, page: String?) throws -> MLflowPage<MLflowTrace> {
        let parent = path(of: experiment.id) + "/traces"
        let names = try folder.folders(parent).filter {
            $0 > (page ?? "") && folder.exists("\(parent)/\($0)/\(Self.traceFile)")
        }
        let items = names.prefix(Self.tracesAtOnce).map { name in
            Self.found { () -> MLflowTrace in
                let info = try info(name, in: parent, of: experiment)
                let own = folder.path("\(parent)/\(name)/artifacts")
                return MLflowTrace(info: info, spans: Self.found { try artifacts.spans(of: info, own: own) })
            }
        }
        return MLflowPage(items: items, next: names.count > Self.tracesAtOnce ? names[Self.tracesAtOnce - 1] : nil)
    }

    private func info(_ name: String, in parent: String, of experiment: Experiment) throws -> TraceInfo {
        let path = parent + "/" + name
        let file = try MetaFile(path + "/" + Self.traceFile, in: folder)
        // Before MLflow 3 as `request_id`, `timestamp_ms`, `execution_time_ms` and `status`.
        guard let id = try file.optionalText("trace_id") ?? file.optionalText("request_id"), id == name else {
            throw file.wrong("trace_id", "the folder's name")
        }
        let text = try file.optionalText("request_time")
        guard let time = try text.flatMap({ Timestamp(iso8601: $0) }) ?? file.optionalTime("timestamp_ms") else {
            throw file.wrong("request_time", "a time like 2025-01-31T12:00:00Z")
        }
        return TraceInfo(
            id: id, experimentID: experiment.id, requestTime: time,
            duration: try file.optionalWhole("execution_duration_ms") ?? file.optionalWhole("execution_time_ms"),
            state: TraceState(mlflow: try file.optionalText("state") ?? file.text("status")),
            clientRequestID: try file.optionalText("client_request_id"),
            requestPreview: try file.optionalText("request_preview"),
            responsePreview: try file.optionalText("response_preview"),
            metadata: try folder.values(path + "/request_metadata"), tags: try folder.values(path + "/tags"),
            assessments: try folder.names(path + "/assessments").filter { $0.hasSuffix(".yaml") }
                .map { try assessment("\(path)/assessments/\($0)") }
                .sorted { ($0.createdAt.milliseconds, $0.id) < ($1.createdAt.milliseconds, $1.id) })
    }

    private func assessment(_ path: String) throws -> Assessment {
        guard let found = try Assessment(mlflow: try MetaFile(path, in: folder).json()) else {
            throw unreadable("`\(folder.path(path))` lacks the fields that every assessment has")
        }
        return found
    }
}
