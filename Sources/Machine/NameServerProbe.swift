package import Address
import Glibc

/// Asks a name server something, to see whether it answers and how long a packet to it may be.
package enum NameServerProbe: Hashable, Sendable {
    /// In so many milliseconds. longest: bytes of the longest packet that the way there takes, as far as this machine knows; nil:
    /// it does not know.
    case answered(milliseconds: Int, longest: Int?)
    case silent
    case unreachable(why: String)

    /// Waits two seconds at most.
    package static func ask(_ server: IPAddress, port: UInt16 = 53) -> NameServerProbe {
        let isIPv6 = server.isIPv6
        let descriptor = socket(
            isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .unreachable(why: text(errno)) }
        defer { close(descriptor) }
        // Packets are not to be cut on the way (IP_MTU_DISCOVER, IP_PMTUDISC_DO; ip(7), ipv6(7)).
        var always: Int32 = 2
        setsockopt(
            descriptor, Int32(isIPv6 ? IPPROTO_IPV6 : IPPROTO_IP), isIPv6 ? 23 : 10, &always,
            socklen_t(MemoryLayout<Int32>.size))
        var (address, length) = Endpoint(address: server, port: port).socketAddress
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard isConnected else { return .unreachable(why: text(errno)) }
        let start = ContinuousClock.now
        guard exchange(descriptor, length: 0, seconds: 2) else {
            let error = pendingError(descriptor)
            return error == 0 ? .silent : .unreachable(why: text(error))
        }
        let milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        return .answered(milliseconds: milliseconds, longest: longest(descriptor, isIPv6: isIPv6))
    }

    /// A question that fills the longest packet of the way: a router that cannot pass it on says how long one may be.
    private static func longest(_ descriptor: Int32, isIPv6: Bool) -> Int? {
        let heads = isIPv6 ? 48 : 28
        for _ in 0..<3 {
            guard let known = pathSize(descriptor, isIPv6: isIPv6) else { return nil }
            // A server that does not care for long questions says nothing of the way.
            if exchange(descriptor, length: min(known, 1500) - heads, seconds: 1) { return known }
            guard let now = pathSize(descriptor, isIPv6: isIPv6), now < known else { return nil }
        }
        return pathSize(descriptor, isIPv6: isIPv6)
    }

    /// IP_MTU, IPV6_MTU.
    private static func pathSize(_ descriptor: Int32, isIPv6: Bool) -> Int? {
        var size: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = getsockopt(
            descriptor, Int32(isIPv6 ? IPPROTO_IPV6 : IPPROTO_IP), isIPv6 ? 24 : 14, &size, &length)
        return result == 0 ? Int(size) : nil
    }

    /// Whether an answer comes to a question of so many bytes for the root's name servers (RFC 1035 §4; padding: RFC 7830).
    private static func exchange(_ descriptor: Int32, length: Int, seconds: Int) -> Bool {
        let id = UInt16.random(in: 1...UInt16.max)
        var question: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]
        let rest = length - question.count - 15
        if rest > 0 {
            question[11] = 1
            // OPT with 1232 bytes for the answer, and the option 12.
            question += [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, UInt8((rest + 4) >> 8), UInt8((rest + 4) & 0xff)]
            question += [0, 12, UInt8(rest >> 8), UInt8(rest & 0xff)] + [UInt8](repeating: 0, count: rest)
        }
        guard send(descriptor, question, question.count, 0) == question.count else { return false }
        let end = ContinuousClock.now + .seconds(seconds)
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
