import CLinux
import Glibc
import Synchronization

/// Called on each event of a descriptor that no task waits for.
typealias Watcher = (_ flags: Slot.Flags) -> Void

/// The state of one epoll loop and the turns it takes. Confined to its thread.
final class Loop {
    let epoll: Descriptor
    let counters: Counters
    let limits: TunnelTicks
    var slots = PagedTable<Slot>()
    var tunnels = PagedTable(vacancy: Tunnel())
    var sessions = PagedTable(vacancy: SessionEntry())
    var pipes = PipePool()
    let idleTasks = IdleTasks()
    /// Where data passes through that is copied; never holds anything from one call to the next.
    let scratch: UnsafeMutableRawBufferPointer
    /// Where datagrams pass through; made for the first UDP socket.
    lazy var datagrams = DatagramBatch()
    var gathering = Gathering()
    /// Sessions on this loop. Other threads read it.
    let load = Atomic<Int>(0)
    /// Whether `pump` has moved a byte since it last cleared this.
    var hasMoved = false
    /// Tunnels that used up this turn and are not done; and the list of the turn before, while its tunnels are pumped.
    private var unfinished: [Tunnel.Index] = []
    private var resumed: [Tunnel.Index] = []
    /// Tasks that have used up this turn and wait for the next one.
    private var resting: [UnsafeContinuation<Void, Never>] = []
    private var wheel: TimerWheel
    /// The slots of this turn's events whose turn comes at its end, with their generations; and how many of them had theirs so far.
    private var bulk: [(index: Slot.Index, generation: UInt32)] = []
    private var bulkServed = 0
    private var closed: [Slot.Index] = []
    /// Slots that are expendable.
    private var expendable = 0
    private var events: UnsafeMutableBufferPointer<linux_event>
    private var eventCount = 0
    /// Milliseconds of CLOCK_MONOTONIC at the start of this turn.
    private(set) var now: UInt64
    /// Waits that may still find their slot ready before the clock is asked whether the turn is over.
    private var credit = Loop.credit

    static let scratchSize = 64 << 10
    private static let credit = 32
    /// Milliseconds after which a turn is to end: tasks then wait for the next even for what is there already.
    static let longTurn: UInt64 = 8
    /// Nanoseconds of a turn for datagrams. One client's that come by the ten thousand would otherwise make every turn so long that
    /// connections, which take several for each exchange, were served in seconds.
    private static let bulkTime: UInt64 = 1_000_000

    init(counters: Counters, limits: TunnelLimits) throws(Errno) {
        epoll = try Descriptor(adopting: checked(linux_epoll_create()))
        self.counters = counters
        self.limits = TunnelTicks(limits)
        scratch = .allocate(byteCount: Loop.scratchSize, alignment: 4096)
        events = .allocate(capacity: 256)
        now = monotonicMilliseconds()
        wheel = TimerWheel(now: now)
    }

    deinit {
        scratch.deallocate()
        events.deallocate()
    }

    // MARK: turns

    /// Waits for events. True if one was the wake-up of another thread.
    func poll(mayBlock: Bool) -> Bool {
        let timeout =
            mayBlock && unfinished.isEmpty && resting.isEmpty ? wheel.timeout(now: monotonicMilliseconds()) : 0
        let count = linux_epoll_wait(epoll.number, events.baseAddress, 256, timeout)
        precondition(count >= 0, "epoll_wait: \(Errno(-count))")
        now = monotonicMilliseconds()
        credit = Loop.credit
        eventCount = 0
        var wokeUp = false
        for index in 0..<Int(count) {
            if events[index].data == UInt64.max {
                wokeUp = true
            } else {
                events[eventCount] = events[index]
                eventCount += 1
            }
        }
        return wokeUp
    }

    /// Marks slots ready, resumes the tasks that wait for them, pumps tunnels, and lets deadlines pass.
    func deliver() {
        swap(&unfinished, &resumed)
        for index in 0..<eventCount { deliver(events[index]) }
        eventCount = 0
        for tunnel in resumed { pumpAgain(tunnel) }
        resumed.removeAll(keepingCapacity: true)
        resumeResting()
        deliverBulk()
        let due = wheel.advance(to: now, in: slots)
        // Origin slots first: their deadline resumes a tunnel that waits for tokens. Were its client slot to expire first, the tunnel
        // would be reaped as idle.
        for slot in due where isOrigin(slot) { expire(slot) }
        for slot in due where !isOrigin(slot) { expire(slot) }
    }

    /// Calls those who have datagrams, as far as there is time. The others are told of in the next turn (epoll is level-triggered there),
    /// and go before them then.
    private func deliverBulk() {
        guard !bulk.isEmpty else { return }
        let end = MonotonicClock.nanoseconds + Loop.bulkTime
        let first = bulkServed % bulk.count
        for place in 0..<bulk.count {
            let (index, generation) = bulk[(first + place) % bulk.count]
            let slot = slots[index]
            bulkServed &+= 1
            if slot.pointee.generation == generation, slot.pointee.flags.contains(.open) {
                slot.pointee.watcher?(slot.pointee.flags)
            }
            if MonotonicClock.nanoseconds >= end { break }
        }
        bulk.removeAll(keepingCapacity: true)
    }

    private func isOrigin(_ index: Slot.Index) -> Bool {
        let tunnel = slots[index].pointee.tunnel
        return tunnel != Tunnel.none && index == tunnels[tunnel].pointee.origin
    }

    private func resumeResting() {
        guard !resting.isEmpty else { return }
        // A task that rests again waits for the turn after.
        let rested = resting
        resting.removeAll()
        for task in rested { task.resume() }
    }

    private func deliver(_ event: linux_event) {
        let index = Slot.Index(truncatingIfNeeded: event.data)
        let slot = slots[index]
        guard slot.pointee.generation == UInt32(truncatingIfNeeded: event.data >> 32),
            slot.pointee.flags.contains(.open)
        else { return }
        slot.pointee.flags.formUnion(flags(of: event.events))
        if slot.pointee.tunnel != Tunnel.none {
            // A tunnel that waits for its next turn gets that turn and no more.
            if !tunnels[slot.pointee.tunnel].pointee.isQueued { pump(slot.pointee.tunnel) }
        } else if slot.pointee.flags.contains(.bulk) {
            bulk.append((index, slot.pointee.generation))
        } else if let watcher = slot.pointee.watcher {
            watcher(slot.pointee.flags)
        } else {
            if slot.pointee.alsoWakes != Slot.none, concernsOthers(slot) { wake(slot.pointee.alsoWakes) }
            resume(slot, slot.pointee.flags)
        }
    }

    /// Whether an event of the slot is to wake the other one as well. An attempt to connect wakes its race whatever happens; a client that
    /// is waited beside only matters to the origin's slot once it hangs up, and each needless wake costs a read that finds nothing.
    private func concernsOthers(_ slot: UnsafeMutablePointer<Slot>) -> Bool {
        !slot.pointee.flags.contains(.counted) || !slot.pointee.flags.isDisjoint(with: [.hangup, .failed])
    }

    private func flags(of events: UInt32) -> Slot.Flags {
        var flags: Slot.Flags = []
        if events & LINUX_EPOLLIN != 0 { flags.insert(.readable) }
        if events & LINUX_EPOLLOUT != 0 { flags.insert(.writable) }
        if events & LINUX_EPOLLPRI != 0 { flags.formUnion([.urgent, .readable]) }
        if events & (LINUX_EPOLLRDHUP | LINUX_EPOLLHUP) != 0 { flags.formUnion([.hangup, .readable]) }
        // On an error both calls are to be made, so that they report it.
        if events & LINUX_EPOLLERR != 0 { flags.formUnion([.failed, .hangup, .readable, .writable]) }
        return flags
    }

    private func expire(_ index: Slot.Index) {
        let slot = slots[index]
        guard slot.pointee.flags.contains(.open) else { return }
        if slot.pointee.tunnel != Tunnel.none {
            let tunnel = tunnels[slot.pointee.tunnel]
            if index == tunnel.pointee.client {
                expire(tunnel: slot.pointee.tunnel)
            } else if !tunnel.pointee.isQueued {
                // The origin's deadline is when a tunnel that has to wait for tokens may go on.
                pump(slot.pointee.tunnel)
            }
        } else {
            slot.pointee.flags.insert(.expired)
            if let watcher = slot.pointee.watcher { watcher(slot.pointee.flags) }
            resume(slot)
        }
    }

    /// Resumes the tasks that wait for any of `flags`.
    func resume(_ slot: UnsafeMutablePointer<Slot>, _ flags: Slot.Flags = [.readable, .writable]) {
        if flags.contains(.readable), let reader = slot.pointee.reader {
            slot.pointee.reader = nil
            reader.resume()
        }
        if flags.contains(.writable), let writer = slot.pointee.writer {
            slot.pointee.writer = nil
            writer.resume()
        }
    }

    /// Frees what was closed in this turn: no event of the turn can meet a successor in its slot.
    func freeClosed() {
        for slot in closed { slots.close(slot) }
        closed.removeAll(keepingCapacity: true)
    }

    // MARK: slots

    /// Takes a connected or connecting socket in. With an account it counts as a session, whose `Arrival` has taken the
    /// descriptors of both its ends from the budget; the other end, when it comes, is `prepaid`.
    ///
    /// Registered once, edge-triggered, for everything: no descriptor is ever modified in the epoll set.
    func open(_ descriptor: Int32, account: UInt16? = nil, isPrepaid: Bool = false) -> Slot.Index {
        let index = slots.open()
        let slot = slots[index]
        slot.pointee.descriptor = descriptor
        if isPrepaid { slot.pointee.flags.insert(.prepaid) }
        if let account {
            slot.pointee.account = account
            // A client's first bytes are often there by the time it is accepted; a read costs less than a wait for the event.
            slot.pointee.flags.formUnion([.counted, .readable])
            load.add(1, ordering: .relaxed)
            counters[account].pointee.sessions.add(1, ordering: .relaxed)
            counters[account].pointee.active.add(1, ordering: .relaxed)
        }
        let every = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP | LINUX_EPOLLET
        let result = linux_epoll_add(epoll.number, descriptor, every, data(of: index))
        // ENOSPC or ENOMEM: the first wait for the slot throws, and the session ends.
        if result < 0 { slot.pointee.flags.insert(.deaf) }
        if account == nil { DescriptorBudget.shared.reserve(slot.pointee.flags.share) }
        return index
    }

    /// Watches a descriptor that somebody else owns, level-triggered.
    func watch(_ descriptor: Int32, for events: UInt32, watcher: @escaping Watcher) throws(Errno) -> Slot.Index {
        let index = slots.open()
        slots[index].pointee.descriptor = descriptor
        slots[index].pointee.watcher = watcher
        slots[index].pointee.flags.insert(.shared)
        do {
            try checked(linux_epoll_add(epoll.number, descriptor, events, data(of: index)))
        } catch {
            slots[index].pointee.flags = []
            closed.append(index)
            throw error
        }
        return index
    }

    /// A slot without a descriptor, to wait on.
    func openAlarm() -> Slot.Index {
        slots.open()
    }

    /// Closes the descriptor, unless it is `shared`. Tasks that wait are resumed and find the slot expired.
    func close(_ index: Slot.Index) {
        let slot = slots[index]
        guard slot.pointee.flags.contains(.open) else { return }
        wheel.disarm(index, in: slots)
        endExpendability(index)
        if slot.pointee.flags.contains(.shared) {
            _ = linux_epoll_delete(epoll.number, slot.pointee.descriptor)
        } else if slot.pointee.descriptor >= 0 {
            _ = linux_close(slot.pointee.descriptor)
            DescriptorBudget.shared.release(slot.pointee.flags.share)
        }
        if slot.pointee.flags.contains(.counted) {
            load.subtract(1, ordering: .relaxed)
            counters[slot.pointee.account].pointee.active.subtract(1, ordering: .relaxed)
        }
        slot.pointee.flags = .expired
        // After `abandon` tasks still hold it, and the number may be somebody else's by then.
        slot.pointee.descriptor = -1
        slot.pointee.watcher = nil
        slot.pointee.layer = nil
        slot.pointee.tunnel = Tunnel.none
        if slot.pointee.session != SessionEntry.none { leave(index) }
        resume(slot)
        closed.append(index)
    }

    /// From now on the slot belongs to a session's share of the descriptors.
    func prepay(_ index: Slot.Index) {
        guard !slots[index].pointee.flags.contains(.prepaid) else { return }
        slots[index].pointee.flags.insert(.prepaid)
        DescriptorBudget.shared.release(1)
    }

    private func data(of index: Slot.Index) -> UInt64 {
        UInt64(slots[index].pointee.generation) << 32 | UInt64(index)
    }

    // MARK: waiting

    /// Waits until the slot is ready for `readiness`, which is `readable` or `writable`: one task for each.
    func wait(_ index: Slot.Index, for readiness: Slot.Flags) async throws(Errno) {
        let slot = slots[index]
        if !slot.pointee.flags.isDisjoint(with: readiness), isTurnOver() { await rest() }
        if !slot.pointee.flags.isDisjoint(with: [.expired, .deaf]) { throw expiry(of: index) }
        if slot.pointee.flags.isDisjoint(with: readiness) {
            await withUnsafeContinuation { continuation in
                let slot = slots[index]
                // A task that is in its first stretch may have been sent through the queue of jobs since it looked.
                guard slot.pointee.flags.isDisjoint(with: [readiness, .expired]) else { return continuation.resume() }
                if readiness == .readable {
                    precondition(slot.pointee.reader == nil, "two tasks wait to read from one descriptor")
                    slot.pointee.reader = continuation
                } else {
                    precondition(slot.pointee.writer == nil, "two tasks wait to write to one descriptor")
                    slot.pointee.writer = continuation
                }
            }
            if slots[index].pointee.flags.contains(.expired) { throw expiry(of: index) }
        }
    }

    /// Whether a task is to `rest` before it goes on with what is there already: one that always finds something would keep the
    /// thread, and all others from their events and deadlines.
    @inline(__always)
    func isTurnOver() -> Bool {
        credit -= 1
        guard credit <= 0 else { return false }
        // Asked again at each further wait of a turn that is over.
        guard monotonicMilliseconds() < now + Loop.longTurn else {
            credit = 0
            return true
        }
        credit = Loop.credit
        return false
    }

    /// Whether a task waits for the slot to be `readable` or `writable`.
    func isAwaited(_ index: Slot.Index, _ readiness: Slot.Flags) -> Bool {
        readiness == .readable ? slots[index].pointee.reader != nil : slots[index].pointee.writer != nil
    }

    /// Why a slot is of no use any more.
    func expiry(of index: Slot.Index) -> Errno {
        slots[index].pointee.flags.contains(.revoked) ? Errno(ECANCELED) : .timedOut
    }

    /// Makes every task that waits at a slot look around; an alarm rings.
    func wake(_ index: Slot.Index) {
        slots[index].pointee.flags.insert(.readable)
        resume(slots[index])
    }

    /// Ends every wait at the slot, now and to come, as a deadline that passes does, until `clearDeadline`.
    func interrupt(_ index: Slot.Index) {
        slots[index].pointee.flags.formUnion([.expired, .interrupted])
        resume(slots[index])
    }

    /// Waits until every descriptor has had its turn.
    func rest() async {
        await withUnsafeContinuation { resting.append($0) }
    }

    func setDeadline(_ index: Slot.Index, after ticks: UInt32) {
        // The clock is asked anew: counted from the start of a long turn a deadline would come early.
        setDeadline(index, at: freshTick &+ max(ticks, 1))
    }

    private func setDeadline(_ index: Slot.Index, at tick: UInt32) {
        guard acceptsDeadlines(index) else { return }
        endExpendability(index)
        slots[index].pointee.flags.remove(.expired)
        wheel.arm(index, in: slots, at: tick)
    }

    /// As `setDeadline`, unless there is one that comes earlier.
    func hastenDeadline(_ index: Slot.Index, after ticks: UInt32) {
        let slot = slots[index]
        if slot.pointee.flags.contains(.armed), Int32(bitPattern: slot.pointee.deadline &- tick) <= Int32(ticks) {
            return
        }
        setDeadline(index, after: ticks)
    }

    /// As `setDeadline`, but from some seconds on a second late: thousands of idle tunnels then wake the loop once a second
    /// and not for every tick.
    func setCoarseDeadline(_ index: Slot.Index, after ticks: UInt32) {
        let coarse = TimerWheel.coarseTicks
        guard ticks >= 4 * coarse else { return setDeadline(index, after: ticks) }
        // So far off that a long turn does not count.
        let exact = tick &+ ticks
        setDeadline(index, at: exact &+ (0 &- exact) % coarse)
    }

    /// Whether a deadline can be set: not for a slot that was interrupted, revoked or closed, where every wait is over.
    private func acceptsDeadlines(_ index: Slot.Index) -> Bool {
        let flags = slots[index].pointee.flags
        return flags.isDisjoint(with: [.revoked, .interrupted]) && flags.contains(.open)
    }

    func clearDeadline(_ index: Slot.Index) {
        slots[index].pointee.flags.remove(.interrupted)
        guard acceptsDeadlines(index) else { return }
        endExpendability(index)
        slots[index].pointee.flags.remove(.expired)
        wheel.disarm(index, in: slots)
    }

    /// As `setDeadline`, for a client that may be ended before it.
    func setExpendableDeadline(_ index: Slot.Index, after ticks: UInt32) {
        guard acceptsDeadlines(index) else { return }
        let now = freshTick
        setDeadline(index, at: now &+ max(ticks, 1))
        slots[index].pointee.flags.insert(.expendable)
        expendable += 1
        slots[index].pointee.expendableSince = now
    }

    func endExpendability(_ index: Slot.Index) {
        guard slots[index].pointee.flags.contains(.expendable) else { return }
        slots[index].pointee.flags.remove(.expendable)
        expendable -= 1
    }

    /// Ends sessions that have been expendable for a while, beginning with the nearest deadline.
    ///
    /// - Parameter sparing: for how long they have to have been so, in milliseconds.
    func endExpendable(atMost count: Int, sparing: UInt32 = DescriptorBudget.sparing) {
        // The search looks at every deadline, of tunnels as well.
        guard expendable > 0 else { return }
        let last = freshTick &- sparing >> UInt32(TimerWheel.tickShift)
        let ended = wheel.nearest(count, in: slots) {
            $0.flags.contains(.expendable) && Int32(bitPattern: last &- $0.expendableSince) >= 0
        }
        for index in ended { revoke(index) }
    }

    /// This turn's time in ticks of the wheel.
    var tick: UInt32 { TimerWheel.tick(of: now) }

    /// The tick of this very moment, for what may not end early: a turn can be long on a busy machine.
    var freshTick: UInt32 { TimerWheel.tick(of: monotonicMilliseconds()) }

    func queue(_ tunnel: Tunnel.Index) {
        unfinished.append(tunnel)
    }

    // MARK: the end

    /// Closes every connection. Tunnels are reset: a FIN would make what they cut short look whole. Tasks that wait for a descriptor are
    /// resumed and find it expired. Slots stay as they are: tasks that wait for something else still hold them.
    func abandon() {
        for index in slots.indices {
            let slot = slots[index]
            if slot.pointee.tunnel != Tunnel.none {
                cut(slot.pointee.tunnel)
            } else if slot.pointee.descriptor >= 0, slot.pointee.flags.isDisjoint(with: .shared) {
                close(index)
            }
        }
        resumeResting()
        idleTasks.close()
        pipes = PipePool()
    }
}
