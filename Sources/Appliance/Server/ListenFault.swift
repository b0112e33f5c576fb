import Core
import Foundation
import NIOCore

/// Why the server could not begin to listen, with what to do about it. Other errors stay what they are.
enum ListenFault {
    static func explain(_ error: any Error, host: String, port: Int) -> any Error {
        switch error {
        case is SocketAddressError.UnknownHost, is SocketAddressError:
            return NestboxError(
                .invalidArgument, "the host `\(host)` cannot be resolved to an address to listen on",
                hint: "use an address of this machine: --host 127.0.0.1, or 0.0.0.0 for all of them", cause: error)
        case let error as IOError: return explain(error, host: host, port: port)
        default: return error
        }
    }

    private static func explain(_ error: IOError, host: String, port: Int) -> any Error {
        switch error.errnoCode {
        case EADDRINUSE:
            return NestboxError(
                .alreadyExists, "port \(port) on \(host) is in use",
                hint: "take any free one with --port 0, or another; `ss -ltnp 'sport = :\(port)'` shows who holds it")
        case EACCES, EPERM:
            return NestboxError(
                .permissionDenied, "port \(port) on \(host) may not be opened: \(reason(error))",
                hint: "ports below 1024 are for root; use --port 8080, with a proxy in front where it must be \(port)")
        case EADDRNOTAVAIL, EAFNOSUPPORT:
            return NestboxError(
                .invalidArgument, "\(host) is not an address of this machine: \(reason(error))",
                hint: "use --host 127.0.0.1, or 0.0.0.0 for all of them; `ip address` lists them")
        default: return error
        }
    }

    private static func reason(_ error: IOError) -> String { String(cString: strerror(error.errnoCode)) }
}
