import Contracts
import Core

/// What an import and an export have in common: both compare two servers and write what is missing.
protocol Exchange: Sendable {
    associatedtype State: ExchangeState
}

protocol ExchangeState {
    var report: ExchangeReport { get set }
}

extension ExchangeState {
    mutating func fail(_ what: String, _ error: NestboxError) {
        report.failures.append("\(what): \(error.message)" + (error.hint.map { " (\($0))" } ?? ""))
    }

    /// What holds for many things is said once.
    mutating func note(_ text: String) {
        if !report.notes.contains(text) { report.notes.append(text) }
    }
}

extension Page {
    /// The items of all pages.
    static func all(_ page: (String?) async throws -> Page) async throws -> [Item] {
        var items: [Item] = [], token: String?
        repeat {
            let answer = try await page(token)
            items += answer.items
            token = answer.nextPageToken
        } while token != nil
        return items
    }
}

extension Exchange {
    /// One thing's own fault is noted, and the next is tried; a server that is away, or that lets nobody in, ends the work.
    /// - Parameter kind: of the line that counts it as missing; nil when it is counted there already.
    func attempt(
        _ kind: String?, _ what: String, _ state: inout State, _ work: (inout State) async throws -> Void
    ) async throws {
        do {
            try await work(&state)
        } catch let error as NestboxError {
            let ends: [NestboxError.Code] = [
                .unavailable, .unauthenticated, .permissionDenied, .notImplemented, .storageFull, .cancelled,
                .rateLimited,
            ]
            if ends.contains(error.code) { throw error }
            if let kind { state.report.add(kind) }
            state.fail(what, error)
        }
    }

    func absent<T: Sendable>(_ read: () async throws -> T) async throws -> T? {
        do { return try await read() } catch let error as NestboxError where error.code == .notFound { return nil }
    }
}
