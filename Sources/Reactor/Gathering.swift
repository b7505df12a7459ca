import Glibc

/// When a loop lets datagrams gather before it receives them.
///
/// The first datagram of a burst wakes the loop, and a quick loop receives it alone: each then costs a wake, two calls and a
/// packet of its own. While many come, the loop first gives its processor to whatever else can run there (sched_yield(2)): the
/// threads that send, or the kernel's own when it is them that take packets from the network. Where nothing else can run,
/// the call returns at once.
struct Gathering {
    /// Runs in a millisecond beyond which they are many; up to this, no datagram waits for anybody.
    private static let rate: UInt64 = 8
    /// Runs beyond that rate before a loop begins to give way; twice as many are remembered.
    private static let many: UInt64 = 32
    /// Nanoseconds that a burst seldom takes. A thread that keeps the processor for longer may be one that sends nothing, and
    /// have it until its slice ends each time.
    private static let patience: UInt64 = 1_000_000
    /// After a wait above `patience`, a loop gives way no more for so many times its length: a fifth of the time is waited at most.
    private static let pause: UInt64 = 4

    /// Runs that came of late, above what `rate` allowed for up to the last of them since the clock's beginning.
    private var level: UInt64 = 0
    /// The millisecond of the monotonic clock from which on a loop may give way again.
    private var resumption: UInt64 = 0

    /// - Parameter now: milliseconds of the monotonic clock, when the turn began.
    func isWorthwhile(at now: UInt64) -> Bool {
        level > now * Gathering.rate + Gathering.many && now >= resumption
    }

    mutating func didReceive(_ runs: Int, at now: UInt64) {
        let allowed = now * Gathering.rate
        level = min(max(level, allowed) + UInt64(runs), allowed + 2 * Gathering.many)
    }

    /// Nanoseconds of the monotonic clock.
    mutating func didGiveWay(from start: UInt64, to end: UInt64) {
        let nanoseconds = end - start
        if nanoseconds > Gathering.patience { resumption = (end + Gathering.pause * nanoseconds) / 1_000_000 }
    }
}

extension Loop {
    /// Gives way to other threads if datagrams are worth waiting for, but in no turn that is long already.
    func letDatagramsGather() {
        guard gathering.isWorthwhile(at: now) else { return }
        let start = MonotonicClock.nanoseconds
        guard start / 1_000_000 < now + Loop.longTurn else { return }
        sched_yield()
        gathering.didGiveWay(from: start, to: MonotonicClock.nanoseconds)
    }
}
