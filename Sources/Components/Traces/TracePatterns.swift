import Contracts
import Core
import Foundation
import GRDB
import Synchronization

/// `RLIKE`: SQLite has the word REGEXP and leaves its meaning to the program. One instance serves one search, which stops
/// when its patterns have used up their time: some patterns take for ever on some texts.
final class TracePatterns: Sendable {
    private struct State {
        var expressions: [String: NSRegularExpression] = [:]
        var spent: Duration = .zero
    }

    private let budget: Duration
    private let state = Mutex(State())

    init(budget: Duration = .seconds(2)) { self.budget = budget }

    @Sendable static func complaint(_ comparator: SearchComparator, _ pattern: String) -> String? {
        guard comparator == .rlike, (try? NSRegularExpression(pattern: pattern)) == nil else { return nil }
        return "`\(pattern.prefix(80))` is not a regular expression"
    }

    var isExhausted: Bool { state.withLock { $0.spent > budget } }

    var tooSlow: NestboxError {
        .invalid("the patterns of RLIKE take too long", hint: "use LIKE, or a pattern without nested repetitions")
    }

    /// Whether the pattern is found anywhere in the text.
    func matches(_ pattern: String, _ text: String) throws -> Bool {
        let (expression, left) = try state.withLock { state in
            let known = try state.expressions[pattern] ?? NSRegularExpression(pattern: pattern)
            state.expressions[pattern] = known
            return (known, budget - state.spent)
        }
        let clock = ContinuousClock(), start = clock.now
        var isFound = false
        let range = NSRange(location: 0, length: (text as NSString).length)
        expression.enumerateMatches(in: text, options: [.reportProgress], range: range) { match, _, stop in
            if match != nil { isFound = true }
            if match != nil || clock.now - start > left { stop.pointee = true }
        }
        state.withLock { $0.spent += clock.now - start }
        if isExhausted { throw tooSlow }
        return isFound
    }

    var function: DatabaseFunction {
        DatabaseFunction("regexp", argumentCount: 2) { [self] values in
            guard let pattern = String.fromDatabaseValue(values[0]), let text = String.fromDatabaseValue(values[1])
            else { return nil }
            return try matches(pattern, text)
        }
    }
}
