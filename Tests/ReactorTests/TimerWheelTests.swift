import Testing

@testable import Reactor

@Suite("The timer wheel")
struct TimerWheelTests {
    /// A wheel, its slots, and the time at which each slot was armed and is due.
    struct Rig: ~Copyable {
        var slots = PagedTable<Slot>()
        var wheel: TimerWheel
        var now: UInt64
        var due: [Slot.Index: UInt64] = [:]

        init(now: UInt64 = 1_000_000) {
            self.now = now
            wheel = TimerWheel(now: now)
        }

        @discardableResult
        mutating func arm(milliseconds: UInt64, _ reused: Slot.Index? = nil) -> Slot.Index {
            let index = reused ?? slots.open()
            let ticks = TimerWheel.ticks(.milliseconds(Int64(milliseconds)))
            wheel.arm(index, in: slots, at: TimerWheel.tick(of: now) &+ ticks)
            due[index] = now + milliseconds
            return index
        }

        /// Moves on, and checks that what fires does so neither early nor later than the wheel's resolution and `late`.
        mutating func advance(to new: UInt64, late: UInt64 = 0) -> [Slot.Index] {
            now = new
            let fired = wheel.advance(to: now, in: slots)
            for index in fired {
                let deadline = due.removeValue(forKey: index)
                #expect(deadline != nil, "fired twice, or never armed")
                guard let deadline else { continue }
                #expect(now >= deadline, "\(deadline - min(now, deadline)) ms early")
                #expect(now <= deadline + 32 + late, "\(now - deadline) ms late")
            }
            return fired
        }
    }

    @Test("The nearest deadlines are found, those of a later round last")
    func nearest() {
        var rig = Rig()
        let far = rig.arm(milliseconds: 40_000)
        let middle = rig.arm(milliseconds: 900)
        let near = rig.arm(milliseconds: 100)
        let next = rig.arm(milliseconds: 200)
        let other = rig.arm(milliseconds: 50)
        for index in [far, middle, near, next] { rig.slots[index].pointee.flags.insert(.expendable) }
        var found = rig.wheel.nearest(2, in: rig.slots) { $0.flags.contains(.expendable) }
        #expect(found == [near, next])
        found = rig.wheel.nearest(9, in: rig.slots) { $0.flags.contains(.expendable) }
        #expect(found == [near, next, middle, far])
        rig.slots[other].pointee.flags.insert(.expendable)
        rig.wheel.disarm(near, in: rig.slots)
        found = rig.wheel.nearest(1, in: rig.slots) { $0.flags.contains(.expendable) }
        #expect(found == [other])
    }

    @Test("Ten thousand deadlines fire, none early and none late, stepping by what the wheel asks for")
    func many() {
        var rig = Rig()
        var random = SplitMix(seed: 1)
        for _ in 0..<10_000 { rig.arm(milliseconds: random.next() % 60_000) }
        var wakeups = 0
        while !rig.due.isEmpty {
            let timeout = rig.wheel.timeout(now: rig.now)
            guard timeout >= 0 else { break }
            _ = rig.advance(to: rig.now + UInt64(max(timeout, 1)))
            wakeups += 1
        }
        #expect(rig.due.isEmpty)
        #expect(wakeups <= 60_000 / 16 + 3)
        #expect(rig.wheel.timeout(now: rig.now) == -1)
    }

    @Test("Whatever the phase of the clock, no deadline is early", arguments: [0, 1, 7, 8, 15] as [UInt64])
    func phases(phase: UInt64) {
        for milliseconds in [0, 1, 15, 16, 17, 31, 250, 1000] as [UInt64] {
            var rig = Rig(now: 32_000 + phase)
            rig.arm(milliseconds: milliseconds)
            for _ in 0..<1100 where !rig.due.isEmpty { _ = rig.advance(to: rig.now + 1) }
            #expect(rig.due.isEmpty)
        }
    }

    @Test("Deadlines fire in their order")
    func order() {
        var rig = Rig()
        let late = rig.arm(milliseconds: 900)
        let early = rig.arm(milliseconds: 100)
        let middle = rig.arm(milliseconds: 500)
        var fired: [Slot.Index] = []
        while !rig.due.isEmpty { fired += rig.advance(to: rig.now + 16) }
        #expect(fired == [early, middle, late])
    }

    @Test("After a long sleep all that is due fires, and nothing else")
    func longSleep() {
        var rig = Rig()
        for milliseconds in stride(from: 100, to: 100_000, by: 100) { rig.arm(milliseconds: UInt64(milliseconds)) }
        #expect(rig.advance(to: rig.now + 50_000, late: 50_000).count >= 498)
        let left = rig.due.count
        #expect(left >= 500 && left <= 502)
        #expect(rig.advance(to: rig.now + 60_000, late: 60_000).count == left)
    }

    @Test("A deadline hours away is not forgotten, and costs a wake-up in a round at most")
    func farFuture() {
        var rig = Rig()
        rig.arm(milliseconds: 4 * 3600 * 1000)
        var wakeups = 0
        while !rig.due.isEmpty, wakeups < 10_000 {
            let timeout = rig.wheel.timeout(now: rig.now)
            #expect(timeout >= 0)
            _ = rig.advance(to: rig.now + UInt64(max(timeout, 1)))
            wakeups += 1
        }
        #expect(rig.due.isEmpty)
        #expect(wakeups <= 4 * 3600 * 1000 / (1024 * 16) + 3)
    }

    @Test("Ticks wrap round")
    func wrap() {
        var rig = Rig(now: (1 << 36) - 500)
        for milliseconds in stride(from: 10, to: 30_000, by: 10) { rig.arm(milliseconds: UInt64(milliseconds)) }
        while !rig.due.isEmpty {
            let timeout = rig.wheel.timeout(now: rig.now)
            guard timeout >= 0 else { break }
            _ = rig.advance(to: rig.now + UInt64(max(timeout, 1)))
        }
        #expect(rig.due.isEmpty)
    }

    @Test("What is disarmed does not fire, what is armed anew fires at its new time")
    func rearm() {
        var rig = Rig()
        let all = (0..<1000).map { rig.arm(milliseconds: UInt64($0 * 3)) }
        for index in all where index % 3 == 0 {
            rig.wheel.disarm(index, in: rig.slots)
            rig.due[index] = nil
        }
        for index in all where index % 3 == 1 { rig.arm(milliseconds: 5000, index) }
        while !rig.due.isEmpty, rig.now < 1_020_000 { _ = rig.advance(to: rig.now + 8) }
        #expect(rig.due.isEmpty)
        #expect(rig.wheel.timeout(now: rig.now) == -1)
    }

    @Test("A deadline that has passed already is due at the next tick")
    func past() {
        var rig = Rig()
        let index = rig.slots.open()
        rig.wheel.arm(index, in: rig.slots, at: TimerWheel.tick(of: rig.now) &- 5)
        #expect(rig.wheel.advance(to: rig.now + 16, in: rig.slots) == [index])
    }

    @Test("Durations are rounded up, whatever they are")
    func ticks() {
        #expect(TimerWheel.ticks(.zero) == 1)
        #expect(TimerWheel.ticks(.milliseconds(-5)) == 1)
        #expect(TimerWheel.ticks(.microseconds(1)) == 2)
        #expect(TimerWheel.ticks(.milliseconds(16)) == 2)
        #expect(TimerWheel.ticks(.milliseconds(250)) == 17)
        #expect(TimerWheel.ticks(.seconds(3600)) == 225_001)
        #expect(Int32(exactly: TimerWheel.ticks(.seconds(Int64.max))) != nil)
    }

    @Test("A sleep is never shorter than asked for")
    func sleeping() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        for milliseconds in [1, 16, 20, 33, 90, 4, 50] {
            let slept = try on(reactor) { reactor in
                let start = ContinuousClock.now
                await reactor.sleep(for: .milliseconds(milliseconds))
                return ContinuousClock.now - start
            }
            #expect(slept >= .milliseconds(milliseconds))
        }
    }
}

struct SplitMix {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
