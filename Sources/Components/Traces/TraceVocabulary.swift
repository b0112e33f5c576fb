import Contracts
import Core

extension SearchField.Entity {
    static let metadata = Self(rawValue: "metadata")
    static let span = Self(rawValue: "span")
    static let spanAttribute = Self(rawValue: "span attribute")
    static let feedback = Self(rawValue: "feedback")
    static let expectation = Self(rawValue: "expectation")
    static let issue = Self(rawValue: "issue")
}

/// What can be searched of traces. Source: `SearchTraceUtils` of `mlflow/utils/search_utils.py`, 3.17.
///
///     status = 'ERROR' and timestamp_ms > 1700000000000 and tags.team = 'blue' and metadata.`mlflow.trace.session` = 's-1'
///     span.name LIKE '%search%' and span.attributes.model = 'small' and feedback.correct = 'true' and prompt = 'greet/2'
extension SearchVocabulary {
    static let traces: SearchVocabulary = {
        var keys = attributes
        keys["prompt"] = prompt
        keys["text"] = Rule(.text, [.like, .ilike])
        var vocabulary = SearchVocabulary(
            "traces",
            [
                Family(.attribute, ["attribute", "attributes", "trace"], keys: keys, synonyms: synonyms),
                Family(.tag, ["tags", "tag"], keys: [TraceKey.linkedPrompts: prompt], anyKey: pair),
                Family(.metadata, ["metadata", "request_metadata"], anyKey: pair),
                Family(
                    .span, ["span"],
                    keys: ["name": text, "type": text, "status": text, "content": Rule(.text, [.like, .ilike])]),
                Family(.spanAttribute, ["span.attributes"], anyKey: text),
                Family(.feedback, ["feedback"], anyKey: assessment),
                Family(.expectation, ["expectation"], anyKey: assessment),
                Family(.issue, ["issue"], keys: ["id": Rule(.text, [.equal])]),
            ],
            orders: [
                Family(.attribute, ["attribute", "attributes", "trace"], keys: attributes, synonyms: synonyms),
                Family(.tag, ["tags", "tag"], anyKey: pair),
                Family(.metadata, ["metadata", "request_metadata"], anyKey: pair),
            ])
        // A span may hold megabytes.
        vocabulary.longestPattern = 1000
        vocabulary.longestFilter = 200_000
        return vocabulary
    }()

    private static let prompt = Rule(.text, [.equal], complaint: promptComplaint)
    private static let text = Rule(
        .text, Rule.match + [.rlike, .isIn, .isNotIn], complaint: TracePatterns.complaint)
    /// What may be missing.
    private static let pair = Rule(
        .text, Rule.match + [.rlike, .isIn, .isNotIn, .isNull, .isNotNull], complaint: TracePatterns.complaint)
    private static let assessment = Rule(
        .scalar, Rule.order + [.like, .ilike, .rlike, .isNull, .isNotNull], complaint: TracePatterns.complaint)

    private static let attributes: [String: Rule] = [
        "request_id": text, "experiment_id": text, "status": text, "client_request_id": text, "timestamp_ms": .number,
        "execution_time_ms": .number, "end_time_ms": .number, "name": pair, "run_id": pair,
    ]
    private static let synonyms = [
        "timestamp": "timestamp_ms", "execution_time": "execution_time_ms", "end_time": "end_time_ms",
    ]

    @Sendable private static func promptComplaint(_: SearchComparator, _ text: String) -> String? {
        guard text.utf8.filter({ $0 == UInt8(ascii: "/") }).count != 1 else { return nil }
        return "Invalid prompts filter value '\(text.prefix(80))'. Expected format: prompt = \"name/version\""
    }
}
