package import Address
import Glibc

/// Asks a name server something, to see whether it answers.
package enum NameServerProbe: Hashable, Sendable {
    case answered(milliseconds: Int)
    case silent
    case unreachable(why: String)

    /// Waits two seconds at most.
    package static func ask(_ server: IPAddress, port: UInt16 = 53) -> NameServerProbe {
        let descriptor = socket(
            server.isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .unreachable(why: text(errno)) }
        defer { close(descriptor) }
        var (address, length) = Endpoint(address: server, port: port).socketAddress
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard isConnected else { return .unreachable(why: text(errno)) }
        let start = ContinuousClock.now
        guard isAnswered(descriptor) else {
            let error = pendingError(descriptor)
            return error == 0 ? .silent : .unreachable(why: text(error))
        }
        return .answered(milliseconds: Int((ContinuousClock.now - start) / .milliseconds(1)))
    }

    /// Whether an answer comes to a question for the root's name servers (RFC 1035 §4).
    private static func isAnswered(_ descriptor: Int32) -> Bool {
        let id = UInt16.random(in: 1...UInt16.max)
        let question: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
        guard send(descriptor, question, question.count, 0) == question.count else { return false }
        let end = ContinuousClock.now + .seconds(2)
        var buffer = [UInt8](repeating: 0, count: 2048)
        while case let left = Int((end - ContinuousClock.now) / .milliseconds(1)), left > 0 {
            var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&state, 1, Int32(left)) > 0 else { return false }
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0 { return false }
            if count >= 12, buffer[0] == UInt8(id >> 8), buffer[1] == UInt8(id & 0xff), buffer[2] & 0x80 != 0 {
                return true
            }
        }
        return false
    }

    private static func pendingError(_ descriptor: Int32) -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        return error
    }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
