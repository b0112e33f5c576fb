import Access
import Core
import Foundation
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// Answers requests of routes that are `immediate` right where their last byte arrives.
///
/// The way through `Edge` and the router, with its tasks, streams and responses, takes several times as long as storing a
/// point of a metric. Whatever is not plain goes that way as if this were not here: large or encoded bodies, a connection that
/// is to close, jobs' workers, everything refused, every error, and requests behind one that is still being answered.
final class ImmediateAnswers: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    static let serverName = "nestbox"
    private static let longestBody = 64 << 10
    /// Behind this handler the server closes connections on which it sees nothing for two minutes.
    private static let longestSilence = TimeAmount.seconds(30)

    private let table: Table
    /// Requests passed on whose answer has not ended.
    private var passedOn = 0
    private var lastPassedOn = NIODeadline.now()
    private var taken: (head: HTTPRequest, entry: Table.Entry, body: ByteBuffer?)?
    private var mustFlush = false

    init(_ table: Table) { self.table = table }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch part {
        case .head(let head):
            if passedOn == 0, context.channel.isWritable, let entry = table.entry(for: head),
                .now() - lastPassedOn < Self.longestSilence
            {
                taken = (head, entry, nil)
                return
            }
            passedOn += 1
            lastPassedOn = .now()
        case .body(var bytes):
            guard taken != nil else { break }
            if taken!.body?.writeBuffer(&bytes) == nil { taken!.body = bytes }
            return
        case .end(let trailers):
            guard let (head, entry, body) = taken else { break }
            taken = nil
            if let answer = table.answer(head, entry, body) {
                write(answer, context)
            } else {
                passOn(head, body, trailers, context)
            }
            return
        }
        context.fireChannelRead(data)
    }

    private func write(_ answer: [UInt8], _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(table.head(length: answer.count))), promise: nil)
        context.write(wrapOutboundOut(.body(context.channel.allocator.buffer(bytes: answer))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: nil)
        mustFlush = true
    }

    private func passOn(_ head: HTTPRequest, _ body: ByteBuffer?, _ end: HTTPFields?, _ context: ChannelHandlerContext)
    {
        passedOn += 1
        lastPassedOn = .now()
        context.fireChannelRead(wrapInboundOut(.head(head)))
        if let body { context.fireChannelRead(wrapInboundOut(.body(body))) }
        context.fireChannelRead(wrapInboundOut(.end(end)))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if mustFlush {
            mustFlush = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data), passedOn > 0 { passedOn -= 1 }
        context.write(data, promise: promise)
    }
}

extension ImmediateAnswers {
    /// The immediate routes, and what `Edge` does for the others.
    struct Table: Sendable {
        struct Entry: Sendable {
            var route: Route
            var answer: @Sendable (String, ByteBuffer) throws -> [UInt8]?
        }

        private static let nosniff = HTTPField.Name("X-Content-Type-Options")!

        private let entries: [String: Entry]
        private let authority: TokenAuthority
        private let metrics: ServerMetrics
        private let date = HTTPDate()

        init(_ routes: [Route], authority: TokenAuthority, metrics: ServerMetrics) {
            var entries: [String: Entry] = [:]
            for route in routes {
                if let answer = route.immediate { entries[route.path] = Entry(route: route, answer: answer) }
            }
            self.entries = entries
            self.authority = authority
            self.metrics = metrics
        }

        /// Nil for what goes the usual way.
        func entry(for head: HTTPRequest) -> Entry? {
            guard let target = head.path, let entry = entries[String(target.prefix { $0 != "?" })],
                head.method == entry.route.method
            else { return nil }
            let fields = head.headerFields
            let length = fields[.contentLength].map { Int($0) ?? .max } ?? (head.method == .get ? 0 : .max)
            guard head.method == .get ? length == 0 : length <= longestBody,
                fields[.contentEncoding] == nil, fields[.transferEncoding] == nil, fields[.expect] == nil,
                fields[.connection].map({ $0.lowercased() == "keep-alive" }) ?? true
            else { return nil }
            return entry
        }

        /// Nil when the request is to go the usual way, which also finds the words for what is wrong with it.
        func answer(_ head: HTTPRequest, _ entry: Entry, _ body: ByteBuffer?) -> [UInt8]? {
            let query = (head.path ?? "").drop { $0 != "?" }.dropFirst()
            // A query is all that such a GET has, and a body all that another call has.
            guard head.method == .get ? !query.isEmpty : body != nil else { return nil }
            let start = ContinuousClock.now
            do {
                try CrossSite.refuse(head, isOpen: !authority.isRequired)
                guard case .member(let name) = try authority.identity(authorization: head.headerFields[.authorization])
                else { return nil }
                guard
                    let answer = try Caller.$name.withValue(
                        name, operation: { try entry.answer(String(query), body ?? ByteBuffer()) })
                else {
                    return nil
                }
                let elapsed = start.duration(to: .now)
                metrics.count(
                    method: entry.route.method.rawValue, route: entry.route.path, status: 200,
                    seconds: Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18)
                return answer
            } catch {
                return nil
            }
        }

        func head(length: Int) -> HTTPResponse {
            HTTPResponse(
                status: .ok,
                headerFields: [
                    .contentType: "application/json", .contentLength: String(length), Self.nosniff: "nosniff",
                    .date: date.text, .server: serverName,
                ])
        }
    }
}

/// The time as HTTP writes it, put into words once a second.
private final class HTTPDate: Sendable {
    private let last = Mutex((second: 0, text: ""))

    var text: String {
        var now = time(nil)
        return last.withLock { last in
            guard last.second != now else { return last.text }
            var parts = tm()
            gmtime_r(&now, &parts)
            last = (now, Self.words(parts))
            return last.text
        }
    }

    /// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func words(_ time: tm) -> String {
        let day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][Int(time.tm_wday)]
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
            Int(time.tm_mon)]
        let two = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(day), \(two(time.tm_mday)) \(month) \(time.tm_year + 1900) "
            + "\(two(time.tm_hour)):\(two(time.tm_min)):\(two(time.tm_sec)) GMT"
    }
}
