import Contracts
import Core
import Crypto
import Foundation

/// Events as OpenLineage 2-0-2 has them. Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets beside it,
/// in the versions that openlineage-python 1.54 writes.
struct OpenLineageEvent {
    enum RunState: String {
        case start = "START"
        case running = "RUNNING"
        case complete = "COMPLETE"
        case abort = "ABORT"
        case fail = "FAIL"
        /// What became known outside a run's course, after its end for instance.
        case other = "OTHER"
    }

    /// A job of a kind that is done again and again, and how this run of it is known.
    struct Job {
        var namespace: String
        var name: String
        var facets: [String: JSONValue] = [:]
    }

    let producer: String

    func run(
        _ state: RunState, at time: Timestamp, id: String, runFacets: [String: JSONValue], job: Job,
        inputs: [JSONValue],
        outputs: [JSONValue]
    ) -> JSONValue {
        [
            "eventType": .string(state.rawValue), "eventTime": .string(time.iso8601), "producer": .string(producer),
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": ["runId": .string(id), "facets": .object(runFacets)],
            "job": [
                "namespace": .string(job.namespace), "name": .string(job.name), "facets": .object(job.facets),
            ], "inputs": .array(inputs), "outputs": .array(outputs),
        ]
    }

    /// A fact about a dataset that is not a run's doing.
    func dataset(_ dataset: JSONValue, at time: Timestamp) -> JSONValue {
        [
            "eventTime": .string(time.iso8601), "producer": .string(producer),
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent", "dataset": dataset,
        ]
    }

    enum Facet: String {
        case parent = "1-2-0/ParentRunFacet"
        case errorMessage = "1-0-1/ErrorMessageRunFacet"
        case processingEngine = "1-1-1/ProcessingEngineRunFacet"
        case jobType = "2-0-4/JobTypeJobFacet"
        case sourceCodeLocation = "1-1-0/SourceCodeLocationJobFacet"
        case version = "1-0-1/DatasetVersionDatasetFacet"
        case schema = "1-2-0/SchemaDatasetFacet"
        case dataSource = "1-0-1/DatasourceDatasetFacet"
        case datasetType = "1-0-1/DatasetTypeDatasetFacet"
        case lifecycle = "1-0-1/LifecycleStateChangeDatasetFacet"
        case inputStatistics = "1-0-0/InputStatisticsInputDatasetFacet"
    }

    func facet(_ kind: Facet, _ content: [String: JSONValue]) -> JSONValue {
        let name = kind.rawValue.split(separator: "/").last ?? ""
        var facet = content
        facet["_producer"] = .string(producer)
        facet["_schemaURL"] = .string("https://openlineage.io/spec/facets/\(kind.rawValue).json#/$defs/\(name)")
        return .object(facet)
    }

    /// The UUID of a run: its own 32 digits in the groups of one. For what has no such id, one that is always the same.
    static func uuid(_ id: String) -> String {
        let digits = id.lowercased()
        if digits.count == 32, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) { return grouped(Array(digits)) }
        // Version 8 of RFC 9562: made from something else than time or chance.
        var bytes = Array(SHA256.hash(data: Data(id.utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        return grouped(Array(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()))
    }

    private static func grouped(_ digits: [Character]) -> String {
        [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }
}
