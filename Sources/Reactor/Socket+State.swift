// What is known of a connection without waiting for it, and how a wait of another task is ended.
extension Socket {
    /// The peer was lost: a RST, or silence for too long.
    package var hasFailed: Bool { loop.slots[slot].pointee.flags.contains(.failed) }

    /// The peer sends nothing more: it has sent its FIN, or was lost.
    package var hasHungUp: Bool { !loop.slots[slot].pointee.flags.isDisjoint(with: [.hangup, .failed]) }

    /// Ends every wait for the socket, now and to come, as if its deadline had passed, until `endInterruption`.
    package borrowing func interrupt() {
        loop.interrupt(slot)
    }

    /// The socket can be waited for again, without a deadline.
    package borrowing func endInterruption() {
        loop.clearDeadline(slot)
    }

    /// Makes the task that waits to read look around before it waits again.
    package borrowing func nudge() {
        loop.wake(slot)
    }
}
