import Foundation
import Synchronization

/// A server on loopback that answers one connection with canned bytes and keeps what it was sent.
final class CannedServer: Sendable {
    let url: String
    private let sent = Mutex("")

    var request: String { sent.withLock { $0 } }

    /// Answers once the sent bytes end with `end`, then closes. Until `listens` says so connections are refused.
    init(
        answer: String, waitFor end: String = "\r\n\r\n", listens: @escaping @Sendable () -> Bool = { true }
    ) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, length) == 0 && (!listens() || listen(listener, 1) == 0)
                    && getsockname(listener, raw, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        Thread { [self] in
            while !listens() { usleep(5000) }
            listen(listener, 1)
            let connection = accept(listener, nil, nil)
            close(listener)
            var buffer = [UInt8](repeating: 0, count: 4096)
            while !request.hasSuffix(end) {
                let count = read(connection, &buffer, buffer.count)
                guard count > 0 else { break }
                let text = String(decoding: buffer[..<count], as: UTF8.self)
                sent.withLock { $0 += text }
            }
            let bytes = Array(answer.utf8)
            _ = write(connection, bytes, bytes.count)
            close(connection)
        }.start()
    }

    static func json(_ status: String, _ body: String) -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    }
}
