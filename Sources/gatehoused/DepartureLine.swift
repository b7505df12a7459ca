import Policy
import Supervisor

/// What the kernel notes of the box's own beginnings, on its way to the supervisor: each kind of them at once the first time, and
/// then once a minute with how many there were. How many wait for that the supervisor may ask at any time.
struct DepartureLine {
    private struct Entry {
        /// When it was told last; nil: never, or under other rules.
        var told: ContinuousClock.Instant?
        /// Since then.
        var count = 0
        /// When there was one last.
        var last: ContinuousClock.Instant
    }

    static let pause = Duration.seconds(60)
    static let capacity = 1024
    private var entries: [Departure: Entry] = [:]

    /// - Returns: how many of it are to be told now, until `didTell` says that they were; nil: they wait.
    mutating func note(_ departure: Departure, at now: ContinuousClock.Instant) -> Int? {
        if entries[departure] == nil {
            if entries.count >= Self.capacity { entries = entries.filter { now - $0.value.last < Self.pause } }
            // So many kinds within a minute are a scan, of which what is told is enough.
            guard entries.count < Self.capacity else { return nil }
        }
        var entry = entries[departure] ?? Entry(last: now)
        entry.count += 1
        entry.last = now
        entries[departure] = entry
        if let told = entry.told, now - told < Self.pause { return nil }
        return entry.count
    }

    mutating func didTell(_ departure: Departure, at now: ContinuousClock.Instant) {
        entries[departure]?.told = now
        entries[departure]?.count = 0
    }

    /// The next one of each kind is told at once.
    mutating func beginAnew() {
        for key in entries.keys { entries[key]?.told = nil }
    }

    /// Those that wait, which wait no longer.
    mutating func takeHeld(at now: ContinuousClock.Instant) -> [HeldDeparture] {
        let held = entries.filter { $0.value.count > 0 }
        for key in held.keys { entries[key]?.count = 0 }
        return held.map { departure, entry in
            HeldDeparture(
                departure: departure, count: entry.count, secondsAgo: Int((now - entry.last) / .seconds(1)))
        }
    }
}
