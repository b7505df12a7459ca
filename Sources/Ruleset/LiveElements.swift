/// What live sets hold, by the sets' names: what stands beside a ruleset and has a say in its verdicts.
package struct LiveElements: Sendable {
    /// When the element goes by itself; nil: it does not.
    private var sets: [String: [LiveKey: ContinuousClock.Instant?]] = [:]

    package init() {}

    package static let none = LiveElements()

    /// The elements of a set, and when each goes by itself.
    package subscript(set: String) -> [LiveKey: ContinuousClock.Instant?] {
        sets[set] ?? [:]
    }

    /// The sets that hold something.
    package var names: [String] { sets.keys.sorted() }

    package func contains(_ key: LiveKey, in set: String) -> Bool {
        guard let end = sets[set]?[key] else { return false }
        return end.map { .now < $0 } ?? true
    }

    /// Of an element that is there already the end is another one from now on.
    package mutating func insert(_ key: LiveKey, in set: String, until end: ContinuousClock.Instant? = nil) {
        sets[set, default: [:]][key] = .some(end)
    }

    package mutating func remove(_ key: LiveKey, from set: String) {
        sets[set]?[key] = nil
        if sets[set]?.isEmpty == true { sets[set] = nil }
    }

    package mutating func removeAll(from set: String) { sets[set] = nil }

    /// Forgets the elements whose time is up.
    package mutating func settle() {
        let now = ContinuousClock.now
        sets = sets.mapValues { $0.filter { $0.value.map { now < $0 } ?? true } }.filter { !$0.value.isEmpty }
    }
}
