import Foundation
import Glibc
import Synchronization

/// Connects every millisecond, or sends a datagram, each time anew and for 50 ms at most, and notes each time that something
/// came back.
package final class Prober: Sendable {
    package enum Transport: Sendable {
        case tcp, udp
    }

    /// When attempts were begun.
    package struct Tally: Sendable {
        package var attempts = 0
        /// Those that were answered, whether by an acceptance or by a reset: a packet got through.
        package var answered: [ContinuousClock.Instant] = []

        /// From the first one that was answered to the last one.
        package var span: Duration {
            guard let first = answered.first, let last = answered.last else { return .zero }
            return last - first
        }
    }

    private struct Attempt {
        var descriptor: CInt
        var begun: ContinuousClock.Instant
    }

    private let tally = Mutex(Tally())
    private let isEnded = Atomic(false)
    private let done = DispatchSemaphore(value: 0)
    private let transport: Transport

    /// - Parameter host: an address of either IP version.
    package init(from namespace: Namespace, to host: String, _ port: UInt16, over transport: Transport = .tcp) {
        self.transport = transport
        Thread.detachNewThread { [self] in
            try? namespace.enter { run(host, port) }
            done.signal()
        }
    }

    /// What has been seen up to now.
    package var seen: Tally { tally.withLock { $0 } }

    /// Ends it. The last attempts get their time.
    package func end() -> Tally {
        isEnded.store(true, ordering: .relaxed)
        done.wait()
        return seen
    }

    private func run(_ host: String, _ port: UInt16) {
        var attempts: [Attempt] = []
        while !isEnded.load(ordering: .relaxed) || !attempts.isEmpty {
            if !isEnded.load(ordering: .relaxed), let descriptor = begin(host, port) {
                attempts.append(Attempt(descriptor: descriptor, begun: .now))
                tally.withLock { $0.attempts += 1 }
            }
            var polls = attempts.map {
                pollfd(fd: $0.descriptor, events: Int16(transport == .tcp ? POLLOUT : POLLIN), revents: 0)
            }
            var millisecond = timespec(tv_sec: 0, tv_nsec: 1_000_000)
            nanosleep(&millisecond, nil)
            poll(&polls, nfds_t(polls.count), 0)
            var left: [Attempt] = []
            for (attempt, poll) in zip(attempts, polls) {
                // Unreachable, and given up by the kernel, are no answers of the host's.
                let isAnswered = poll.revents != 0 && [0, ECONNREFUSED].contains(error(of: attempt.descriptor))
                if isAnswered { tally.withLock { $0.answered.append(attempt.begun) } }
                if poll.revents != 0 || .now - attempt.begun > .milliseconds(50) {
                    close(attempt.descriptor)
                } else {
                    left.append(attempt)
                }
            }
            attempts = left
        }
    }

    private func begin(_ host: String, _ port: UInt16) -> CInt? {
        let type = CInt((transport == .tcp ? SOCK_STREAM : SOCK_DGRAM).rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(host.contains(":") ? AF_INET6 : AF_INET, type, 0)
        guard descriptor >= 0 else { return nil }
        // Closed with a reset, a connection leaves no TIME_WAIT behind.
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        let result = try? withAddress(host, port) { connect(descriptor, $0, $1) == 0 || errno == EINPROGRESS }
        guard result == true else {
            close(descriptor)
            return nil
        }
        // Lost or unreachable: nothing comes back then.
        if transport == .udp { send(descriptor, "?", 1, CInt(MSG_NOSIGNAL)) }
        return descriptor
    }

    private func error(of descriptor: CInt) -> CInt {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        return code
    }
}
