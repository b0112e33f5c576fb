import Core
import Foundation

/// HTTP as it is written: no library tidies the path up. One connection for each request.
struct RawHTTP: Sendable {
    struct Answer: Sendable {
        var status: Int
        var body: Data

        /// Nil when it is no JSON.
        var json: JSONValue? { try? JSON.decode(JSONValue.self, from: body) }
        var errorCode: String { status < 400 ? "" : json?["error_code"]?.stringValue ?? "" }
    }

    private let port: UInt16

    /// - Parameter url: `http://127.0.0.1:PORT`
    init(_ url: String) throws {
        guard let text = url.split(separator: ":").last, let port = UInt16(text) else {
            throw NestboxError.invalid("`\(url)` has no port")
        }
        self.port = port
    }

    func send(_ method: String, _ target: String, _ body: Data?, type: String = "application/json") throws -> Answer {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw NestboxError(.unavailable, "cannot connect to port \(port): errno \(errno)") }
        var head = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
        if let body { head += "Content-Type: \(type)\r\nContent-Length: \(body.count)\r\n" }
        try write(Data((head + "\r\n").utf8) + (body ?? Data()), to: connection)
        return try Self.answer(read(connection))
    }

    private func write(_ data: Data, to connection: Int32) throws {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // A server may answer and close before it has read everything.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private func read(_ connection: Int32) throws -> Data {
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return data }
            data += buffer.prefix(count)
        }
    }

    private static func answer(_ data: Data) throws -> Answer {
        guard let end = data.firstRange(of: Data("\r\n\r\n".utf8)),
            let status = String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: " ").dropFirst()
                .first
                .flatMap({ Int($0) })
        else {
            throw NestboxError(.unavailable, "no HTTP answer: `\(String(decoding: data.prefix(200), as: UTF8.self))`")
        }
        return Answer(status: status, body: Data(data[end.upperBound...]))
    }
}
