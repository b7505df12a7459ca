import Address

/// What name servers said, for as long as they said it holds (RFC 1035 §3.2.1), bounded in entries. Addresses are kept beyond
/// that for the time when no server answers (RFC 8767).
struct NameCache {
    typealias Result = Swift.Result<[IPAddress], Resolver.Failure>

    enum Found {
        case fresh(Result)
        /// They held once; to be used if nothing better is to be had.
        case stale([IPAddress])
        case nothing
    }

    private struct Entry {
        var result: Result
        var expiry: ContinuousClock.Instant
        /// Until when addresses are of use after their end.
        var end: ContinuousClock.Instant
    }

    private var entries: [String: Entry] = [:]
    private let capacity: Int

    /// However long a server says: an answer that turned out wrong is not to outlive the hour.
    private static let longest: Duration = .seconds(3600)
    /// How long addresses are kept after their end (RFC 8767 §5 allows up to three days).
    private static let stale: Duration = .seconds(86400)
    /// For how long stale addresses go without another attempt (RFC 8767 §5).
    private static let staleLife: Duration = .seconds(30)

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { entries.count }

    mutating func look(for name: String, at now: ContinuousClock.Instant) -> Found {
        guard let entry = entries[name] else { return .nothing }
        if entry.expiry > now { return .fresh(entry.result) }
        if entry.end > now, case .success(let addresses) = entry.result { return .stale(addresses) }
        entries[name] = nil
        return .nothing
    }

    /// A time to live of zero is for this once only, and nothing is kept.
    mutating func keep(
        _ result: Result, for name: String, timeToLive: Duration, at now: ContinuousClock.Instant
    ) {
        guard timeToLive > .zero else {
            entries[name] = nil
            return
        }
        if entries.count >= capacity, entries[name] == nil { makeRoom(at: now) }
        let expiry = now + min(timeToLive, Self.longest)
        let isAddresses = if case .success = result { true } else { false }
        entries[name] = Entry(result: result, expiry: expiry, end: isAddresses ? expiry + Self.stale : expiry)
    }

    /// Stale addresses were used because nothing better was to be had, and are for the next moment, too.
    mutating func keepStale(_ name: String, at now: ContinuousClock.Instant) {
        guard var entry = entries[name] else { return }
        entry.expiry = min(now + Self.staleLife, entry.end)
        entries[name] = entry
    }

    /// Other servers are asked from now on: what the others said is of use only if these do not answer.
    mutating func expire(at now: ContinuousClock.Instant) {
        entries = entries.compactMapValues { entry in
            guard case .success = entry.result else { return nil }
            var entry = entry
            entry.expiry = min(entry.expiry, now)
            return entry
        }
    }

    private mutating func makeRoom(at now: ContinuousClock.Instant) {
        entries = entries.filter { $0.value.end > now }
        guard entries.count >= capacity else { return }
        // An eighth of them goes: those that have been over for longest, or would have been first.
        let expiries = entries.values.map(\.expiry).sorted()
        let threshold = expiries[expiries.count / 8]
        entries = entries.filter { $0.value.expiry > threshold }
    }
}
