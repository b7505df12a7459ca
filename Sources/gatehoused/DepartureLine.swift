import Policy

/// What the kernel notes of the box's own beginnings, on its way to the supervisor: each kind of them at once the first time, and
/// then once a minute with how many there were.
struct DepartureLine {
    private struct Entry {
        var sent: ContinuousClock.Instant
        /// Since then.
        var count = 0
    }

    static let pause = Duration.seconds(60)
    static let capacity = 1024
    private var entries: [Departure: Entry] = [:]

    /// It was not told after all: the next one is.
    mutating func takeBack(_ departure: Departure) { entries[departure] = nil }

    /// - Returns: how many of it are to be told now; nil: it waits.
    mutating func admit(_ departure: Departure, at now: ContinuousClock.Instant) -> Int? {
        guard var entry = entries[departure] else {
            if entries.count >= Self.capacity { entries = entries.filter { now - $0.value.sent < Self.pause } }
            // So many kinds within a minute are a scan, of which what is told is enough.
            guard entries.count < Self.capacity else { return nil }
            entries[departure] = Entry(sent: now)
            return 1
        }
        entry.count += 1
        guard now - entry.sent >= Self.pause else {
            entries[departure] = entry
            return nil
        }
        entries[departure] = Entry(sent: now)
        return entry.count
    }
}
