import Glibc

/// The admin socket from the caller's side: one call after the other, each waiting for its reply.
package final class Client {
    /// Bytes in a reply. Varlink has no limit; this one protects the caller's memory from a broken daemon.
    private static let replyLimit = 64 << 20

    package let path: String
    private let patience: Int
    private let descriptor: Int32
    private var replies = FrameDecoder(limit: replyLimit)

    /// - Parameter patience: seconds that a call may take. The slowest call, a change that every role has to acknowledge, takes
    ///   less.
    package init(path: String, patience: Int = 90) throws(ClientError) {
        signal(SIGPIPE, SIG_IGN)
        self.path = path
        self.patience = patience
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .unreachable(path: path, code: errno) }
        self.descriptor = descriptor
        // Connecting waits as long as sending may where the daemon accepts nobody (unix(7)).
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw .unreachable(path: path, code: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else {
            guard errno == EAGAIN else { throw .unreachable(path: path, code: errno) }
            throw .silent(path: path, seconds: patience)
        }
    }

    deinit { close(descriptor) }

    /// Calls the method and waits for its reply.
    ///
    /// - Parameter manner: for a method that makes a change.
    package func call<C: Call>(_ call: C, _ manner: Manner? = nil) throws(ClientError) -> C.Reply {
        let parameters = try callForJSON(call, manner)
        do {
            return try JSON.decode(C.Reply.self, from: JSON.encode(parameters))
        } catch {
            throw .notUnderstood("the reply to \(C.name): \(error.explanation)")
        }
    }

    /// As `call`, with the reply's parameters as they came: a newer daemon may say more than this client knows.
    package func callForJSON<C: Call>(_ call: C, _ manner: Manner? = nil) throws(ClientError) -> JSONValue {
        let method = "\(Interface.admin).\(C.name)"
        let parameters = Parameters(call: call, manner: manner)
        try send(JSON.encode(Outgoing(method: method, parameters: parameters)) + [0])
        let frame = try receive()
        let reply: Incoming
        do {
            reply = try JSON.decode(Incoming.self, from: frame)
        } catch {
            throw .notUnderstood("no varlink reply: \(error.explanation)")
        }
        if let name = reply.error { throw Self.failure(name, reply.parameters ?? .null, of: C.name) }
        return reply.parameters ?? .object([:])
    }

    private struct Outgoing<Parameters: Encodable>: Encodable {
        var method: String
        var parameters: Parameters
    }

    /// Both as members of one object.
    private struct Parameters<C: Call>: Encodable {
        var call: C
        var manner: Manner?

        func encode(to encoder: any Encoder) throws {
            try call.encode(to: encoder)
            try manner?.encode(to: encoder)
        }
    }

    private struct Incoming: Decodable {
        var error: String?
        var parameters: JSONValue?
    }

    private static func failure(_ name: String, _ parameters: JSONValue, of method: String) -> ClientError {
        var detail = ""
        if case .object(let members) = parameters, case .string(let text)? = members.values.first { detail = text }
        if name.hasPrefix(Interface.admin + "."),
            let error = AdminError(name: String(name.dropFirst(Interface.admin.count + 1)), reason: detail)
        {
            return .admin(error)
        }
        switch name {
        case "org.varlink.service.InvalidParameter":
            return .admin(.refused("\(method) does not take this value of \(detail)"))
        case "org.varlink.service.MethodNotFound", "org.varlink.service.MethodNotImplemented":
            return .notUnderstood(
                "the daemon has no method \(method); it is of another version than this client")
        case "org.varlink.service.InterfaceNotFound":
            return .notUnderstood("what listens there is no Gatehouse: it has no interface \(Interface.admin)")
        default:
            return .notUnderstood("\(name) \(detail)")
        }
    }

    private func send(_ bytes: [UInt8]) throws(ClientError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE || errno == ECONNRESET {
                // A server that turns a caller away sends the reason before it closes, and that can still be read.
                return
            } else if errno == EAGAIN {
                throw .silent(path: path, seconds: patience)
            } else if errno != EINTR {
                throw .disconnected
            }
        }
    }

    private func receive() throws(ClientError) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 65536)
        while true {
            do {
                if let frame = try replies.next() { return frame }
            } catch {
                throw .notUnderstood("a reply of more than \(Self.replyLimit) bytes")
            }
            let count = read(descriptor, &block, block.count)
            if count > 0 {
                replies.append(block[..<count])
            } else if count < 0, errno == EAGAIN {
                throw .silent(path: path, seconds: patience)
            } else if count == 0 || errno != EINTR {
                throw .disconnected
            }
        }
    }
}

/// Why a call had no good end, as the caller sees it.
package enum ClientError: Error, Hashable {
    /// Nobody listens there, or the socket cannot be opened; `code` is connect(2)'s errno.
    case unreachable(path: String, code: Int32)
    /// The daemon closed the connection without an answer.
    case disconnected
    /// The daemon said nothing for so long.
    case silent(path: String, seconds: Int)
    /// It answered something that this client cannot read.
    case notUnderstood(String)
    /// It answered with an error.
    case admin(AdminError)
}

extension ClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let path, ENOENT):
            """
            gatehoused is not running, or listens elsewhere: there is no socket at \(path); start it with \
            `systemctl start gatehouse`, or name the socket with --socket
            """
        case .unreachable(let path, ECONNREFUSED):
            """
            gatehoused is not running: nobody listens at \(path); start it with `systemctl start gatehouse`, or name \
            another socket with --socket
            """
        case .unreachable(let path, EACCES), .unreachable(let path, EPERM):
            "you may not open \(path); try again as root, or name another socket with --socket"
        case .unreachable(let path, let code):
            "cannot connect to \(path): \(String(cString: strerror(code)))"
        case .disconnected:
            "gatehoused closed the connection without an answer; its log may say why (`journalctl -u gatehouse`)"
        case .silent(let path, let seconds):
            """
            gatehoused, which listens at \(path), has not answered for \(seconds) s, and whether it did what it was asked \
            is not known; its log may say why (`journalctl -u gatehouse`)
            """
        case .notUnderstood(let detail):
            "gatehoused's answer makes no sense: \(detail)"
        case .admin(let error):
            error.reason
        }
    }
}
