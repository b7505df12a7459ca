/// A chain of another table that drops what its own rules do not let through: what ours lets through may end there.
package struct StrictChain: Codable, Hashable, Sendable {
    /// `table inet strict, chain inp`.
    package var name: String
    package var hook: Ruleset.Hook
    /// nil: it is asked about either.
    package var family: Match.Family?

    package init(name: String, hook: Ruleset.Hook, family: Match.Family?) {
        self.name = name
        self.hook = hook
        self.family = family
    }
}

extension [StrictChain] {
    /// Those that are asked about packets of that family at one of these hooks.
    package func asked(at hooks: [Ruleset.Hook], about family: Match.Family) -> [StrictChain] {
        filter { hooks.contains($0.hook) && ($0.family ?? family) == family }
    }

    /// `, unless table inet strict, chain inp drops it`; nothing where there is none.
    package var reservation: String {
        isEmpty ? "" : ", unless \(map(\.name).joined(separator: " or ")) drops it"
    }
}
