import Address
package import Policy

// From what the operator wants to what the kernel is to hold. A listener that exists has its opening and one that stops
// has none, because nothing else ever writes an opening for it.

extension Ruleset {
    /// The ruleset for `policy` on a machine with these interfaces. Whether it is enforced (`policy.firewall`) changes
    /// nothing here: what is shown and what is enforced are the same.
    package init(policy: Policy, surroundings: Surroundings) {
        let doors =
            policy.listeners.flatMap { policy.rules(for: $0, in: surroundings) }
            + policy.openings.flatMap { policy.rules(for: $0) }
        chains = [
            Chain(name: "input", hook: .input, policy: .drop, rules: foundation(lan: policy.lan) + doors),
            // Nothing passes through the gateway except by way of a proxy, which is input and output.
            Chain(name: "forward", hook: .forward, policy: .drop),
        ]
    }
}

/// What every gateway needs, whatever it listens on.
private func foundation(lan: [String]) -> [Ruleset.Rule] {
    typealias Rule = Ruleset.Rule
    var rules = [
        Rule([.inputInterface(["lo"])], .accept, comment: "the gateway itself"),
        Rule([.connection([.established, .related])], .accept, comment: "answers"),
        Rule([.connection(.invalid)], .drop),
        // RFC 4890 §4.3.1 for IPv6; path MTU discovery and traceroute die without these in either family.
        Rule(
            [.icmp([.destinationUnreachable, .timeExceeded, .parameterProblem])], .accept,
            comment: "errors that IP needs"),
        Rule(
            [.icmpv6([.destinationUnreachable, .packetTooBig, .timeExceeded, .parameterProblem])], .accept,
            comment: "errors that IP needs"),
        // The kernel does not track these as connections, so "answers" does not cover them.
        Rule(
            [.hopLimit(255), .icmpv6([.routerAdvertisement, .neighbourSolicitation, .neighbourAdvertisement])], .accept,
            comment: "neighbour discovery"),
        Rule(
            [.source(linkLocal), .icmpv6([.listenerQuery, .listenerReport, .listenerDone, .listenerReport2])], .accept,
            comment: "multicast listener discovery"),
        // Our solicitation goes to a multicast address, so the answer belongs to no connection (RFC 8415 §7.2).
        Rule([.source(linkLocal), .destinationPort(.udp, 546)], .accept, comment: "DHCPv6 client"),
    ]
    if !lan.isEmpty {
        rules.append(Rule([.inputInterface(lan), .icmp([.echoRequest])], .accept, comment: "ping from the LAN"))
        rules.append(Rule([.inputInterface(lan), .icmpv6([.echoRequest])], .accept, comment: "ping from the LAN"))
    }
    return rules
}

private let linkLocal = Network(.v6(0xfe80 << 112), prefix: 10)

extension Policy {
    fileprivate func rules(for listener: Listener, in surroundings: Surroundings) -> [Ruleset.Rule] {
        let name = "\(listener.kind) \(listener.endpoint)"
        var rules: [Ruleset.Rule] = []
        for way in ways(to: listener, in: surroundings) {
            func open(_ matches: [Match], _ comment: String) {
                rules.append(Ruleset.Rule(way + matches, isCounted: true, .accept, comment: comment))
            }
            open([.destinationPort(.tcp, listener.endpoint.port)], name)
            if listener.kind.speaksSOCKS {
                // A UDP association is bound to the address that its client reached, which is what this asks for. Where it is
                // left to the kernel on which port, a socket of another program may stand open beside it: one that is bound to
                // just this address too, and not to all, as most are.
                let ports = listener.socks.udpPorts ?? unprivileged
                open([.destinationPorts(.udp, ports), .boundSocket], "\(name), datagrams")
            }
        }
        if listener.kind.speaksSOCKS, let ports = listener.socks.bindPorts {
            // BIND's peer comes from anywhere, to the address from which the gateway would connect to it.
            rules.append(
                Ruleset.Rule(
                    [.destinationPorts(.tcp, ports), .boundSocket], isCounted: true, .accept, comment: "\(name), BIND"))
        }
        return rules
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
        return opening.services.map { service in
            let match: Match =
                switch service {
                case .ports(let transport, let ports) where ports.lower == ports.upper:
                    .destinationPort(transport, ports.lower)
                case .ports(let transport, let ports): .destinationPorts(transport, ports)
                case .other(let number): .transport(number)
                }
            return Ruleset.Rule(matches + [match], isCounted: true, .accept, comment: opening.name)
        }
    }
}

private let unprivileged = PortRange(1024, 65535)!

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
