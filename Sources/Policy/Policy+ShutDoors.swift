import Address

// A rule about everybody holds for what comes in by a forward, and for what a passage lets through between zones, as well. What an
// opening lets in to the gateway itself is asked of no rule, and a rule about a device is about what that device begins.

extension Policy {
    /// A sentence for each forward and each passage that a rule shuts, whatever else is there to open it; in one version of IP or in
    /// both.
    func warningsOfShutDoors(in surroundings: Surroundings) -> [String] {
        forwards.flatMap { forward in
            warnings(
                of: entrances(of: forward, in: surroundings),
                "the forward \(forward.name) lets nobody in",
                "`gatehousectl forward remove \(forward.name)` takes it out")
        }
            + passages.flatMap { passage -> [String] in
                let services = passage.services.isEmpty ? [nil] : passage.services.map(Optional.some)
                return services.flatMap { service in
                    let name = "\(passage.ends)" + (service.map { ", \($0)," } ?? "")
                    return warnings(
                        of: ways(through: passage, for: service, in: surroundings),
                        "the passage from \(name) lets nothing through",
                        "`gatehousectl zone deny \(passage.ends)` takes it out")
                }
            }
    }

    private func warnings(of ways: [DoorWay], _ loss: String, _ remedy: String) -> [String] {
        func warning(_ rule: Rule, _ version: String) -> String {
            "\(loss)\(version): rule \(rule.id) denies it (\(rule)); `gatehousectl rule remove \(rule.id)` opens it, \(remedy)"
        }
        let denials = ways.compactMap { way in denial(of: way).map { (way: way, rule: $0) } }
        if denials.count == ways.count, Set(denials.map(\.rule.id)).count == 1 {
            return [warning(denials[0].rule, "")]
        }
        return denials.map { warning($0.rule, " over \($0.way.isIPv6 ? "IPv6" : "IPv4")") }
    }

    /// What a door lets through, in one version of IP.
    private struct DoorWay {
        var isIPv6: Bool
        var sources: [Network]
        var destinations: [Network]
        /// nil: everything.
        var service: Opening.Service?

        /// Whether a rule with this protocol and these ports is about some of it, and whether about all.
        func isMet(by rule: Rule) -> (inPart: Bool, whole: Bool) {
            switch service {
            case nil: (true, rule.transport == nil && rule.ports == nil)
            case .other(let transport)?:
                if rule.ports == nil, rule.transport ?? transport == transport { (true, true) } else { (false, false) }
            case .ports(let transport, let ports)?:
                if rule.transport.map({ $0 == transport.number }) ?? true {
                    (
                        rule.ports.map { $0.lower <= ports.upper && ports.lower <= $0.upper } ?? true,
                        rule.ports.map { $0.lower <= ports.lower && ports.upper <= $0.upper } ?? true
                    )
                } else {
                    (false, false)
                }
            }
        }
    }

    /// To the device itself. None: nobody knows where it is, and nothing leads there.
    private func entrances(of forward: Forward, in surroundings: Surroundings) -> [DoorWay] {
        guard let device = device(named: forward.device) else { return [] }
        let seen = surroundings.household.member(device.hardware)?.addresses ?? []
        let ipv4 = device.address ?? seen.first { !$0.isIPv6 }
        let ipv6 = seen.filter { $0.isIPv6 && $0.special != .linkLocal }
        return [(ipv4.map { [$0] } ?? [], forward.devicePort ?? forward.port), (ipv6, forward.port)].compactMap {
            addresses, port in
            guard let isIPv6 = addresses.first?.isIPv6, forward.source?.base.isIPv6 ?? isIPv6 == isIPv6 else {
                return nil
            }
            return DoorWay(
                isIPv6: isIPv6, sources: [forward.source ?? .all(isIPv6: isIPv6)],
                destinations: addresses.map { Network($0, prefix: 128) },
                service: .ports(forward.transport, PortRange(port, port)!))
        }
    }

    /// Between networks that are there.
    private func ways(
        through passage: Passage, for service: Opening.Service?, in surroundings: Surroundings
    ) -> [DoorWay] {
        [false, true].compactMap { isIPv6 in
            func networks(of zone: String) -> [Network] {
                zone == Zone.internet
                    ? [.all(isIPv6: isIPv6)]
                    : surroundings.networks(of: interfaces(of: zone)).filter { $0.base.isIPv6 == isIPv6 }
            }
            let way = DoorWay(
                isIPv6: isIPv6, sources: networks(of: passage.from), destinations: networks(of: passage.to),
                service: service)
            return way.sources.isEmpty || way.destinations.isEmpty ? nil : way
        }
    }

    /// The rule that denies all of it; nil: an earlier one allows some of it, or none denies it.
    private func denial(of way: DoorWay) -> Rule? {
        for rule in rules.sorted(by: { $0.id < $1.id }) {
            // Of a domain it is known only by and by which addresses it has.
            guard rule.device == nil, rule.user == nil, rule.domain == nil else { continue }
            let (inPart, whole) = way.isMet(by: rule)
            guard inPart, rule.client.map({ way.sources.contains(where: $0.overlaps) }) ?? true,
                rule.destination.map({ way.destinations.contains(where: $0.overlaps) }) ?? true
            else { continue }
            if rule.action == .allow { return nil }
            if whole, rule.client.map({ way.sources.allSatisfy($0.contains) }) ?? true,
                rule.destination.map({ way.destinations.allSatisfy($0.contains) }) ?? true
            {
                return rule
            }
        }
        return nil
    }
}

extension Network {
    fileprivate static func all(isIPv6: Bool) -> Network { Network(isIPv6 ? .v6(0) : .v4(0), prefix: 0) }
}
