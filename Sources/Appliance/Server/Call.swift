import Core
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// The request context: Hummingbird's own state and who is calling; coders are shared in `JSON`.
package struct ServerContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// The job whose worker is calling; nil for people and their programs.
    package var job: String?

    package init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
}

/// One request on its way through a route.
package struct Call: Sendable {
    package let request: Request
    package let context: ServerContext
    let bodyLimit: Int
    private let bodyReads = OnceFlag()

    package init(request: Request, context: ServerContext, bodyLimit: Int) {
        self.request = request
        self.context = context
        self.bodyLimit = bodyLimit
    }

    /// A part of the path, percent-decoded.
    package func parameter(_ name: String) throws -> String {
        guard let raw = context.parameters.get(name), let value = raw.removingPercentEncoding, !value.isEmpty else {
            throw NestboxError.invalid("the path's `\(name)` is empty or not well-formed")
        }
        return value
    }

    /// A part of the path that is a positive whole number.
    package func integerParameter(_ name: String) throws -> Int {
        let text = try parameter(name)
        guard let value = Int(text), value > 0 else {
            throw NestboxError.invalid("the path's `\(name)` is `\(text)`; expected a positive whole number")
        }
        return value
    }

    /// What `**` matched, percent-decoded part by part; empty when nothing did.
    package var rest: String {
        get throws {
            try context.parameters.getCatchAll().map {
                guard let part = String($0).removingPercentEncoding else {
                    throw NestboxError.invalid("the path's `\($0)` is not well-formed percent encoding")
                }
                return part
            }.joined(separator: "/")
        }
    }

    /// The first query parameter of that name, decoded; `+` is a space.
    package func query(_ name: String) -> String? { PageForm(query: self)[name] }

    /// Every query parameter of that name.
    package func queries(_ name: String) -> [String] {
        PageForm(query: self).fields.filter { $0.name == name }.map(\.value)
    }

    package func queryInteger(_ name: String, default standard: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = query(name) else { return standard }
        guard let value = Int(text), range.contains(value) else {
            throw NestboxError.invalid(
                "`\(name)` is `\(text)`; expected a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    package func header(_ name: HTTPField.Name) -> String? { request.headers[name] }

    /// The whole body; throws `payload_too_large` beyond the route's limit. A body is read once.
    /// - Parameter encodings: values of Content-Encoding that the route undoes itself, within a limit of its own.
    package func body(accepting encodings: Set<String> = []) async throws -> Data {
        try bodyReads.take()
        try refuseEncodings(except: encodings)
        if let length = declaredLength, length > bodyLimit { throw tooLarge }
        var data = Data()
        let chunks = BodyIterator(request.body.makeAsyncIterator(), limit: bodyLimit, tooLarge: tooLarge)
        while let chunk = try await chunks.next() { data.append(contentsOf: chunk) }
        return data
    }

    /// The body as JSON; errors name the place.
    package func json<T: Decodable & Sendable>(_ type: T.Type) async throws -> T {
        try await read { data in
            guard !data.isEmpty else { throw Self.missingBody }
            return try JSON.decode(type, from: data, what: "the request body", deepest: JSON.deepestRequest)
        }
    }

    /// What `parse` makes of the body as JSON, which may hold NaN and infinities as Python writes them when asked for.
    package func json<T: Sendable>(
        acceptsNonFinite: Bool = false, parse: @escaping @Sendable (JSONValue) throws -> T
    ) async throws -> T {
        try await read { data in
            guard !data.isEmpty else { throw Self.missingBody }
            return try parse(try JSONReader.parse(data, what: "the request body", acceptsNonFinite: acceptsNonFinite))
        }
    }

    /// What `parse` makes of the body. A large one is read on a compute thread, so that it keeps nobody waiting.
    package func read<T: Sendable>(_ parse: @escaping @Sendable (Data) throws -> T) async throws -> T {
        let data = try await body()
        return data.count < 64 << 10 ? try parse(data) : try await ComputePool.shared.run { try parse(data) }
    }

    private static var missingBody: NestboxError {
        .invalid("the request has no body", hint: "send a JSON object")
    }

    /// The body chunk by chunk, for uploads; ends with `payload_too_large` beyond the route's limit.
    package func stream() throws -> ByteStream {
        try bodyReads.take()
        try refuseEncodings()
        let declared = declaredLength
        if let declared, declared > bodyLimit { throw tooLarge }
        let box = BodyIterator(request.body.makeAsyncIterator(), limit: bodyLimit, tooLarge: tooLarge)
        return ByteStream(length: declared.map(Int64.init)) { try await box.next() }
    }

    /// A compressed body would be read as garbage, or be stored as it is under the name of what it holds.
    private func refuseEncodings(except accepted: Set<String> = []) throws {
        guard let encoding = header(.contentEncoding)?.lowercased(), encoding != "identity",
            !accepted.contains(encoding)
        else { return }
        throw NestboxError(
            .unsupportedMediaType, "Content-Encoding `\(encoding.prefix(40))` is not supported",
            hint: "send the body uncompressed")
    }

    private var declaredLength: Int? { request.headers[.contentLength].flatMap { Int($0) } }

    private var tooLarge: NestboxError {
        NestboxError(
            .payloadTooLarge, "the body is larger than the \(bodyLimit) bytes that \(request.uri.path) accepts",
            hint: "send it in parts, or upload it as an artifact or a dataset")
    }
}

/// NIO ends the process when a body is iterated twice; this is an error of one request instead.
private final class OnceFlag: Sendable {
    private let isTaken = Atomic(false)

    func take() throws {
        if isTaken.exchange(true, ordering: .relaxed) {
            throw NestboxError(.internalError, "the route read the request's body twice")
        }
    }
}

private final class BodyIterator: @unchecked Sendable {
    // Unchecked: a ByteStream is pulled by one consumer at a time.
    private var iterator: RequestBody.AsyncIterator
    private let limit: Int
    private let tooLarge: NestboxError
    private var total = 0

    init(_ iterator: RequestBody.AsyncIterator, limit: Int, tooLarge: NestboxError) {
        self.iterator = iterator
        self.limit = limit
        self.tooLarge = tooLarge
    }

    func next() async throws -> [UInt8]? {
        let buffer: ByteBuffer?
        do {
            buffer = try await iterator.next()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // The stream itself fails only with its connection, and then nobody reads the answer.
            throw NestboxError(.cancelled, "the connection ended before the body did (\(error))")
        }
        guard let buffer else { return nil }
        total += buffer.readableBytes
        guard total <= limit else { throw tooLarge }
        return [UInt8](buffer.readableBytesView)
    }
}

extension Response {
    package static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        bytes(try JSON.encode(value), type: "application/json; charset=utf-8", status: status)
    }

    package static func bytes(_ data: some Sequence<UInt8>, type: String, status: HTTPResponse.Status = .ok) -> Response
    {
        Response(status: status, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(bytes: data)))
    }

    package static func text(
        _ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(status: status, headers: [.contentType: type], body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    /// Streams a body; its length is announced when it is known.
    package static func stream(_ body: ByteStream, type: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: type],
            body: .init(contentLength: body.length.map(Int.init)) { writer in
                for try await chunk in body { try await writer.write(ByteBuffer(bytes: chunk)) }
                try await writer.finish(nil)
            })
    }

    package static func redirect(to location: String) -> Response {
        Response(status: .seeOther, headers: [.location: location])
    }
}
