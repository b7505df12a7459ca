import CLinux
import Glibc
import Synchronization

/// What a session is given: its reactor, its client, and where the client is.
package typealias SessionBody = @Sendable (isolated Reactor, consuming Socket, SocketAddress) async -> Void

/// A client that was accepted and is on its way to its reactor. Its session's share of the descriptors is taken already, or
/// a burst would be accepted before any of it counts.
struct Arrival {
    let descriptor: Int32
    let peer: SocketAddress
    let acceptor: Acceptor

    init(descriptor: Int32, peer: SocketAddress, acceptor: Acceptor) {
        self.descriptor = descriptor
        self.peer = peer
        self.acceptor = acceptor
        DescriptorBudget.shared.take(DescriptorBudget.session)
    }

    /// Closes it, for want of a reactor.
    func drop() {
        _ = linux_close(descriptor)
        DescriptorBudget.shared.give(DescriptorBudget.session)
    }
}

/// A listening socket from which one reactor accepts, handing each client to the reactor with the least load.
///
/// Tried and not taken: SO_REUSEPORT per thread spreads a few heavy flows badly and loses a dead process's queue;
/// EPOLLEXCLUSIVE wakes the same thread again and again.
package final class Acceptor: Sendable {
    let session: SessionBody
    let account: UInt16
    private let home: Reactor
    private let reactors: [Reactor]
    private let onPause: @Sendable (Errno?) -> Void
    private let isClosed = Atomic<Bool>(false)
    /// Rung by new clients and by `close()`. Touched on `home` alone.
    private nonisolated(unsafe) var alarm: Alarm?

    /// Clients taken from the queue in one turn, at most.
    private static let batch = 64
    /// How long accepting pauses when there is no descriptor left.
    private static let pause = Duration.milliseconds(50)
    /// Without an obstacle for so long (milliseconds) it has recovered, and the next obstacle is news.
    private static let recovery: UInt64 = 10_000

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
        self.account = account
        self.reactors = reactors
        home = reactors[0]
        self.onPause = onPause
        self.session = session
        let number = listener.release()
        home.spawn { await self.run(from: Descriptor(adopting: number), on: $0) }
    }

    /// Stops accepting and closes the socket. Sessions go on. From any thread.
    package func close() {
        isClosed.store(true, ordering: .relaxed)
        home.spawn { _ in self.alarm?.ring() }
    }

    /// What stands in the way of accepting.
    private enum Obstacle: Error {
        case budget
        case refusal(Errno)
    }

    private func run(from listener: consuming Descriptor, on reactor: isolated Reactor) async {
        let alarm = Alarm(on: reactor)
        self.alarm = alarm
        defer { self.alarm = nil }
        var lastObstacle: UInt64?
        while !isClosed.load(ordering: .relaxed) {
            let obstacle = await accept(from: listener, on: reactor, alarm: alarm)
            guard let obstacle else { continue }
            let now = monotonicMilliseconds()
            if lastObstacle.map({ now - $0 > Acceptor.recovery }) ?? true {
                if case .refusal(let errno) = obstacle { onPause(errno) } else { onPause(nil) }
            }
            lastObstacle = now
            // Who asks for something comes before who does not.
            let share = DescriptorBudget.shared.relief / reactors.count + 1
            for each in reactors { each.spawn { $0.loop.endExpendable(atMost: share) } }
            if case .refusal = obstacle {
                await reactor.sleep(for: Acceptor.pause)
            } else {
                // Their tasks give back what they hold in this turn.
                await reactor.sleep(for: .zero)
            }
        }
    }

    /// Accepts until closed or until something stands in the way, which it answers.
    private func accept(
        from listener: borrowing Descriptor, on reactor: isolated Reactor, alarm: Alarm
    ) async -> Obstacle? {
        let loop = reactor.loop
        do throws(Obstacle) {
            // Level-triggered, so that what a batch leaves in the queue announces itself again.
            let watch: Slot.Index
            do throws(Errno) {
                watch = try loop.watch(listener.number, for: LINUX_EPOLLIN) { _ in alarm.ring() }
            } catch {
                throw .refusal(error)
            }
            defer { loop.close(watch) }
            while true {
                await alarm.wait()
                if isClosed.load(ordering: .relaxed) { return nil }
                try acceptBatch(from: listener, on: reactor)
            }
        } catch {
            return error
        }
    }

    private func acceptBatch(from listener: borrowing Descriptor, on reactor: isolated Reactor) throws(Obstacle) {
        var peer = sockaddr_storage()
        for _ in 0..<Acceptor.batch {
            guard DescriptorBudget.shared.allowsSession else { throw .budget }
            let descriptor = linux_accept(listener.number, &peer)
            guard descriptor >= 0 else {
                if descriptor == -EAGAIN { return }
                throw .refusal(Errno(-descriptor))
            }
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
    }
}
