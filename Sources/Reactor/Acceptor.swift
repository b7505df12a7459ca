import Address
import CLinux
import Glibc
import Synchronization

/// What is done with a client that was accepted. The functions it calls inherit the isolation (`nonisolated(nonsending)`): a parameter
/// `isolated Reactor` would cost a switch of executors, if only to the same one, at each call and at each return.
package typealias SessionBody = @Sendable (isolated Reactor, Connection) async -> Void

/// A listening socket from which every reactor accepts. A client stays where it was accepted, unless another reactor has
/// clearly less to do.
///
/// To hand a client over costs a wake-up and the caches of another core, so that it is done for balance alone. The kernel wakes
/// one sleeping reactor for a client (EPOLLEXCLUSIVE, epoll_ctl(2)), again and again the same one, and that is what the
/// balance is for; reactors that are awake take from the queue as they come by. SO_REUSEPORT was tried and not taken: a queue
/// for each thread spreads a few heavy flows badly and loses a dead process's clients.
package final class Acceptor: Sendable {
    let session: SessionBody
    let account: UInt16
    private let doors: [Door]
    private let onPause: @Sendable (Errno?) -> Void
    private let isClosed = Atomic<Bool>(false)
    /// When something last stood in the way, in milliseconds; 0: never.
    private let lastObstacle = Atomic<UInt64>(0)

    /// The place where one reactor accepts.
    private final class Door: Sendable {
        let reactor: Reactor
        /// Rung by what stands in the way, and by `close()`. Touched on `reactor` alone.
        nonisolated(unsafe) var alarm: Alarm?

        init(_ reactor: Reactor) {
            self.reactor = reactor
        }
    }

    /// Clients taken from the queue in one turn, at most.
    private static let batch = 64
    /// How long accepting pauses when the kernel refuses.
    private static let pause = Duration.milliseconds(50)
    /// Milliseconds without an obstacle after which accepting has recovered, and the next obstacle is news.
    private static let recovery: UInt64 = 10_000

    /// Starts accepting. Where there are not descriptors enough for all `reactors`, the first accept for the others.
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
        self.onPause = onPause
        self.session = session
        doors = reactors.map(Door.init)
        // An epoll set knows a descriptor by its number and its open file: each door has a number of its own to close.
        for door in doors.dropFirst() {
            guard let number = (try? listener.duplicate())?.release() else { break }
            door.reactor.spawn { await self.run(door, from: Descriptor(adopting: number), on: $0) }
        }
        let number = listener.release()
        reactors[0].spawn { await self.run(self.doors[0], from: Descriptor(adopting: number), on: $0) }
    }

    /// Stops accepting and closes the socket. Sessions go on. From any thread.
    package func close() {
        isClosed.store(true, ordering: .relaxed)
        for door in doors { door.reactor.spawn { _ in door.alarm?.ring() } }
    }

    /// Why no client can be accepted at present.
    private enum Obstacle: Error {
        case budget
        /// Of memory.
        case shortage
        case refusal(Errno)
        /// The socket listens no longer: shutdown(2) by any process that has it ends that for all of them.
        case end

        /// Whether a session that ends gives back what is missing (accept(2)).
        var isWant: Bool {
            switch self {
            case .budget: true
            // The shortage has somebody of its own who ends sessions.
            case .shortage, .end: false
            case .refusal(let errno): [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno.code)
            }
        }
    }

    private func run(_ door: Door, from listener: consuming Descriptor, on reactor: isolated Reactor) async {
        let alarm = Alarm(on: reactor)
        door.alarm = alarm
        DescriptorBudget.shared.reserve(1)
        defer {
            DescriptorBudget.shared.release(1)
            door.alarm = nil
        }
        while !isClosed.load(ordering: .relaxed) {
            guard let obstacle = await accept(from: listener, on: reactor, alarm: alarm) else { continue }
            let now = max(1, monotonicMilliseconds())
            if case .shortage = obstacle {
                await reactor.sleep(for: Acceptor.pause)
                continue
            }
            if case .end = obstacle {
                while !isClosed.load(ordering: .relaxed) { await alarm.wait() }
                return
            }
            let last = lastObstacle.exchange(now, ordering: .relaxed)
            if last == 0 || now > last + Acceptor.recovery {
                if case .refusal(let errno) = obstacle { onPause(errno) } else { onPause(nil) }
            }
            // Clients that ask for something come before clients that do not.
            if obstacle.isWant, DescriptorBudget.shared.beginRelief(at: now) {
                let relief = DescriptorBudget.shared.relief(for: Int(linux_waiting(listener.number)))
                // Where the expendable ones are is not known: among all reactors alike, most likely.
                let share = (relief.count + doors.count - 1) / doors.count
                for each in doors {
                    each.reactor.spawn { $0.loop.endExpendable(atMost: share, sparing: relief.sparing) }
                }
            }
            if case .refusal = obstacle {
                await reactor.sleep(for: Acceptor.pause)
            } else {
                // The tasks of the ended sessions give back what they hold in this turn.
                await reactor.sleep(for: .zero)
            }
        }
    }

    /// Accepts until closed or until something stands in the way, which it answers.
    private func accept(
        from listener: borrowing Descriptor, on reactor: isolated Reactor, alarm: Alarm
    ) async -> Obstacle? {
        let loop = reactor.loop
        let number = listener.number
        var obstacle: Obstacle?
        let watch: Slot.Index
        do throws(Errno) {
            // Level-triggered, so that what a batch leaves in the queue announces itself again. Sessions begin within the
            // event that announces them; this task has to wake only for what stands in their way.
            watch = try loop.watch(number, for: LINUX_EPOLLIN | LINUX_EPOLLEXCLUSIVE) { [self] _ in
                guard obstacle == nil, !isClosed.load(ordering: .relaxed) else { return }
                do throws(Obstacle) {
                    try acceptBatch(from: number, on: reactor)
                } catch {
                    obstacle = error
                    alarm.ring()
                }
            }
        } catch {
            return .refusal(error)
        }
        defer { loop.close(watch) }
        while obstacle == nil, !isClosed.load(ordering: .relaxed) { await alarm.wait() }
        return obstacle
    }

    private func acceptBatch(from listener: Int32, on reactor: isolated Reactor) throws(Obstacle) {
        var peer = sockaddr_storage()
        MemoryBudget.shared.look(at: monotonicMilliseconds())
        if MemoryBudget.shared.isShort, reactor.load > MemoryBudget.fewest { throw .shortage }
        for _ in 0..<Acceptor.batch {
            guard DescriptorBudget.shared.reserveSession() else { throw .budget }
            let descriptor = linux_accept(listener, &peer)
            guard descriptor >= 0, let address = Endpoint(peer) else {
                DescriptorBudget.shared.release(DescriptorBudget.session)
                if descriptor == -EAGAIN { return }
                // accept(2): the socket is not listening.
                if descriptor == -EINVAL { throw .end }
                guard descriptor >= 0 else { throw .refusal(Errno(-descriptor)) }
                _ = linux_close(descriptor)
                continue
            }
            let arrival = Arrival(descriptor: descriptor, peer: address, acceptor: self)
            if let target = relief(for: reactor) {
                target.executor.deliver(arrival, to: target)
            } else {
                reactor.admit(arrival)
            }
        }
    }

    /// The reactor that is to have a client in place of one that has a quarter more to do than it, and at least one session
    /// more: a few heavy flows are spread evenly, and hundreds of light ones are not passed about for nothing.
    private func relief(for reactor: Reactor) -> Reactor? {
        var (least, leastLoad) = (reactor, reactor.load)
        let most = leastLoad
        for door in doors where door.reactor.load < leastLoad { (least, leastLoad) = (door.reactor, door.reactor.load) }
        return most > leastLoad + leastLoad / 4 ? least : nil
    }
}
