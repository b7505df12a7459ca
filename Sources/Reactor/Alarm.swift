/// Something to wait for that is not a descriptor: another task of the same reactor, or time.
package final class Alarm {
    let slot: Slot.Index
    let loop: Loop

    package convenience init(on reactor: Reactor) {
        self.init(on: reactor.currentLoop)
    }

    init(on loop: Loop) {
        self.loop = loop
        slot = loop.openAlarm()
    }

    deinit {
        loop.close(slot)
    }

    /// Waits until `ring()` or for `duration`, whichever comes first (resolution: 16 ms).
    ///
    /// - Returns: true if it rang. A ring that came before the wait counts; it is used up.
    @discardableResult
    package func wait(atMost duration: Duration? = nil) async -> Bool {
        await wait(atMost: duration.map(TimerWheel.ticks))
    }

    /// Waits until `ring()`, on behalf of `client`, which no other task reads from meanwhile.
    ///
    /// - Returns: false as soon as the client is lost or its session is ended. A client that has sent its FIN still waits.
    package func wait(for client: Connection) async -> Bool {
        let client = client.socket.slot
        func isGone() -> Bool { !loop.slots[client].pointee.flags.isDisjoint(with: [.failed, .revoked]) }
        guard !isGone() else { return false }
        loop.slots[client].pointee.alsoWakes = slot
        defer { loop.slots[client].pointee.alsoWakes = Slot.none }
        await wait()
        return !isGone()
    }

    @discardableResult
    func wait(atMost ticks: UInt32?) async -> Bool {
        if let ticks { loop.setDeadline(slot, after: ticks) }
        defer {
            loop.clearDeadline(slot)
            loop.slots[slot].pointee.flags.remove(.readable)
        }
        try? await loop.wait(slot, for: .readable)
        // Both may have happened in one turn.
        return loop.slots[slot].pointee.flags.contains(.readable)
    }

    /// Wakes the task that waits, or the next that will.
    package func ring() {
        loop.wake(slot)
    }
}
