import CLinux
import Glibc

// What is known of a connection without waiting for it, and what becomes of one for which nobody waits.
extension Socket {
    /// The peer was lost: a RST, or silence for too long.
    package var hasFailed: Bool { loop.slots[slot].pointee.flags.contains(.failed) }

    /// The peer sends nothing more: it has sent its FIN, or was lost.
    package var hasHungUp: Bool { !loop.slots[slot].pointee.flags.isDisjoint(with: [.hangup, .failed]) }

    /// Ends every wait for it, now and to come, as if its deadline had passed; `clearDeadline` alone makes it usable again.
    package borrowing func interrupt() {
        loop.interrupt(slot)
    }

    /// Makes whoever waits to read look around before it waits again.
    package borrowing func nudge() {
        loop.wake(slot)
    }

    /// As `read`, on behalf of `other`: throws `ECONNRESET` as soon as that one fails, and once it has hung up waits no longer
    /// than `patience`. As long as somebody else reads from `other`, it is theirs to notice.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, for other: borrowing Socket, patience: Duration
    ) async throws(Errno) -> Int {
        var isImpatient = false
        while true {
            if loop.slots[other.slot].pointee.reader == nil {
                if other.hasFailed { throw Errno(ECONNRESET) }
                if other.hasHungUp, !isImpatient {
                    isImpatient = true
                    setDeadline(after: patience)
                }
                if !loop.slots[slot].pointee.flags.contains(.readable) {
                    loop.slots[other.slot].pointee.alsoWakes = slot
                }
            }
            defer { loop.slots[other.slot].pointee.alsoWakes = Slot.none }
            try await loop.wait(slot, for: .readable)
            let state = loop.slots[slot]
            let count = linux_receive(state.pointee.descriptor, buffer.baseAddress, buffer.count)
            if count < buffer.count { loop.noteShortRead(state, count) }
            if count >= 0 { return count }
            // An event of the other one looks like one of this.
            if count != -Int(EAGAIN) { throw Errno(Int32(-count)) }
        }
    }

    /// Ends the connection by a RST, but not before the peer has got what was written (`SO_LINGER` 0 throws away what is
    /// unsent) or `limit` has passed: what was cut short must not look whole (RFC 9112 §8).
    package consuming func reset(within limit: Duration, on reactor: Reactor) async {
        let end = monotonicMilliseconds() + UInt64(limit.components.seconds) * 1000
        // No event says that all is acknowledged.
        while linux_unsent(descriptor) > 0, !hasFailed, monotonicMilliseconds() < end {
            await reactor.sleep(for: .milliseconds(16))
        }
        resetOnClose()
    }

    // MARK: idle connections

    /// Whether the peer is there and has said nothing that nobody has read, as far as is known, which costs a system call only
    /// after a read that filled its buffer.
    ///
    /// - Parameter isProbed: what the kernel knows and has not told yet counts as well.
    package borrowing func isQuiet(isProbed: Bool) -> Bool {
        let state = loop.slots[slot]
        if !state.pointee.flags.isDisjoint(with: [.hangup, .failed, .expired, .deaf]) { return false }
        guard isProbed || state.pointee.flags.contains(.readable) else { return true }
        let count = linux_receive(state.pointee.descriptor, loop.scratch.baseAddress, 1)
        loop.noteShortRead(state, count)
        return count == -Int(EAGAIN)
    }

    /// Leaves it to itself: `onEvent` is called as soon as it has anything to say, ends, or `limit` has passed, and then is
    /// to close it. From now on it belongs to no session, and is in none's share of the descriptors.
    package borrowing func park(for limit: Duration, onEvent: @escaping () -> Void) {
        leaveSession()
        let state = loop.slots[slot]
        if state.pointee.flags.contains(.prepaid) {
            state.pointee.flags.remove(.prepaid)
            DescriptorBudget.shared.reserve(1)
        }
        state.pointee.watcher = { flags in
            if !flags.isDisjoint(with: [.readable, .hangup, .failed, .expired]) { onEvent() }
        }
        setDeadline(after: limit)
    }

    /// Takes it back into a session, whose share of the descriptors it is in from now on.
    package borrowing func unpark() {
        loop.slots[slot].pointee.watcher = nil
        clearDeadline()
        loop.prepay(slot)
    }
}
