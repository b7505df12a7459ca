extension Policy {
    /// This policy, whose rules have numbers of before where that tells the truth: a number stands for the same rule for ever, and
    /// rules are tried in the order of their numbers.
    ///
    /// - Parameters:
    ///   - former: the policy in force. A rule that it has as well keeps its number, and so do those before it.
    ///   - next: the lowest number that no rule ever had.
    package func keepingRuleNumbers(of former: Policy, next: Int) -> Policy {
        var policy = self
        var known = former.rules.sorted { $0.id < $1.id }[...]
        var next = next
        policy.rules.sort { $0.id < $1.id }
        for index in policy.rules.indices {
            let rule = policy.rules[index]
            if let place = known.firstIndex(where: { $0.isLike(rule) }) {
                policy.rules[index].id = known[place].id
                known = known[(place + 1)...]
            } else {
                // Behind a new number comes no old one.
                known = []
                policy.rules[index].id = next
                next += 1
            }
        }
        return policy
    }
}

extension Rule {
    /// Whether it says the same, under whichever number.
    fileprivate func isLike(_ other: Rule) -> Bool {
        var other = other
        other.id = id
        return self == other
    }
}
