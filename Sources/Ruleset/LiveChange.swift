/// One element of a live set comes or goes.
package struct LiveChange: Hashable, Sendable, Codable {
    package enum Kind: Hashable, Sendable, Codable {
        /// nil: it does not go by itself. An element that is there already gets this end in the place of the one that it had.
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
    /// Which lead here from nothing.
    package var changes: [LiveChange] {
        let now = ContinuousClock.now
        return names.flatMap { name in
            self[name].filter { $0.value.map { now < $0 } ?? true }.map { key, end in
                LiveChange(key, in: name, .comes(milliseconds: end.map { Int(max(1, ($0 - now) / .milliseconds(1))) }))
            }
        }
    }
}
