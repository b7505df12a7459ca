package import Address
package import Policy

// From what the operator wants to what the kernel is to hold. A listener that exists has its opening and one that stops
// has none, because nothing else ever writes an opening for it.

extension Ruleset {
    /// The ruleset for `policy` on a machine with these interfaces. Whether it is enforced (`policy.firewall`) changes
    /// nothing here: what is shown and what is enforced are the same.
    ///
    /// - Parameter networks: those of a blocklist, by its content.
    package init(
        policy: Policy, surroundings: Surroundings, networks: (String) -> AddressRanges? = { _ in AddressRanges.none }
    ) {
        let blockade = Blockade(policy, networks)
        let doors =
            policy.listeners.flatMap { policy.rules(for: $0, in: surroundings) } + policy.rendezvousRules
            + policy.openings.flatMap { policy.rules(for: $0) }
        self.init(
            home: policy.lan, internet: policy.wan, doors: doors, rate: policy.highestClientRate,
            forwarding: Forwarding(policy: policy, surroundings: surroundings, blockade: blockade), blockade: blockade,
            // Where nothing is open there is nobody to be kept out.
            bans: doors.isEmpty && policy.forwards.isEmpty ? nil : BanRules(policy.bans, from: policy.wan),
            egress: Egress(policy, surroundings, blockade))
    }

    /// What holds when nothing is known of what the operator wants, or the kernel refuses it: the box keeps its own network,
    /// and nothing else passes. It asks for no module of the kernel that could be missing, and so answers no pings.
    package static let foundation: Ruleset = {
        var ruleset = Ruleset(
            home: [], internet: [], doors: [], rate: nil,
            forwarding: Forwarding(policy: Policy(), surroundings: Surroundings(), blockade: .none))
        ruleset.meters = []
        ruleset.chains.removeAll { [Ruleset.echo, Ruleset.told].contains($0.name) }
        for index in ruleset.chains.indices {
            ruleset.chains[index].rules.removeAll {
                [.verdict(.goto(Ruleset.echo)), .verdict(.jump(Ruleset.told))].contains($0.decision)
            }
        }
        return ruleset
    }()

    /// - Parameters:
    ///   - rate: the new sessions per second that a client may have; nil: as many as it likes.
    ///   - egress: nil: what the box itself begins is asked nothing.
    private init(
        home: [String], internet: [String], doors: [Rule], rate: Int?, forwarding: Forwarding,
        blockade: Blockade = .none, bans: BanRules? = nil, egress: Egress? = nil
    ) {
        // The chain's policy would drop the rest as well, but counts nothing.
        let rest = [Rule([], .jump(Self.told)), Rule([], isCounted: true, .drop, comment: "the rest")]
        let barriers =
            (forwarding.zones.isEmpty ? [] : [Self.forgedBarrier])
            + (internet.isEmpty ? [] : blockade.barriers.entrance) + (bans == nil ? [] : [BanRules.barrier])
        let isBounded = rate != nil && (!doors.isEmpty || forwarding.isEntered)
        let flood = isBounded ? bans?.floodChain : nil
        let bounds = isBounded ? rate.map { newcomersChain($0, beyond: flood) } : nil
        self.init(
            meters: [echoIPv4, echoIPv6, toldIPv4, toldIPv6] + (bounds == nil ? [] : [newcomersIPv4, newcomersIPv6])
                + (bans?.meters ?? []) + (barriers.isEmpty ? [] : Self.barrierMeters) + (egress?.meters ?? [])
                + forwarding.meters,
            deviceMaps: forwarding.deviceMaps,
            chains: [
                Chain(
                    name: "input", hook: .input, policy: .drop,
                    rules: lifeSupport(home: home, internet: internet, forwarding)
                        + blockade.entrance(by: internet)
                        + (bans == nil ? [] : [Rule([], .jump(BanRules.banned))])
                        + (doors.isEmpty || bounds == nil ? [] : beginnings(from: internet)) + doors
                        + forwarding.nameRefusals + (bans?.scanRules ?? [])
                        + rest),
                Chain(
                    name: Self.echo,
                    rules: [
                        Rule([.withinRate(ping(echoIPv4))], .accept, comment: "ping"),
                        Rule([.withinRate(ping(echoIPv6))], .accept, comment: "ping"),
                        Rule([], isCounted: true, .drop, comment: "pings beyond the rate of their source"),
                    ]),
            ] + [bans?.bannedChain, bounds, flood, bans?.scanChain].compactMap(\.self) + barriers + [
                Chain(name: "forward", hook: .forward, policy: .drop, rules: forwarding.rules + rest), toldChain,
            ] + forwarding.chains + (egress?.chains ?? []))
    }

    /// To which a packet goes that is dropped or refused next.
    static let told = "told"

    /// The chain that asks of the rate of a source.
    static let newcomers = "newcomers"

    /// The chain for echo requests, and its sources, each counted alone: one that floods takes nothing from others.
    static let echo = "echo"
}

private let echoIPv4 = Ruleset.Meter(name: "echo_ipv4", family: .ipv4, size: 4096, seconds: 60)
private let echoIPv6 = Ruleset.Meter(name: "echo_ipv6", family: .ipv6, size: 4096, seconds: 60)
/// Whose packets were told of. Where somebody makes sources up, those that find no room are not told.
private let toldIPv4 = Ruleset.Meter(name: "told_ipv4", family: .ipv4, size: 1024, seconds: 60)
private let toldIPv6 = Ruleset.Meter(name: "told_ipv6", family: .ipv6, size: 1024, seconds: 60)

/// A few of each source are told, so that neither a flood nor somebody who tries again and again hides the others.
private let toldChain = Ruleset.Chain(
    name: Ruleset.told,
    rules: [toldIPv4, toldIPv6].map { meter in
        Ruleset.Rule(
            [.withinRate(.init(meter: meter.name, family: meter.family, perSecond: 1, burst: 10))],
            decision: .note(.drop))
    })

/// Those who begin something at one of the doors. A source for which there is no more room is not held to its rate: a flood of
/// invented sources must not shut the door to those that are real.
private let newcomersIPv4 = Ruleset.Meter(name: "newcomers_ipv4", family: .ipv4, size: 16384, seconds: 60)
private let newcomersIPv6 = Ruleset.Meter(name: "newcomers_ipv6", family: .ipv6, size: 16384, seconds: 60)

/// What is asked of its source's rate, of what comes to the box: all of TCP that is of no connection yet; and of datagrams the first of a flow from the internet.
/// A device of the home asks for names from a new port each time, and the names role has a rate for it.
private func beginnings(from internet: [String]) -> [Ruleset.Rule] {
    let datagrams = Ruleset.Rule(
        [.inputInterface(internet), .transport(.udp), .unconfirmed], .jump(Ruleset.newcomers))
    return [Ruleset.Rule([.transport(.tcp)], .jump(Ruleset.newcomers))] + (internet.isEmpty ? [] : [datagrams])
}

/// What is asked before any door.
///
/// - Parameters:
///   - flood: where what is beyond the rate goes; nil: it is dropped.
///   - rate: the sessions per second that a client may have. A proxy ends a session beyond that itself and tells so; what
///   comes at twice the rate is not worth an answer. A /64 is as many clients as `LimitTable` takes it for.
private func newcomersChain(_ rate: Int, beyond flood: Ruleset.Chain?) -> Ruleset.Chain {
    func bound(_ meter: Ruleset.Meter, _ clients: Int) -> Ruleset.Rule {
        let perSecond = min(rate, 100_000) * 2 * clients
        let rate = Match.SourceRate(
            meter: meter.name, family: meter.family, perSecond: UInt32(perSecond), burst: UInt32(perSecond * 4))
        let comment = "beginnings beyond the rate of their source"
        return Ruleset.Rule(
            [.beyondRate(rate)], isCounted: true, flood.map { .goto($0.name) } ?? .drop, comment: comment)
    }
    return Ruleset.Chain(
        name: Ruleset.newcomers, rules: [bound(newcomersIPv4, 1), bound(newcomersIPv6, LimitTable.neighbours)])
}

/// What every box needs for a network of its own, whatever it listens on.
///
/// Messages that move routes, addresses and name servers are taken from the internet's side alone: a device of the home
/// could otherwise make itself the gateway's router. Where no interface is known to lead there, every one may send them.
private func lifeSupport(home: [String], internet: [String], _ forwarding: Forwarding) -> [Ruleset.Rule] {
    typealias Rule = Ruleset.Rule
    let fromInternet: [Match] = internet.isEmpty ? [] : [.inputInterface(internet)]
    let zones = forwarding.zones
    let served = zones.filter { $0.service?.dhcp == true }.flatMap(\.interfaces)
    var rules = [Rule([.inputInterface(["lo"])], .accept, comment: "the gateway itself")]
    if !forwarding.roster.entries.isEmpty { rules.append(Rule(decision: .tell, comment: "whose connection it is")) }
    if !served.isEmpty {
        // Before devices are stopped: one that is paused keeps its address, and one that waits is known by its lease.
        rules += [
            Rule(
                [.inputInterface(served), .family(.ipv4), .destinationPort(.udp, 67)], .accept, comment: "DHCP server"),
            Rule(
                [.inputInterface(served), .source(linkLocal), .destinationPort(.udp, 547)], .accept,
                comment: "DHCPv6 server"),
        ]
    }
    rules += forwarding.stopRules + forwarding.waitRules
    rules += [
        // Before "answers": a ping that was answered counts as established.
        Rule([.icmp([.echoRequest])], .goto(Ruleset.echo)),
        Rule([.icmpv6([.echoRequest])], .goto(Ruleset.echo)),
        // Most packets belong to a connection that was let in or that the box began: one look-up decides on them. A packet
        // of state `invalid` is like any other: the kernel says so of a DHCP client that has no address yet, too.
        Rule(decision: .byState([.established: .accept, .related: .accept]), comment: "answers"),
        // The kernel tracks neither neighbour nor listener discovery as connections, so "answers" does not cover them.
        Rule(
            [.hopLimit(255), .icmpv6([.neighbourSolicitation, .neighbourAdvertisement])], .accept,
            comment: "neighbour discovery"),
        Rule(
            fromInternet + [.source(linkLocal), .hopLimit(255), .icmpv6([.routerAdvertisement])], .accept,
            comment: "router advertisements"),
    ]
    let solicited = home + served.filter { !home.contains($0) }
    if !solicited.isEmpty {
        rules.append(
            Rule(
                [.inputInterface(solicited), .hopLimit(255), .icmpv6([.routerSolicitation])], .accept,
                comment: "router solicitations"))
    }
    rules += [
        Rule(
            [.source(linkLocal), .icmpv6([.listenerQuery, .listenerReport, .listenerDone, .listenerReport2])], .accept,
            comment: "multicast listener discovery"),
        // A host reports before it has an address (RFC 3810 §5.2.13).
        Rule(
            [.source(Network(.v6(0), prefix: 128)), .icmpv6([.listenerReport2])], .accept,
            comment: "multicast listener discovery"),
        // RFC 4890 §4.3.1 for IPv6; path MTU discovery and traceroute die without these in either family.
        Rule(
            [.icmpv6([.destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem])], .accept,
            comment: "errors that IP needs"),
        Rule(
            [.icmp([.destinationUnreachable, .timeExceeded, .parameterProblem])], .accept,
            comment: "errors that IP needs"),
    ]
    if !home.isEmpty || internet.isEmpty {
        let fromHome: [Match] = home.isEmpty ? [] : [.inputInterface(home)]
        rules.append(
            Rule(fromHome + [.family(.ipv4), .transport(igmp)], .accept, comment: "multicast group management"))
    }
    rules += [
        // The answer to a renewal may come from another address than was asked (RFC 2131 §4.3.6) and go to all of the
        // segment, so it belongs to no connection.
        Rule(fromInternet + [.family(.ipv4), .destinationPort(.udp, 68)], .accept, comment: "DHCP client"),
        // Our solicitation goes to a multicast address, so the answer belongs to no connection (RFC 8415 §7.2). A server
        // may answer from a global address and from any port; it answers to the link-local one that asked.
        Rule(
            fromInternet + [.destination(linkLocal), .destinationPort(.udp, 546)], .accept, comment: "DHCPv6 client"),
    ]
    // Nobody's address is worth anything by itself; at home, at least, it is one that could be there.
    if !zones.isEmpty {
        rules.append(
            Rule(
                [.inputInterface(zones.flatMap(\.interfaces)), .forgedSource], .goto(Ruleset.forgedBarrier.name)))
    }
    return rules
}

private func ping(_ meter: Ruleset.Meter) -> Match.SourceRate {
    Match.SourceRate(meter: meter.name, family: meter.family, perSecond: 20, burst: 40)
}

private let linkLocal = Network(.v6(0xfe80 << 112), prefix: 10)
private let igmp = IPProtocol(number: 2)

extension Policy {
    fileprivate func rules(for listener: Listener, in surroundings: Surroundings) -> [Ruleset.Rule] {
        let name = "\(listener.kind) \(listener.endpoint)"
        var rules: [Ruleset.Rule] = []
        for way in ways(to: listener, in: surroundings) {
            func open(_ matches: [Match], _ comment: String) {
                rules.append(Ruleset.Rule(way + matches, isCounted: true, .accept, comment: comment))
            }
            open([.destinationPort(.tcp, listener.endpoint.port)], name)
            if listener.kind == .dns { open([.destinationPort(.udp, listener.endpoint.port)], "\(name), datagrams") }
        }
        if listener.kind.speaksSOCKS, !rules.isEmpty {
            let interface = interfaces(of: listener, in: surroundings).map { Match.inputInterface($0) }
            let family: Match.Family = listener.endpoint.address.unmapped.isIPv6 ? .ipv6 : .ipv4
            rules.append(PinholeRules.associations(family, by: interface, comment: "\(name), datagrams"))
        }
        return rules
    }

    /// For the peers of all listeners' clients, if one of them has ports for BIND.
    fileprivate var rendezvousRules: [Ruleset.Rule] {
        listeners.contains { $0.kind.speaksSOCKS && $0.socks.bindPorts != nil } ? PinholeRules.rendezvous : []
    }

    /// What packets for the listener have in common, for each network of clients. None if it needs no opening (loopback), or
    /// cannot exist because no interface holds its address.
    private func ways(to listener: Listener, in surroundings: Surroundings) -> [[Match]] {
        let address = listener.endpoint.address.unmapped
        if address.isLoopback || listener.interface == "lo" { return [] }
        var matches: [Match] = []
        if let interfaces = interfaces(of: listener, in: surroundings) {
            if interfaces.isEmpty { return [] }
            matches.append(.inputInterface(interfaces))
        }
        let everybody: Network
        switch address {
        case .v4: everybody = Network(.v4(0), prefix: 0)
        case .v6: everybody = Network(.v6(0), prefix: 0)
        }
        return (listener.clients.isEmpty ? [everybody] : listener.clients).map { network in
            var matches = matches
            if network.prefix > 0 {
                matches.append(.source(network))
            } else if address.isUnspecified, let family = network.isWholeFamily {
                matches.append(family)
            }
            if !address.isUnspecified { matches.append(.destination(Network(address, prefix: 128))) }
            return matches
        }
    }

    /// None if no interface is where the opening is for.
    fileprivate func rules(for opening: Opening) -> [Ruleset.Rule] {
        var matches: [Match] = []
        if let interfaces = interfaces(at: opening.place) {
            if interfaces.isEmpty { return [] }
            matches.append(.inputInterface(interfaces))
        }
        if let source = opening.source { matches.append(source.isWholeFamily ?? .source(source)) }
        return opening.services.map {
            Ruleset.Rule(matches + [$0.match], isCounted: true, .accept, comment: opening.name)
        }
    }
}

extension Network {
    /// 0.0.0.0/0 and ::/0 compare no bit of the address, only its family.
    fileprivate var isWholeFamily: Match? {
        switch (base, prefix) {
        case (.v4, 0): .family(.ipv4)
        case (.v6, 0): .family(.ipv6)
        default: nil
        }
    }
}
