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
