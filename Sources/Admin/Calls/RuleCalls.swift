package import Address
package import Policy

/// The calls about rules.
enum RuleCalls {
    static let all: [any Call.Type] = [ListRules.self, AddRule.self, RemoveRule.self, SetDefault.self]
}

package struct ListRules: Call {
    package static let documentation = """
        The rules, in the order in which they are tried.
        defaultAction: what holds where no rule matches.
        refusals: of the rules that have refused something since the proxies began.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var rules: [Rule]
        package var defaultAction: Rule.Action

        package var refusals: [Refusals]

        package init(rules: [Rule], defaultAction: Rule.Action, refusals: [Refusals]) {
            self.rules = rules
            self.defaultAction = defaultAction
            self.refusals = refusals
        }
    }

    /// How often a rule has refused what a client of a proxy wanted.
    package struct Refusals: Codable, Hashable, Sendable {
        package var rule: Int
        package var count: Int

        package init(rule: Int, count: Int) {
            self.rule = rule
            self.count = count
        }
    }

    package init() {}
}

package struct AddRule: Call {
    package typealias Reply = AppliedRule
    package static let documentation = """
        The rule is tried after those that there are; one that allows something to a device that is held, before the one that
        denies the device the rest.
        id: its number, which is never given again.
        device: its name, its hardware address, or an address that it has at present.
        """

    package var action: Rule.Action
    package var device: String?
    package var user: String?
    package var client: Network?
    package var destination: Network?
    package var domain: String?
    package var transport: IPProtocol?
    package var ports: PortRange?
    package var origin: Rule.Origin?

    package init(
        action: Rule.Action, device: String? = nil, user: String? = nil, client: Network? = nil,
        destination: Network? = nil, domain: String? = nil, transport: IPProtocol? = nil, ports: PortRange? = nil,
        origin: Rule.Origin? = nil
    ) {
        self.action = action
        self.device = device
        self.user = user
        self.client = client
        self.destination = destination
        self.domain = domain
        self.transport = transport
        self.ports = ports
        self.origin = origin
    }

    package func rule(id: Int) -> Rule {
        Rule(
            id: id, action: action, device: device, user: user, client: client, destination: destination,
            domain: domain, transport: transport, ports: ports, origin: origin ?? .hand)
    }
}

package struct RemoveRule: Call {
    package typealias Reply = Applied
    package static let documentation = "Its number is never given to another rule."

    package var id: Int

    package init(id: Int) { self.id = id }
}

package struct SetDefault: Call {
    package typealias Reply = Applied
    package static let documentation = "What holds where no rule matches. A new gateway begins with allow."

    package var action: Rule.Action

    package init(action: Rule.Action) { self.action = action }
}
