internal import Address
internal import Policy

extension Ruleset {
    /// What becomes of a packet, and why.
    package struct Judgement: Hashable, Sendable {
        /// `accept` or `drop`.
        package var verdict: Verdict
        /// The rule that decided; nil: the policy of the chain, or no chain at all.
        package var rule: Rule?
        /// The chain in which it was decided; nil: no chain is there for the packet.
        package var chain: String?

        package var isAccepted: Bool { verdict == .accept }
    }

    /// What the kernel would do with `packet` if it held this ruleset and nothing else. A source is taken to be within its
    /// rate.
    ///
    /// - Parameter isTimeUp: timed maps have lost their elements, so a trial is over.
    package func verdict(of packet: Packet, isTimeUp: Bool = false) -> Judgement {
        var last = Judgement(verdict: .accept)
        let bases = chains.filter { $0.base?.kind == .filter && $0.base?.hook == packet.hook }
            .sorted { ($0.base?.priority ?? 0) < ($1.base?.priority ?? 0) }
        for chain in bases {
            last =
                run(chain, packet, isTimeUp: isTimeUp, depth: 0)
                ?? Judgement(verdict: chain.base?.policy ?? .accept, chain: chain.name)
            if !last.isAccepted { break }
        }
        return last
    }

    /// nil: the chain was left without a decision.
    private func run(_ chain: Chain, _ packet: Packet, isTimeUp: Bool, depth: Int) -> Judgement? {
        // The kernel takes no chains that lead in a circle, and none that lead deeper (NFT_JUMP_STACK_SIZE).
        guard depth <= 16 else { return nil }
        func go(_ name: String) -> Judgement? {
            chains.first { $0.name == name }.flatMap { run($0, packet, isTimeUp: isTimeUp, depth: depth + 1) }
        }
        for rule in chain.rules where rule.matches.allSatisfy({ $0.holds(for: packet) }) {
            switch verdict(of: rule, for: packet, isTimeUp: isTimeUp) {
            case nil: continue
            case .accept: return Judgement(verdict: .accept, rule: rule, chain: chain.name)
            case .drop: return Judgement(verdict: .drop, rule: rule, chain: chain.name)
            case .jump(let name): if let judgement = go(name) { return judgement }
            case .goto(let name): return go(name)
            case .return: return nil
            }
        }
        return nil
    }

    private func verdict(of rule: Rule, for packet: Packet, isTimeUp: Bool) -> Verdict? {
        switch rule.decision {
        case .verdict(let verdict): verdict
        case .byState(let verdicts): verdicts[packet.state]
        case .byMap(let name): isTimeUp ? nil : maps.first { $0.name == name }?.verdict
        }
    }
}

extension Match {
    func holds(for packet: Packet) -> Bool {
        switch self {
        case .inputInterface(let names): names.contains(packet.interface)
        case .connection(let states): states.rawValue & packet.state.rawValue != 0
        case .family(let family): packet.family == family
        case .source(let network): network.contains(packet.source)
        case .destination(let network): network.contains(packet.destination)
        case .destinationPort(let transport, let port): packet.destinationPort(of: transport) == port
        case .destinationPorts(let transport, let ports):
            packet.destinationPort(of: transport).map { ports.contains($0) } ?? false
        case .transport(let kind): packet.protocolNumber == kind.number
        case .boundSocket: packet.hasBoundSocket
        case .icmp(let types):
            if case .icmp(let type) = packet.content {
                packet.family == .ipv4 && types.contains { $0.rawValue == type }
            } else {
                false
            }
        case .icmpv6(let types):
            if case .icmpv6(let type) = packet.content {
                packet.family == .ipv6 && types.contains { $0.rawValue == type }
            } else {
                false
            }
        case .hopLimit(let limit): packet.family == .ipv6 && packet.hopLimit == limit
        case .withinRate(let rate): packet.family == rate.family
        }
    }
}

extension Packet {
    /// nil: it is of another protocol.
    fileprivate func destinationPort(of transport: Opening.Transport) -> UInt16? {
        switch (content, transport) {
        case (.tcp(let port), .tcp), (.udp(let port), .udp): port
        default: nil
        }
    }
}
