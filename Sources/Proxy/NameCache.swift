import Address
import Policy

/// What name servers said, for as long as they said it holds (RFC 1035 §3.2.1), bounded in entries.
struct NameCache {
    private struct Entry {
        let result: Result<[IPAddress], Resolver.Failure>
        let expiry: ContinuousClock.Instant
    }

    private var entries: [String: Entry] = [:]
    private let capacity: Int

    /// However long a server says: an answer that turned out wrong is not to outlive the hour.
    private static let longest: Duration = .seconds(3600)

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { entries.count }

    mutating func result(
        for name: String, at now: ContinuousClock.Instant
    ) -> Result<[IPAddress], Resolver.Failure>? {
        guard let entry = entries[name] else { return nil }
        guard entry.expiry > now else {
            entries[name] = nil
            return nil
        }
        return entry.result
    }

    /// A time to live of zero is for this once only, and nothing is kept.
    mutating func keep(
        _ result: Result<[IPAddress], Resolver.Failure>, for name: String, timeToLive: Duration,
        at now: ContinuousClock.Instant
    ) {
        guard timeToLive > .zero else { return }
        if entries.count >= capacity, entries[name] == nil { makeRoom(at: now) }
        entries[name] = Entry(result: result, expiry: now + min(timeToLive, Self.longest))
    }

    private mutating func makeRoom(at now: ContinuousClock.Instant) {
        entries = entries.filter { $0.value.expiry > now }
        guard entries.count >= capacity else { return }
        // All are fresh: an eighth of them goes, those that would have gone first.
        let expiries = entries.values.map(\.expiry).sorted()
        let threshold = expiries[expiries.count / 8]
        entries = entries.filter { $0.value.expiry > threshold }
    }
}
