import Glibc

// A connection that waits for its next use, with no task to watch it.
extension Socket {
    /// Whether the peer is there and has said nothing that nobody has read. The answer goes by what is known; a system call is made only
    /// after a read that filled its buffer.
    ///
    /// - Parameter isProbed: the kernel is asked in any case, for what it has not told yet.
    package borrowing func isQuiet(isProbed: Bool) -> Bool {
        let state = loop.slots[slot]
        if !state.pointee.flags.isDisjoint(with: [.hangup, .failed, .expired, .deaf]) { return false }
        guard isProbed || state.pointee.flags.contains(.readable) else { return true }
        let byte = UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<1])
        return loop.receive(byte, from: state) == -Int(EAGAIN)
    }

    /// Leaves the socket to itself: `onEvent` is called as soon as the peer says anything or ends, or `limit` has passed, and has to close
    /// the socket then. From now on the socket belongs to no session and to no session's share of the descriptors.
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

    /// Ends `park` for a session, to whose share of the descriptors the socket belongs from now on.
    package borrowing func unpark() {
        loop.slots[slot].pointee.watcher = nil
        clearDeadline()
        loop.prepay(slot)
    }
}
