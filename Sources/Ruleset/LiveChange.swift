/// One element of a live set comes or goes.
package struct LiveChange: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        /// nil: it does not go by itself; 0: it has gone, and was there. An element that is there already gets this end in the place of the
        /// one that it had.
        case comes(milliseconds: Int?)
        case goes
    }

    package let set: String
    package let key: LiveKey
    package let kind: Kind

    package init(_ key: LiveKey, in set: String, _ kind: Kind) {
        self.set = set
        self.key = key
        self.kind = kind
    }
}

extension LiveElements {
    package mutating func apply(_ change: LiveChange) {
        switch change.kind {
        case .comes(let milliseconds):
            insert(change.key, in: change.set, until: milliseconds.map { .now + .milliseconds($0) })
        case .goes: remove(change.key, from: change.set)
        }
    }
}

extension LiveElements {
    /// Which lead here from nothing. Of a domain's addresses also those that were there: what began then goes on.
    package var changes: [LiveChange] {
        let now = ContinuousClock.now
        return names.flatMap { name in
            let remembers = LiveSet.isOfDomain(name)
            return self[name].filter { remembers || ($0.value.map { now < $0 } ?? true) }.map { key, end in
                LiveChange(key, in: name, .comes(milliseconds: end.map { $0.milliseconds(from: now) }))
            }
        }
    }

    /// By which a set gets the elements of `others`, each for as long as one of them has it, and no shorter than it has it already. Where
    /// there is no room for all, those that stay longest.
    package func changes(to set: LiveSet, from others: [LiveSet], sparing spare: Int) -> [LiveChange] {
        let now = ContinuousClock.now
        func left(_ end: ContinuousClock.Instant?) -> Int { end.map { $0.milliseconds(from: now) } ?? .max }
        var all: [LiveKey: Int] = [:]
        for other in others {
            for (key, end) in self[other.name] { all[key] = max(all[key] ?? 0, left(end)) }
        }
        let present = self[set.name].mapValues(left)
        let coming = all.filter { key, left in present[key].map { $0 < left } ?? true }.sorted { $0.value > $1.value }
        let staying = Set(present.lazy.filter { $0.value > 0 }.map(\.key)).subtracting(coming.lazy.map(\.key))
        return coming.prefix(max(0, Int(set.size) - spare - staying.count)).map { key, left in
            LiveChange(key, in: set.name, .comes(milliseconds: left == .max ? nil : left))
        }
    }
}

extension ContinuousClock.Instant {
    /// 0: it is not behind `now`.
    fileprivate func milliseconds(from now: ContinuousClock.Instant) -> Int {
        now < self ? Int(max(1, (self - now) / .milliseconds(1))) : 0
    }
}
