import CLinux
import Glibc
import Synchronization

/// What a session is given: its reactor, its client, and where the client is.
package typealias SessionBody = @Sendable (isolated Reactor, consuming Socket, SocketAddress) async -> Void

/// A client that was accepted and is on its way to its reactor.
struct Arrival {
    let descriptor: Int32
    let peer: SocketAddress
    let acceptor: Acceptor
}

/// A listening socket from which one reactor accepts, handing each client to the reactor with the least load.
///
/// Tried and not taken: SO_REUSEPORT per thread spreads a few heavy flows badly and loses a dead process's queue;
/// EPOLLEXCLUSIVE wakes the same thread again and again.
package final class Acceptor: Sendable {
    let session: SessionBody
    let account: UInt16
    private let listener: Descriptor
    private let home: Reactor
    private let reactors: [Reactor]
    private let onPause: @Sendable (Errno?) -> Void
    private let isClosed = Atomic<Bool>(false)

    /// Clients taken from the queue in one turn, at most.
    private static let batch = 64
    /// How long accepting pauses when there is no descriptor left.
    private static let pause = TimerWheel.ticks(.milliseconds(50))

    /// Starts accepting on `reactors[0]`.
    ///
    /// - Parameters:
    ///   - account: where the sessions are counted.
    ///   - onPause: called when accepting pauses for want of descriptors or memory (the errno, nil: the process's own
    ///     limit), at most once until it has recovered.
    package init(
        listener: consuming Descriptor, account: UInt16, reactors: [Reactor],
        onPause: @escaping @Sendable (Errno?) -> Void, session: @escaping SessionBody
    ) {
        self.listener = listener
        self.account = account
        self.reactors = reactors
        home = reactors[0]
        self.onPause = onPause
        self.session = session
        home.spawn { await self.run(on: $0) }
    }

    /// Stops accepting and lets go of the socket. Sessions go on. From any thread.
    package func close() {
        isClosed.store(true, ordering: .relaxed)
        home.spawn { [self] _ in await ring() }
    }

    private nonisolated(unsafe) var alarm: Alarm?

    private func ring() async {
        alarm?.ring()
    }

    /// Level-triggered, so that what a batch leaves in the queue announces itself again.
    private func run(on reactor: isolated Reactor) async {
        let loop = reactor.loop
        let alarm = Alarm(on: reactor)
        self.alarm = alarm
        var hasWarned = false
        while !isClosed.load(ordering: .relaxed) {
            guard let watch = try? loop.watch(listener.number, for: LINUX_EPOLLIN, watcher: { _ in alarm.ring() })
            else { break }
            var obstacle: Errno?? = .none
            while obstacle == nil, !isClosed.load(ordering: .relaxed) {
                _ = await alarm.wait(atMost: UInt32?.none)
                obstacle = isClosed.load(ordering: .relaxed) ? nil : acceptBatch(on: reactor)
                if obstacle == nil { hasWarned = false }
            }
            loop.close(watch)
            if let obstacle, !hasWarned {
                hasWarned = true
                onPause(obstacle)
            }
            if obstacle != nil { await reactor.sleep(for: .milliseconds(50)) }
        }
        self.alarm = nil
    }

    /// Accepts what is queued. Answers what stands in the way, if anything does.
    private func acceptBatch(on reactor: isolated Reactor) -> Errno?? {
        var peer = sockaddr_storage()
        for _ in 0..<Acceptor.batch {
            guard DescriptorBudget.shared.allowsSession else { return .some(nil) }
            let descriptor = linux_accept(listener.number, &peer)
            guard descriptor >= 0 else { return descriptor == -EAGAIN ? nil : .some(Errno(-descriptor)) }
            guard let address = SocketAddress(peer) else {
                _ = linux_close(descriptor)
                continue
            }
            let arrival = Arrival(descriptor: descriptor, peer: address, acceptor: self)
            let target = reactors.min { $0.load < $1.load } ?? reactor
            if target === reactor {
                reactor.admit(arrival)
            } else {
                target.executor.deliver(arrival, to: target)
            }
        }
        return nil
    }
}
