/// What live sets hold, by the sets' names: what stands beside a ruleset and has a say in its verdicts.
package struct LiveElements: Sendable {
    /// When the element goes by itself; nil: it does not.
    private var sets: [String: [LiveKey: ContinuousClock.Instant?]] = [:]
    /// With so many elements a set is looked through for those whose time was up long ago.
    private var bounds: [String: Int] = [:]

    /// So long it is known of an element that it was there.
    private static let memory = Duration.seconds(86_400)
    private static let least = 1024

    package init() {}

    package static let none = LiveElements()

    /// The elements of a set, and when each goes by itself; those among them whose time is up.
    package subscript(set: String) -> [LiveKey: ContinuousClock.Instant?] {
        sets[set] ?? [:]
    }

    /// The sets that have or had something.
    package var names: [String] { sets.keys.sorted() }

    package func contains(_ key: LiveKey, in set: String) -> Bool {
        guard let end = sets[set]?[key] else { return false }
        return end.map { .now < $0 } ?? true
    }

    /// Whether an element is there for as long as that.
    package func contains(_ key: LiveKey, in set: String, for duration: Duration) -> Bool {
        guard let end = sets[set]?[key] else { return false }
        return end.map { .now + duration <= $0 } ?? true
    }

    /// Of an element that is there already the end is another one from now on.
    package mutating func insert(_ key: LiveKey, in set: String, until end: ContinuousClock.Instant? = nil) {
        sets[set, default: [:]][key] = .some(end)
        if let count = sets[set]?.count, count > bounds[set, default: Self.least] { settle(set) }
    }

    package mutating func remove(_ key: LiveKey, from set: String) {
        sets[set]?[key] = nil
        if sets[set]?.isEmpty == true { removeAll(from: set) }
    }

    package mutating func removeAll(from set: String) {
        sets[set] = nil
        bounds[set] = nil
    }

    /// Forgets sets of domains of which nothing is there any more.
    package mutating func forgetAddresses(besides names: Set<String>) {
        let now = ContinuousClock.now
        for (set, held) in sets where LiveSet.isOfDomain(set) && !names.contains(set) {
            if !held.values.contains(where: { $0.map { now < $0 } ?? true }) { removeAll(from: set) }
        }
    }

    /// Whether a set has room for `key` beside what it holds.
    package func hasRoom(for key: LiveKey, in set: LiveSet, sparing spare: Int = 0) -> Bool {
        let held = self[set.name]
        let capacity = Int(set.size) - spare
        if held.count < capacity || contains(key, in: set.name) { return true }
        let now = ContinuousClock.now
        return held.count { $0.value.map { now < $0 } ?? true } < capacity
    }

    /// The same, with all that `sets` ever had, as far as that is known: what began when it was there goes on.
    package func remembering(_ sets: [LiveSet]) -> LiveElements {
        var all = self
        for set in sets {
            if let held = all.sets[set.name] {
                all.sets[set.name] = held.mapValues { _ in ContinuousClock.Instant?.none }
            }
        }
        return all
    }

    /// Forgets elements whose time was up long ago, and where that is not half of them, all whose time is up.
    private mutating func settle(_ set: String) {
        let now = ContinuousClock.now
        let count = self[set].count
        for end in [now - Self.memory, now] where self[set].count > count / 2 {
            sets[set] = self[set].filter { $0.value.map { end < $0 } ?? true }
        }
        bounds[set] = max(Self.least, 2 * self[set].count)
    }
}
