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
        /// A rule of a blocklist decided, or led to the one that did.
        package var asksForNetworks = false
        /// Whether its connection is known now to lead to a device that the clock stops.
        package var isTowardsHours = false

        package var isAccepted: Bool { verdict == .accept }
    }

    /// What the kernel would do with `packet` if it held this ruleset and nothing else. A source is taken to be within its
    /// rate. Where its connection goes instead (the nat chains) is not asked: `packet` is as they leave it.
    ///
    /// - Parameters:
    ///   - elements: what the live sets hold.
    ///   - isTimeUp: timed maps have lost their elements, so a trial is over.
    package func verdict(
        of packet: Packet, among elements: LiveElements = .none, isTimeUp: Bool = false
    ) -> Judgement {
        var packet = packet
        var last = Judgement(verdict: .accept)
        let isIncoming = packet.hook == .input || packet.hook == .forward
        for hook in isIncoming ? [.prerouting, packet.hook] : [packet.hook] {
            let bases = chains.filter { $0.base?.kind == .filter && $0.base?.hook == hook }
                .sorted { ($0.base?.priority ?? 0) < ($1.base?.priority ?? 0) }
            for chain in bases {
                last =
                    run(chain, &packet, among: elements, isTimeUp: isTimeUp, depth: 0)
                    ?? Judgement(verdict: chain.base?.policy ?? .accept, chain: chain.name)
                if !last.isAccepted { return last }
            }
            if hook != packet.hook { last = Judgement(verdict: .accept) }
        }
        last.isTowardsHours = packet.isTowardsHours
        return last
    }

    /// The rule of a nat chain that changes where the connection of `packet`, its first one, comes from or goes to; nil: none does.
    package func translation(of packet: Packet, at hook: Hook) -> Rule? {
        let bases = chains.filter { $0.base?.kind == .nat && $0.base?.hook == hook }
            .sorted { ($0.base?.priority ?? 0) < ($1.base?.priority ?? 0) }
        return bases.lazy.flatMap(\.rules).first { $0.matches.allSatisfy { $0.holds(for: packet, among: .none) } }
    }

    /// nil: the chain was left without a decision.
    private func run(
        _ chain: Chain, _ packet: inout Packet, among elements: LiveElements, isTimeUp: Bool, depth: Int
    ) -> Judgement? {
        // The kernel takes no chains that lead in a circle, and none that lead deeper (NFT_JUMP_STACK_SIZE).
        guard depth <= 16 else { return nil }
        func go(_ name: String, by rule: Rule, _ packet: inout Packet) -> Judgement? {
            guard let next = chains.first(where: { $0.name == name }),
                var judgement = run(next, &packet, among: elements, isTimeUp: isTimeUp, depth: depth + 1)
            else { return nil }
            if rule.asksForNetworks { judgement.asksForNetworks = true }
            return judgement
        }
        func end(_ verdict: Verdict, by rule: Rule) -> Judgement {
            Judgement(verdict: verdict, rule: rule, chain: chain.name, asksForNetworks: rule.asksForNetworks)
        }
        for rule in chain.rules where rule.matches.allSatisfy({ $0.holds(for: packet, among: elements) }) {
            switch verdict(of: rule, for: &packet, isTimeUp: isTimeUp) {
            case nil: continue
            case .accept: return end(.accept, by: rule)
            case .drop: return end(.drop, by: rule)
            case .jump(let name): if let judgement = go(name, by: rule, &packet) { return judgement }
            case .goto(let name): return go(name, by: rule, &packet)
            case .return: return nil
            }
        }
        return nil
    }

    /// nil: on to the next rule.
    private func verdict(of rule: Rule, for packet: inout Packet, isTimeUp: Bool) -> Verdict? {
        switch rule.decision {
        case .verdict(let verdict): return verdict
        case .byState(let verdicts): return verdicts[packet.state]
        case .byMap(let name): return isTimeUp ? nil : maps.first { $0.name == name }?.verdict
        case .byDevice(let name):
            guard packet.isTracked, case .verdicts(let verdicts)? = deviceMap(name) else { return nil }
            return verdicts[UInt32(packet.device)]
        case .byMark(let name):
            guard packet.isTracked, case .verdicts(let verdicts)? = deviceMap(name) else { return nil }
            return verdicts[UInt32(packet.device) | (packet.isTowardsHours ? Self.towardsHours : 0)]
        case .byDestination(let family, let name):
            guard packet.family == family, case .destinations(_, let verdicts)? = deviceMap(name) else { return nil }
            return verdicts[packet.destination]
        case .bySource(let family, let name):
            guard packet.family == family, case .destinations(_, let verdicts)? = deviceMap(name) else { return nil }
            return verdicts[packet.source]
        case .byInput(let verdicts): return verdicts[packet.interface]
        case .byOutput(let verdicts): return packet.output.flatMap { verdicts[$0] }
        case .identify(let name):
            guard packet.isTracked, let hardware = packet.hardware, case .numbers(let numbers)? = deviceMap(name),
                let number = numbers[Sender(interface: packet.interface, hardware: hardware)]
            else { return nil }
            packet.device = number
            return nil
        case .assign(let number):
            if packet.isTracked { packet.device = number }
            return nil
        case .noteHours:
            if packet.isTracked { packet.isTowardsHours = true }
            return nil
        case .refuse: return .drop
        case .tell, .note, .clampSegments: return nil
        // Of nat chains, which are not asked.
        case .forward, .redirect, .masquerade: return .accept
        }
    }

    private func deviceMap(_ name: String) -> DeviceMap.Content? { deviceMaps.first { $0.name == name }?.content }
}

extension Match {
    func holds(for packet: Packet, among elements: LiveElements) -> Bool {
        switch self {
        case .inputInterface(let names): names.contains(packet.interface)
        case .outputInterface(let names): packet.output.map { names.contains($0) } ?? false
        case .connection(let states): states.rawValue & packet.state.rawValue != 0
        case .translated: packet.isTranslated
        case .unconfirmed: packet.state == .new
        case .soughtPort(let port): packet.isTracked && (packet.soughtPort ?? packet.destinationPort) == port
        case .device(let number): packet.isTracked && packet.device == number
        case .forgedSource: packet.hasForgedSource
        case .ownDestination: packet.output == nil
        case .foreignDestination: packet.output != nil
        case .family(let family): packet.family == family
        case .source(let network): network.contains(packet.source)
        case .destination(let network): network.contains(packet.destination)
        case .sourceAmong(let set): packet.family == set.family && set.ranges.contains(packet.source)
        case .destinationAmong(let set): packet.family == set.family && set.ranges.contains(packet.destination)
        case .among(let set): set.key(of: packet).map { elements.contains($0, in: set.name) } ?? false
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
        case .beyondRate: false
        case .user(let number): packet.user == number
        // A first packet is one that begins.
        case .handshake: if case .tcp = packet.content { true } else { false }
        case .time(let range): range.contains(packet.time)
        case .before(let end): packet.time < end
        }
    }
}

extension Packet {
    /// Without a connection there is nothing that could be some device's: what the kernel calls invalid has none, and what it
    /// does not track has none.
    fileprivate var isTracked: Bool { state != .invalid && state != .untracked }

    /// nil: its protocol has none.
    fileprivate var destinationPort: UInt16? {
        switch content {
        case .tcp(let port), .udp(let port): port
        default: nil
        }
    }

    /// nil: it is of another protocol.
    func destinationPort(of transport: Opening.Transport) -> UInt16? {
        switch (content, transport) {
        case (.tcp(let port), .tcp), (.udp(let port), .udp): port
        default: nil
        }
    }
}
