package import Address
import Glibc

/// Asks a host of the network which of its ports take a connection, politely: so many connections are begun in a second and no more, each
/// is closed at once, and one that nobody answers is let go after a moment.
package struct PortScan {
    package struct Result: Hashable, Sendable {
        package var open: [UInt16] = []
        /// Ports of which the host has said that nothing listens there.
        package var refused = 0
        /// Ports of which nothing was heard.
        package var silent = 0
        /// Nobody has this address at present: who asked for its card got no answer.
        package var isAway = false
        /// This machine's own firewall let nothing out.
        package var isForbidden = false

        /// Whether the host has said anything.
        package var isThere: Bool { !open.isEmpty || refused > 0 }
    }

    private struct Attempt {
        let descriptor: Int32
        let port: UInt16
        let began: ContinuousClock.Instant
    }

    private let address: IPAddress
    private let interface: String?
    private let rate: Int

    /// Connections that wait for an answer at once.
    private static let width = 128
    /// The kernel sends a second SYN after a second (tcp(7)).
    private static let patience = Duration.milliseconds(1500)
    /// Asking for a host's card takes the kernel three seconds (arp(7), mcast_solicit), and as long again where somebody else had asked.
    private static let longestSearch = Duration.milliseconds(7000)

    /// - Parameters:
    ///   - interface: where a link-local address is looked for.
    ///   - rate: connections that are begun in a second.
    package init(of address: IPAddress, on interface: String?, rate: Int = 1000) {
        (self.address, self.interface, self.rate) = (address, interface, max(rate, 1))
    }

    /// Whether anybody is there, by a port on which hardly anybody listens. A host that says nothing may be there all the same.
    package func look() -> Result {
        var result = scan([9], patience: Self.longestSearch) { _ in }
        // That a SYN was dropped in this machine nobody tells (tcp_connect() in the kernel); of a datagram it is told.
        if case .success(let descriptor) = ScanSocket.connect(to: address, 9, on: interface, datagrams: true) {
            if send(descriptor, [0] as [UInt8], 1, Int32(MSG_NOSIGNAL)) < 0, errno == EPERM {
                result.isForbidden = true
            }
            close(descriptor)
        }
        return result
    }

    /// - Parameter progress: is told now and then how many ports are done.
    package func run(_ ports: [UInt16], _ progress: (Int) -> Void = { _ in }) -> Result {
        scan(ports, patience: Self.patience, progress)
    }

    private func scan(_ ports: [UInt16], patience: Duration, _ progress: (Int) -> Void) -> Result {
        var result = Result()
        var attempts: [Attempt] = []
        var rest = ports[...]
        defer { for attempt in attempts { close(attempt.descriptor) } }
        let start = ContinuousClock.now
        var begun = 0
        while !rest.isEmpty || !attempts.isEmpty {
            let due = Int((ContinuousClock.now - start) / .milliseconds(1)) * rate / 1000 + 1
            while begun < due, attempts.count < Self.width, let port = rest.popFirst() {
                begun += 1
                switch ScanSocket.connect(to: address, port, on: interface) {
                case .success(let descriptor):
                    attempts.append(Attempt(descriptor: descriptor, port: port, began: .now))
                case .failure(let failure): note(failure.code, port, in: &result)
                }
            }
            var states = attempts.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
            _ = poll(&states, nfds_t(states.count), rest.isEmpty || attempts.count >= Self.width ? 20 : 1)
            var waiting: [Attempt] = []
            for (attempt, state) in zip(attempts, states) {
                let isSettled = state.revents != 0
                guard isSettled || ContinuousClock.now - attempt.began > patience else {
                    waiting.append(attempt)
                    continue
                }
                note(isSettled ? ScanSocket.error(of: attempt.descriptor) : ETIMEDOUT, attempt.port, in: &result)
                close(attempt.descriptor)
            }
            attempts = waiting
            progress(begun - attempts.count)
            // The others would be told the same, each after three seconds.
            if result.isForbidden || result.isAway, !result.isThere { break }
        }
        result.open.sort()
        return result
    }

    private func note(_ error: Int32, _ port: UInt16, in result: inout Result) {
        switch error {
        case 0: result.open.append(port)
        case ECONNREFUSED, ECONNRESET: result.refused += 1
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, EADDRNOTAVAIL: result.isAway = true
        case EPERM, EACCES: result.isForbidden = true
        default: result.silent += 1
        }
    }
}

/// The sockets of a scan: none of them ever waits.
enum ScanSocket {
    struct Failure: Error {
        let code: Int32
    }

    /// A connection that is begun; over UDP the kernel alone knows of it.
    static func connect(
        to address: IPAddress, _ port: UInt16, on interface: String?, datagrams: Bool = false
    ) -> Swift.Result<Int32, Failure> {
        let type =
            Int32((datagrams ? SOCK_DGRAM : SOCK_STREAM).rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.isIPv6 ? AF_INET6 : AF_INET, type, 0)
        guard descriptor >= 0 else { return .failure(Failure(code: errno)) }
        var (place, length) = Endpoint(address: address, port: port).socketAddress
        let result = withUnsafeMutablePointer(to: &place) { place in
            if let interface, address.isIPv6 {
                place.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    $0.pointee.sin6_scope_id = if_nametoindex(interface)
                }
            }
            return place.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        guard result == 0 || errno == EINPROGRESS else {
            let code = errno
            close(descriptor)
            return .failure(Failure(code: code))
        }
        return .success(descriptor)
    }

    /// SO_ERROR (socket(7)).
    static func error(of descriptor: Int32) -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno
    }
}
