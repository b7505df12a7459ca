import Synchronization

/// How fast a session's bytes may move: token buckets that it shares with others, each way. Belongs to its reactor.
///
/// A bucket lets a quarter of a second's worth pass at once, at least 64 kB. What has moved is charged afterwards, so two
/// threads may overdraw it together; they then wait the longer.
package final class Throttle {
    private struct Bucket {
        let entry: UnsafeMutablePointer<Ledger.Entry>
        let rate: Int
        /// Nanoseconds in which the empty bucket fills; and the least number of bytes that is worth moving.
        let burst: UInt64
        let quantum: Int

        init(_ entry: UnsafeMutablePointer<Ledger.Entry>, bytesPerSecond: Int) {
            self.entry = entry
            // Within what 64 bits of nanoseconds can multiply, and beyond what a machine moves.
            rate = min(max(bytesPerSecond, 1), 1 << 35)
            let size = max(rate / 4, 64 << 10)
            burst = nanoseconds(for: size, perSecond: rate)
            quantum = min(size / 4, 16 << 10)
        }
    }

    /// An hour in nanoseconds, within what a deadline can be.
    private static let longest: UInt64 = 3_600_000_000_000

    /// Keeps the memory.
    private let ledger: Ledger
    private let buckets: [Bucket]

    /// nil if there is nothing to hold to.
    package init?(_ limits: [(place: Ledger.Place, bytesPerSecond: Int)], in ledger: Ledger) {
        guard !limits.isEmpty else { return nil }
        self.ledger = ledger
        buckets = limits.map { Bucket(ledger.entry(at: $0.place), bytesPerSecond: $0.bytesPerSecond) }
    }

    /// Bytes that may move at present, at most `wanted`; 0: none before `delay`.
    func allowance(isUp: Bool, atMost wanted: Int) -> Int {
        let now = MonotonicClock.nanoseconds
        var allowed = wanted
        for bucket in buckets {
            let used = Throttle.used(bucket, isUp: isUp, at: now)
            guard used < bucket.burst else { return 0 }
            let free = Int((bucket.burst - used) / 1000 * UInt64(bucket.rate) / 1_000_000)
            // At most an eighth in one turn, or the first session to wake would drain the shared bucket.
            allowed = min(allowed, free < bucket.quantum ? 0 : max(bucket.quantum, free / 8))
        }
        return allowed
    }

    /// Nanoseconds until something may move, or until it is time to ask again; 0: now.
    func delay(isUp: Bool) -> UInt64 {
        let now = MonotonicClock.nanoseconds
        return buckets.reduce(0) { longest, bucket in
            let least = nanoseconds(for: bucket.quantum, perSecond: bucket.rate)
            let wanted = sum(Throttle.used(bucket, isUp: isUp, at: now), least)
            return max(longest, wanted > bucket.burst ? min(wanted - bucket.burst, Throttle.longest) : 0)
        }
    }

    /// Takes what has moved.
    func charge(_ bytes: Int, isUp: Bool) {
        let now = MonotonicClock.nanoseconds
        for bucket in buckets {
            let cost = nanoseconds(for: bytes, perSecond: bucket.rate)
            var before = Throttle.load(bucket, isUp: isUp)
            while true {
                let after = sum(max(before, now), cost)
                let (done, original) =
                    isUp
                    ? bucket.entry.pointee.sent.weakCompareExchange(
                        expected: before, desired: after, ordering: .relaxed)
                    : bucket.entry.pointee.received.weakCompareExchange(
                        expected: before, desired: after, ordering: .relaxed)
                if done { break }
                before = original
            }
        }
    }

    private static func used(_ bucket: Bucket, isUp: Bool, at now: UInt64) -> UInt64 {
        let until = load(bucket, isUp: isUp)
        return until > now ? until - now : 0
    }

    private static func load(_ bucket: Bucket, isUp: Bool) -> UInt64 {
        isUp
            ? bucket.entry.pointee.sent.load(ordering: .relaxed)
            : bucket.entry.pointee.received.load(ordering: .relaxed)
    }
}
