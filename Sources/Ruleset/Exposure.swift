package import Address
package import Policy

/// From where what listens on this machine, or is led on by it, can be reached, by the rules that the kernel holds. Other tables than
/// ours may shut more than it says, and open nothing that it calls shut.
package struct Exposure {
    /// Something that listens.
    package struct Target: Sendable {
        package enum Content: Hashable, Sendable {
            case tcp(UInt16)
            case udp(UInt16)
            /// Packets of that protocol.
            case other(UInt8)
        }

        package var content: Content
        /// The addresses of this machine at which it hears.
        package var addresses: [IPAddress]
        /// The interface that it is bound to; nil: to none.
        package var interface: String?
        /// Whether it is bound to its very address, and not to all.
        package var isBoundToAddress: Bool
        /// The interface by which it is led on, and the port that it was for; nil: it is for the machine itself.
        fileprivate var passage: (output: String, soughtPort: UInt16)?

        package init(content: Content, addresses: [IPAddress], interface: String? = nil, isBoundToAddress: Bool) {
            self.content = content
            self.addresses = addresses
            self.interface = interface
            self.isBoundToAddress = isBoundToAddress
        }
    }

    /// nil: nothing is filtered.
    private let ruleset: Ruleset?
    private let policy: Policy
    private let surroundings: Surroundings
    private let elements: LiveElements
    /// The networks that rules ask sources for: somebody there may be let in where others are not.
    private let sources: [Network]
    /// What does not come to a socket of the machine.
    private let published: [PublishedPort]

    /// - Parameters:
    ///   - elements: what the live sets hold.
    ///   - published: what other tables lead on elsewhere.
    package init(
        ruleset: Ruleset?, policy: Policy, surroundings: Surroundings, elements: LiveElements = .none,
        published: [PublishedPort] = []
    ) {
        self.published = published
        self.ruleset = ruleset
        self.policy = policy
        self.surroundings = surroundings
        self.elements = elements
        var sources: [Network] = []
        for rule in ruleset?.chains.flatMap(\.rules) ?? [] {
            for case .source(let network) in rule.matches where !sources.contains(network) { sources.append(network) }
        }
        self.sources = sources
    }

    /// One for each interface by which somebody reaches it; empty: nobody but this machine does.
    package func reach(of target: Target) -> [Reach] {
        surroundings.interfaces.filter { !$0.isLoopback }.compactMap { interface in
            if let bound = target.interface, bound != interface.name { return nil }
            // What leaves as it came in is among neighbours, who need no gateway for it.
            if target.passage?.output == interface.name { return nil }
            var widest: Reach?
            for address in target.addresses where !address.isLoopback {
                guard let reach = reach(of: target, at: address, by: interface) else { continue }
                if widest == nil || reach.audience < widest!.audience { widest = reach }
            }
            return widest
        }
    }

    /// The same of what another table leads on.
    ///
    /// - Parameter output: the interface by which packets leave for its destination; nil: there is none.
    package func reach(of port: PublishedPort, by output: String?) -> [Reach] {
        let isHere = surroundings.interface(holding: port.destination) != nil
        guard isHere || output != nil, !(port.address?.base.isLoopback ?? false) else { return [] }
        var reaches: [Reach] = []
        // Of many at once those are asked that a rule could tell apart.
        var samples: Set<UInt16> = [port.port ?? port.ports.lower]
        if port.port == nil {
            samples.insert(port.ports.upper)
            for match in ruleset?.chains.flatMap(\.rules).flatMap(\.matches) ?? [] {
                switch match {
                case .destinationPort(_, let number): samples.insert(number)
                case .destinationPorts(_, let range): samples.formUnion([range.lower, range.upper])
                default: break
                }
            }
            samples = samples.filter(port.ports.contains)
        }
        for sample in samples.sorted() {
            var target = Target(
                content: port.transport == .tcp ? .tcp(sample) : .udp(sample), addresses: [port.destination],
                isBoundToAddress: true)
            if !isHere { target.passage = output.map { ($0, port.port == nil ? sample : port.ports.lower) } }
            for reach in reach(of: target) where port.isEntered(by: reach.interface) {
                if let index = reaches.firstIndex(where: { $0.interface == reach.interface }) {
                    if reach.audience < reaches[index].audience { reaches[index] = reach }
                } else {
                    reaches.append(reach)
                }
            }
        }
        return reaches
    }

    private func reach(
        of target: Target, at address: IPAddress, by interface: Surroundings.Interface
    ) -> Reach? {
        // A neighbour of this interface, whatever interface the address is of: Linux answers for each by every one.
        let own =
            interface.addresses.first { $0.address == address }
            ?? interface.addresses.first {
                $0.address.isIPv6 == address.isIPv6
            }
        guard let neighbour = own?.neighbour else { return nil }
        if target.passage == nil,
            published.contains(where: {
                // What is led to the machine's own address comes to a socket of it.
                $0.isSure && surroundings.interface(holding: $0.destination) == nil
                    && $0.takes(target.content.ofPacket, to: address, by: interface.name)
            })
        {
            return nil
        }
        let zone = policy.zone(of: interface.name)?.name
        func admitted(_ source: IPAddress, _ hardware: HardwareAddress? = nil) -> Ruleset.Judgement? {
            guard let ruleset else { return Ruleset.Judgement(verdict: .accept) }
            var packet = Packet(
                interface: interface.name, source: source, destination: address, content: target.content.ofPacket,
                hasBoundSocket: target.isBoundToAddress)
            packet.hardware = hardware
            if let passage = target.passage {
                (packet.hook, packet.output) = (.forward, passage.output)
                (packet.isTranslated, packet.soughtPort) = (true, passage.soughtPort)
            }
            let judgement = ruleset.verdict(of: packet, among: elements)
            return judgement.isAccepted ? judgement : nil
        }
        func reach(_ judgement: Ruleset.Judgement, _ audience: Reach.Audience, from network: Network? = nil) -> Reach {
            Reach(
                interface: interface.name, zone: zone, audience: audience, source: network,
                rule: judgement.rule?.comment)
        }
        if let judgement = admitted(neighbour) { return reach(judgement, .everybody) }
        // Where new devices wait, those that are known are let in.
        let members = surroundings.household.members.filter { member in
            guard member.interface == interface.name, let zone = policy.zone(of: interface.name) else { return false }
            return policy.way(of: member.hardware, in: zone) != .blocked
        }
        if let known = members.first, let judgement = admitted(neighbour, known.hardware) {
            return reach(judgement, .knownDevices)
        }
        for network in sources where network.base.isIPv6 == address.isIPv6 {
            if let judgement = admitted(network.base, members.first?.hardware) {
                return reach(judgement, .network, from: network)
            }
        }
        return nil
    }
}

extension Exposure.Target.Content {
    fileprivate var ofPacket: Packet.Content {
        switch self {
        case .tcp(let port): .tcp(port)
        case .udp(let port): .udp(port)
        case .other(let number): .other(number)
        }
    }
}
