internal import Ruleset

/// What a rule has seen.
package struct Counter: Hashable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64

    package init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }

    static func + (left: Counter, right: Counter) -> Counter {
        Counter(packets: left.packets &+ right.packets, bytes: left.bytes &+ right.bytes)
    }
}

/// A rule that is counted, and what it has seen.
package struct RuleCount: Hashable, Sendable {
    /// nil: the rule says nothing of itself.
    package var comment: String?
    package var counter: Counter
}

/// What the rules of a table have seen, for the table that comes after it. A rule is known again by what it matches and
/// says; of a trial, both parts count for the same rule.
struct CarriedCounters {
    private var counters: [Key: Counter] = [:]

    private struct Key: Hashable {
        var chain: String
        var rule: KernelTable.Rule
    }

    init() {}

    init(_ table: KernelTable) {
        for chain in table.chains {
            for rule in chain.rules {
                guard let counter = rule.counter else { continue }
                counters[Key(chain: Self.plain(chain.name), rule: rule), default: Counter()] =
                    self.counter(of: rule, in: chain.name) + counter
            }
        }
    }

    /// What the rule begins with. Given once: the second of two rules that are the same begins at nothing.
    mutating func take(for rule: Ruleset.Rule, in chain: Ruleset.Chain) -> Counter? {
        guard rule.isCounted else { return nil }
        return counters.removeValue(forKey: Key(chain: Self.plain(chain.name), rule: KernelTable.Rule(rule)))
    }

    func counter(of rule: KernelTable.Rule, in chain: String) -> Counter {
        counters[Key(chain: Self.plain(chain), rule: rule)] ?? Counter()
    }

    /// The chain's name without what a trial adds.
    private static func plain(_ name: String) -> String {
        for suffix in [Ruleset.newSuffix, Ruleset.oldSuffix] where name.hasSuffix(suffix) {
            return String(name.dropLast(suffix.count))
        }
        return name
    }
}
