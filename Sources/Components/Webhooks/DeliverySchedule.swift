import Contracts
import Core
import Foundation

/// When a message is tried again, and when it is given up. What is tried again is what MLflow tries again: no answer, and
/// the statuses 429, 500, 502, 503 and 504. MLflow stops after three times, within seconds; here it goes on for days, ever
/// more rarely, because the outbox survives both sides.
package struct DeliverySchedule: Sendable {
    /// Seconds before the first retry; each further one waits twice as long.
    package var firstRetry = 1.0
    /// Seconds that a message waits at the most.
    package var longestWait = 600.0
    /// Seconds that a receiver may ask for with Retry-After.
    package var longestRetryAfter = 3600.0
    /// Seconds after which a message is given up.
    package var giveUpAfter = 3 * 86_400.0
    /// Posts under way at once, over all targets; one for each.
    package var concurrency = 64
    /// Finished messages that stay to be looked at, for each target; attempts for each message.
    package var keptDeliveries = 100
    package var keptAttempts = 20

    package init() {}

    enum Verdict: Equatable {
        case delivered
        /// Tried again, after `retryAfter` seconds at least.
        case retry(error: String, retryAfter: Double?)
        case refused(error: String)
    }

    static func verdict(_ answer: OutboundAnswer, now: Timestamp) -> Verdict {
        let shown = answer.body.prefix(200).trimmingCharacters(in: .whitespacesAndNewlines)
        let said = shown.isEmpty ? "" : ": \(shown)"
        switch answer.status {
        case 200..<300: return .delivered
        case 300..<400:
            return .refused(error: "answered \(answer.status), and redirects are not followed: name the final address")
        case 429, 500, 502, 503, 504:
            return .retry(
                error: "answered \(answer.status)\(said)",
                retryAfter: answer.retryAfter.flatMap { seconds(retryAfter: $0, now: now) })
        default: return .refused(error: "answered \(answer.status)\(said)")
        }
    }

    /// Seconds until a message that was tried `attempts` times is due. `chance` in 0 ..< 1 keeps many from coming at once.
    func wait(attempts: Int, retryAfter: Double?, chance: Double) -> Double {
        let doubled = min(longestWait, firstRetry * pow(2, Double(min(max(attempts, 1), 40) - 1)))
        return max(doubled * (1 + chance / 4), min(retryAfter ?? 0, longestRetryAfter))
    }

    /// Seconds that a target rests after so many failures in a row. Shorter than what the failed message waits: when the
    /// rest is over, another message gets its chance, and one that the receiver cannot take does not block the others.
    func rest(failures: Int, retryAfter: Double?) -> Double {
        max(
            min(longestWait, firstRetry * pow(2, Double(min(max(failures, 1), 40) - 1))) / 2,
            min(retryAfter ?? 0, longestRetryAfter))
    }

    /// `120`, or `Wed, 21 Oct 2026 07:28:00 GMT`.
    static func seconds(retryAfter text: String, now: Timestamp) -> Double? {
        if let seconds = Double(text), seconds.isFinite { return max(0, seconds) }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        guard let date = formatter.date(from: text) else { return nil }
        return max(0, date.timeIntervalSince1970 - Double(now.milliseconds) / 1000)
    }
}
