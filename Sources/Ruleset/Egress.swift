import Address
import Policy

/// What the box itself begins: the proxies for their clients, its own programs, and whatever else runs on it.
///
/// A packet of a connection that exists is asked once whether it is one, and goes out, and so does an answer to what somebody else has
/// begun. What may be begun no longer is ended by `FirewallRole`, where a mode becomes strict or an exit goes.
package struct Egress {
    private let policy: Policy
    private let accounts: LocalAccounts
    private let nameServers: [IPAddress]
    private let blockade: Blockade
    /// The private networks on the internet's side of the box, where its router and its name servers may be.
    private let spared: [Network]
    /// What packets to the home have in common, each of these.
    private let homes: [[Match]]

    private typealias Rule = Ruleset.Rule

    init(_ policy: Policy, _ surroundings: Surroundings, _ blockade: Blockade) {
        self.policy = policy
        accounts = surroundings.accounts
        nameServers = surroundings.nameServers
        self.blockade = blockade
        spared = policy.routersNetworks(in: surroundings)
        let inner = policy.zones.filter { $0.name != Zone.internet }.flatMap(\.interfaces)
        homes =
            if policy.wan.isEmpty {
                // The one interface leads out as well.
                surroundings.networks(of: inner).map { [.destination($0)] }
            } else {
                inner.isEmpty ? [] : [[.outputInterface(inner)]]
            }
    }

    package static let strict = "egress is strict"
    /// Of what goes out and is noted.
    package static let noted = "what nothing lets out"

    var meters: [Ruleset.Meter] { [Self.tellIPv4, Self.tellIPv6] }

    var chains: [Ruleset.Chain] {
        let isStrict = policy.egress == .strict
        let rest =
            isStrict
            ? [
                Rule([.transport(.tcp)], isCounted: true, decision: .refuse(.reset), comment: Self.strict),
                Rule([], isCounted: true, decision: .refuse(.prohibited), comment: Self.strict),
            ] : [Rule([], isCounted: true, .accept, comment: Self.noted)]
        let tells = meters.map { meter in
            Rule(
                [.withinRate(.init(meter: meter.name, family: meter.family, perSecond: 20, burst: 100))],
                decision: .note(.departure))
        }
        let lists = blockade.exits(to: policy.wan, sparing: spared)
        return [
            Ruleset.Chain(
                name: Self.output, hook: .output, policy: isStrict ? .drop : .accept,
                rules: [
                    Rule(decision: .byState([.established: .accept, .related: .accept]), comment: "answers"),
                    Rule([.outputInterface(["lo"])], .accept, comment: "the gateway itself"),
                ] + (lists.isEmpty ? [] : [Rule([], .jump(Self.lists))]) + network + needs + exits + [
                    Rule([.handshake], .goto(Self.strangers)),
                    // Of a connection that the kernel has lost from sight. None begins without a handshake.
                    Rule([.transport(.tcp)], .accept, comment: "under way"),
                    Rule([], .goto(Self.strangers)),
                ]),
            Ruleset.Chain(name: Self.strangers, rules: tells + rest),
        ] + (lists.isEmpty ? [] : [Ruleset.Chain(name: Self.lists, rules: lists)])
    }

    private static let output = "output"
    private static let strangers = "strangers"
    private static let lists = "lists_out"
    fileprivate static let chainNames: Set<String> = [output, strangers, lists]
    /// As many are told at once, of each family: what asks more often is refused all the same.
    private static let tellIPv4 = Ruleset.Meter(name: "egress_ipv4", family: .ipv4, size: 64, seconds: 60)
    private static let tellIPv6 = Ruleset.Meter(name: "egress_ipv6", family: .ipv6, size: 64, seconds: 60)

    /// What IP itself needs, which the kernel sends and nobody's program.
    private var network: [Ruleset.Rule] {
        [
            Rule(
                [
                    .icmpv6([
                        .destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem, .listenerQuery,
                        .listenerReport, .listenerDone, .routerSolicitation, .routerAdvertisement,
                        .neighbourSolicitation, .neighbourAdvertisement, .listenerReport2,
                    ])
                ], .accept, comment: "what IP needs"),
            Rule(
                [.icmp([.destinationUnreachable, .timeExceeded, .parameterProblem])], .accept, comment: "what IP needs"
            ),
            Rule([.transport(IPProtocol(number: 2))], .accept, comment: "multicast group management"),
        ]
    }

    /// What the gateway needs, each for the accounts that do it on Debian.
    private var needs: [Ruleset.Rule] {
        let served = policy.zones.filter { $0.service?.dhcp == true }.flatMap(\.interfaces)
        let companion = accounts.companion.map { [$0] } ?? []
        var rules = accounts.relays.map { [rule([$0], [[]], "the proxies and the names role")].flatMap(\.self) } ?? []
        rules += rule(
            numbers(["root", "systemd-network", "dhcpcd", "_dhcpcd"]),
            [[.destinationPort(.udp, 67)], [.destinationPort(.udp, 547)]], "DHCP client")
        if !served.isEmpty {
            rules += rule(
                Array(Set(numbers(["root"]) + companion)).sorted(),
                [[.destinationPort(.udp, 68)], [.destinationPort(.udp, 546)], [.icmp([.echoRequest])]].map {
                    [.outputInterface(served)] + $0
                }, "DHCP server")
        }
        for server in nameServers where !server.isLoopback {
            let matches = [Opening.Transport.udp, .tcp].map {
                [Match.destination(Network(server, prefix: 128)), .destinationPort($0, 53)]
            }
            if let askers {
                rules += rule(askers, matches, "name servers")
            } else {
                rules += matches.map { Rule($0, .accept, comment: "name servers") }
            }
        }
        // Where the machine asks a server of its own, that one asks others.
        rules += rule(
            numbers(["systemd-resolve", "unbound", "bind", "knot-resolver", "pdns", "dnsmasq", "stubby"]),
            [[.destinationPort(.udp, 53)], [.destinationPort(.tcp, 53)], [.destinationPort(.tcp, 853)]],
            "name servers of this machine")
        rules += rule(
            numbers(["root", "systemd-timesync", "_chrony", "ntp", "ntpsec", "_ntp"]), [[.destinationPort(.udp, 123)]],
            "the time")
        rules += rule(
            numbers(["root", "_apt"]), [[.destinationPort(.tcp, 80)], [.destinationPort(.tcp, 443)]], "updates")
        rules += rule(
            numbers(["root"]),
            [[.icmp([.echoRequest])], [.icmpv6([.echoRequest])]]
                + homes, "root looks around")
        return rules
    }

    /// The accounts that may ask the machine's name servers; nil: all. Whoever may begin nothing needs no names, and can say much in
    /// questions for them.
    private var askers: [UInt32]? {
        guard policy.exits.allSatisfy({ $0.user != nil }) else { return nil }
        let own = numbers(["root", "_apt", "systemd-timesync", "_chrony", "ntp", "ntpsec", "_ntp"])
        let others = policy.exits.compactMap { exit in exit.user.flatMap { accounts.number(of: $0) } }
        return Set(own + others).sorted()
    }

    private var exits: [Ruleset.Rule] {
        policy.exits.flatMap { exit -> [Ruleset.Rule] in
            var matches: [Match] = []
            if let user = exit.user {
                // An account that is not there runs nothing.
                guard let number = accounts.number(of: user) else { return [] }
                matches.append(.user(number))
            }
            if let network = exit.destination {
                matches.append(
                    network.prefix > 0 ? .destination(network) : .family(network.base.isIPv6 ? .ipv6 : .ipv4))
            }
            let services: [[Match]] = exit.services.isEmpty ? [[]] : exit.services.map { [$0.match] }
            return services.map { Rule(matches + $0, isCounted: true, .accept, comment: exit.ruleName) }
        }
    }

    private func numbers(_ names: [String]) -> [UInt32] { names.compactMap { accounts.numbers[$0] } }

    private func rule(_ users: [UInt32], _ matches: [[Match]], _ comment: String) -> [Ruleset.Rule] {
        users.flatMap { user in matches.map { Rule([.user(user)] + $0, .accept, comment: comment) } }
    }
}

extension Ruleset {
    /// The chains that are asked about what the box itself begins; of a trial none.
    package var exits: [Chain] { chains.filter { Egress.chainNames.contains($0.name) } }
}
