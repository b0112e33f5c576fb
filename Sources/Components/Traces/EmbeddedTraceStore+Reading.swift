import Contracts
import Core
import Foundation
import GRDB
import Storage

extension EmbeddedTraceStore {
    package func info(id: String) async throws -> TraceInfo {
        try await store.read { try TraceRows.info(id, in: $0) }
    }

    package func infos(ids: [String]) async throws -> [TraceInfo] {
        try await store.read { try TraceRows.infos(ids, in: $0) }
    }

    package func trace(id: String, allowPartial: Bool) async throws -> Trace {
        for attempt in 0...attempts {
            let trace = try await store.read { db in
                let info = try TraceRows.info(id, in: db)
                return Trace(info: info, spans: try TraceRows.spans(of: id, in: db))
            }
            if allowPartial || Self.isComplete(trace) { return trace }
            // Clients send summary and spans at the same time, from different threads.
            if attempt < attempts { try await Task.sleep(for: .milliseconds(100)) }
        }
        throw NestboxError(
            .notFound, "Trace with ID \(id) is not fully exported yet, please try again later.",
            hint: "its summary is here, but not all of its spans")
    }

    package func traces(ids: [String]) async throws -> [Trace] {
        try await store.read { db in
            try TraceRows.infos(ids, in: db).map { Trace(info: $0, spans: try TraceRows.spans(of: $0.id, in: db)) }
                .filter(Self.isComplete)
        }
    }

    /// A client's summary says how many spans there are.
    private static func isComplete(_ trace: Trace) -> Bool {
        guard !trace.spans.isEmpty else { return false }
        guard let text = trace.info.metadata[TraceKey.sizeStats], let stats = try? JSONReader.parse(text),
            let count = stats["num_spans"]?.intValue
        else { return true }
        return trace.spans.count >= count
    }

    package func search(_ search: TraceSearch) async throws -> Page<TraceInfo> {
        guard TraceRules.page.contains(search.maxResults) else {
            throw NestboxError.invalid(
                "Invalid value \(search.maxResults) for parameter 'max_results' supplied: expected a number from "
                    + "\(TraceRules.page.lowerBound) to \(TraceRules.page.upperBound)")
        }
        var query = try TraceQuery(
            filter: search.filter, orderBy: search.orderBy, experiments: search.experimentIDs)
        let offset = try Self.offset(search.pageToken)
        query.page(offset: offset, limit: search.maxResults + 1)
        let patterns = TracePatterns()
        do {
            return try await store.read { [query] db in
                if query.hasPatterns { db.add(function: patterns.function) }
                let ids = try String.fetchAll(db, sql: query.sql, arguments: query.arguments)
                let shown = Array(ids.prefix(search.maxResults))
                return Page(
                    items: try TraceRows.infos(shown, in: db),
                    nextPageToken: ids.count > shown.count ? Self.token(offset + shown.count) : nil)
            }
        } catch  where patterns.isExhausted {
            // SQLite hands on only that a function failed.
            throw patterns.tooSlow
        }
    }

    static func token(_ offset: Int) -> String { Data("{\"offset\": \(offset)}".utf8).base64EncodedString() }

    static func offset(_ token: String?) throws -> Int {
        guard let token, !token.isEmpty else { return 0 }
        guard let data = Data(base64Encoded: token), let value = try? JSONReader.parse(data),
            let offset = value["offset"]?.intValue, let offset = Int(exactly: offset), offset >= 0
        else {
            throw NestboxError.invalid(
                "the page token `\(token.prefix(40))` does not belong to this request",
                hint: "pass the token of the page before, with the same request otherwise")
        }
        return offset
    }
}
