import Core
import Foundation
import Synchronization

/// An HTTP server on loopback that keeps what it is sent and answers as it is told. It outlives the servers that call it.
final class Receiver: Sendable {
    struct Received: Sendable {
        var path: String
        /// By lower-case name.
        var headers: [String: String]
        var body: String

        var json: JSONValue { (try? JSON.decode(JSONValue.self, from: body)) ?? .null }
    }

    let url: String
    private let listener: Int32
    private let state: Mutex<(received: [Received], status: Int)>

    init(status: Int = 200) throws {
        state = Mutex(([], status))
        (listener, url) = try Self.listen()
        Thread { [listener, weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                guard let self else {
                    close(connection)
                    return
                }
                self.serve(connection)
            }
        }.start()
    }

    /// A socket on any free port of loopback, and its address.
    static func listen() throws -> (socket: Int32, url: String) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, length) == 0 && Foundation.listen(listener, 16) == 0
                    && getsockname(listener, raw, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        return (listener, "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))")
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    var received: [Received] { state.withLock { $0.received } }

    /// What the next ones are answered with.
    func answer(_ status: Int) { state.withLock { $0.status = status } }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var data = Data(), buffer = [UInt8](repeating: 0, count: 1 << 16)
        var head: [String] = [], headers: [String: String] = [:], bodyStart = 0
        while true {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return }
            data.append(contentsOf: buffer[..<count])
            if head.isEmpty, let end = data.range(of: Data("\r\n\r\n".utf8)) {
                head = String(decoding: data[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                bodyStart = end.upperBound
                for line in head.dropFirst() {
                    guard let colon = line.firstIndex(of: ":") else { continue }
                    headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                        .trimmingCharacters(in: .whitespaces)
                }
            }
            if !head.isEmpty, data.count - bodyStart >= Int(headers["content-length"] ?? "0") ?? 0 { break }
        }
        let path = head[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let status = state.withLock { state in
            state.received.append(
                Received(path: path, headers: headers, body: String(decoding: data[bodyStart...], as: UTF8.self)))
            return state.status
        }
        let answer = Array("HTTP/1.1 \(status) Said\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsaid".utf8)
        _ = write(connection, answer, answer.count)
    }
}
