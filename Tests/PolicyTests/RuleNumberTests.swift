import Address
import Policy
import Testing

@Suite("The numbers of rules that come as a whole")
struct RuleNumberTests {
    private func policy(_ ports: (id: Int, port: Int)...) -> Policy {
        Policy(rules: ports.map { Rule(id: $0.id, action: .deny, ports: PortRange("\($0.port)")!) })
    }

    @Test("Rules stay as they are, one that goes leaves a gap, one that is new has a new number")
    func numbers() {
        let former = policy((2, 25), (5, 26), (9, 27))
        func kept(_ wanted: Policy) -> Policy { wanted.keepingRuleNumbers(of: former, next: 12) }
        #expect(kept(policy((1, 25), (2, 26), (3, 27))) == former)
        #expect(kept(policy((1, 25), (2, 27))) == policy((2, 25), (9, 27)))
        #expect(kept(policy((1, 25), (2, 26), (3, 27), (4, 28))) == policy((2, 25), (5, 26), (9, 27), (12, 28)))
        #expect(kept(policy()) == policy())
    }

    @Test("Behind one that is new all are new, for rules are tried in the order of their numbers")
    func order() {
        let former = policy((2, 25), (5, 26), (9, 27))
        let wanted = policy((1, 25), (2, 80), (3, 26), (4, 27))
        #expect(wanted.keepingRuleNumbers(of: former, next: 12) == policy((2, 25), (12, 80), (13, 26), (14, 27)))
        // Of two that have changed places one has a new number.
        #expect(
            policy((1, 26), (2, 25), (3, 27)).keepingRuleNumbers(of: former, next: 12)
                == policy((5, 26), (12, 25), (13, 27)))
    }
}
