import Contracts
import Core
import Foundation

/// What a webhook may be. Source: `mlflow/utils/validation.py`, MLflow 3.17.
enum WebhookRules {
    static let nameLength = 63
    static let urlLength = 2048
    static let descriptionLength = 5000
    static let secretLength = 4096
    static let pageSize = 1...1000

    static func checkName(_ name: String) throws {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        let bytes = Array(name.utf8)
        let isFine =
            (1...nameLength).contains(bytes.count) && isPlain(bytes[0]) && isPlain(bytes[bytes.count - 1])
            && bytes.allSatisfy { isPlain($0) || "._-".utf8.contains($0) }
        guard isFine else {
            throw NestboxError.invalid(
                "`\(name.prefix(80))` cannot be the name of a webhook",
                hint:
                    "use 1–\(nameLength) letters, digits, `.`, `_` and `-`, starting and ending with a letter or digit")
        }
    }

    static func checkEvents(_ events: [WebhookEvent]) throws {
        guard !events.isEmpty else {
            throw NestboxError.invalid(
                "a webhook needs at least one event", hint: "subscribe to `model_version.created`, say")
        }
        guard Set(events).count == events.count else {
            throw NestboxError(
                .invalidArgument, "`events` names the same change twice", hint: "name each entity and action once",
                cause: MLflowCode.badRequest)
        }
        for event in events where !event.entity.actions.contains(event.action) {
            throw NestboxError.invalid(
                "`\(event.entity.rawValue)` has no action `\(event.action.rawValue)`",
                hint: "its actions are \(event.entity.actions.map { "`\($0.rawValue)`" }.joined(separator: ", "))")
        }
    }

    static func checkDescription(_ text: String) throws {
        try checkLength(text, descriptionLength, "the description")
    }

    static func checkSecret(_ text: String) throws { try checkLength(text, secretLength, "the secret") }

    static func checkPageSize(_ size: Int) throws {
        guard pageSize.contains(size) else {
            throw NestboxError.invalid(
                "max_results is \(size); expected a number from \(pageSize.lowerBound) to \(pageSize.upperBound)")
        }
    }

    private static func checkLength(_ text: String, _ limit: Int, _ what: String) throws {
        guard text.unicodeScalars.count <= limit else {
            throw NestboxError.invalid("\(what) has \(text.unicodeScalars.count) characters; \(limit) are allowed")
        }
    }
}
