package import Address
import Glibc

/// How long a packet may be that gets from this machine to somebody, as echo requests that nobody on the way may cut find out (RFC 1191,
/// RFC 8201).
package enum PathProbe: Hashable, Sendable {
    /// A packet of so many bytes is answered, and a longer one is not let through, or is longer than what Ethernet carries.
    case answered(bytes: Int)
    /// Short packets are answered, of so many bytes none, and nobody on the way says what would get through.
    case swallowed(bytes: Int)
    case silent
    /// This machine does not let it out, or has no way there.
    case unsendable(why: String)

    /// A machine whose own cable carries more learns nothing about the internet by that.
    private static let usual = 1500
    private static let short = 64
    /// Each router on the way that takes less says so by itself.
    private static let attempts = 6

    /// Waits a second where nobody answers, and seven at most. Takes CAP_NET_RAW, or a group that may send echo requests (icmp(7),
    /// ping_group_range).
    package static func ask(_ address: IPAddress) -> PathProbe {
        switch exchange(with: address, atMost: short).outcome {
        case .failed(let error): return .unsendable(why: String(cString: strerror(error)))
        case .silent: return .silent
        case .answered: break
        }
        var former = 0
        for _ in 0..<attempts {
            let (outcome, length) = exchange(with: address, atMost: usual)
            if case .answered = outcome { return .answered(bytes: length) }
            if length == former { break }
            former = length
        }
        return .swallowed(bytes: former)
    }

    private enum Outcome {
        case answered
        case silent
        case failed(Int32)
    }

    /// An echo request of so many bytes with its heads, or of as many as the kernel knows to get there: by its own cable, and by what
    /// routers have told it lately.
    private static func exchange(with address: IPAddress, atMost limit: Int) -> (outcome: Outcome, length: Int) {
        let (family, level) = address.isIPv6 ? (AF_INET6, IPPROTO_IPV6) : (AF_INET, IPPROTO_IP)
        let kind = Int32(address.isIPv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)
        var descriptor = socket(family, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), kind)
        let isRaw = descriptor >= 0
        if !isRaw { descriptor = socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), kind) }
        guard descriptor >= 0 else { return (.failed(errno), limit) }
        defer { close(descriptor) }
        // Nobody is to cut it (IP_MTU_DISCOVER, IP_PMTUDISC_DO; ip(7), ipv6(7)).
        var always: Int32 = 2
        setsockopt(
            descriptor, Int32(level), address.isIPv6 ? 23 : 10, &always, socklen_t(MemoryLayout<Int32>.size))
        var (place, size) = Endpoint(address: address, port: 0).socketAddress
        let isConnected = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
        }
        guard isConnected else { return (.failed(errno), limit) }
        // IP_MTU, IPV6_MTU.
        var known: Int32 = 0
        var room = socklen_t(MemoryLayout<Int32>.size)
        let isKnown = getsockopt(descriptor, Int32(level), address.isIPv6 ? 24 : 14, &known, &room) == 0
        let length = isKnown ? max(short, min(limit, Int(known))) : limit
        let token = (0..<8).map { _ in UInt8.random(in: .min ... .max) }
        let request = message(token, length: length - (address.isIPv6 ? 40 : 20), isIPv6: address.isIPv6)
        guard send(descriptor, request, request.count, 0) == request.count else { return (.failed(errno), length) }
        let end = ContinuousClock.now + .seconds(1)
        var buffer = [UInt8](repeating: 0, count: 2048)
        while case let left = Int((end - ContinuousClock.now) / .milliseconds(1)), left > 0 {
            var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&state, 1, Int32(left)) > 0 else { continue }
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            // A router has said that it is too long, or that there is no way.
            guard count >= 0 else { return (.failed(errno), length) }
            // A raw socket of IPv4 has the packet's head as well (raw(7)).
            let start = isRaw && !address.isIPv6 ? Int(buffer[0] & 0xf) * 4 : 0
            guard count >= start + 16, buffer[start] == (address.isIPv6 ? 129 : 0) else { continue }
            if buffer[(start + 8)..<(start + 16)].elementsEqual(token) { return (.answered, length) }
        }
        return (.silent, length)
    }

    /// An echo request (RFC 792, RFC 4443 §4.1), which its token tells from those of others.
    private static func message(_ token: [UInt8], length: Int, isIPv6: Bool) -> [UInt8] {
        var message: [UInt8] = [isIPv6 ? 128 : 8, 0, 0, 0, token[0], token[1], 0, 1] + token
        message += [UInt8](repeating: 0, count: max(0, length - message.count))
        // Of IPv6 the kernel reckons the checksum, which the addresses belong to.
        guard !isIPv6 else { return message }
        var sum: UInt32 = 0
        for index in stride(from: 0, to: message.count, by: 2) {
            sum += UInt32(message[index]) << 8 | (index + 1 < message.count ? UInt32(message[index + 1]) : 0)
        }
        while sum > 0xffff { sum = (sum >> 16) + (sum & 0xffff) }
        (message[2], message[3]) = (UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff))
        return message
    }
}
