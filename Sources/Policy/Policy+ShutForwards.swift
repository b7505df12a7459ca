import Address

// A rule about everybody holds for what comes in by a forward as well. What an opening lets in to the gateway itself is asked of no
// rule, and a rule about a device is about what that device begins.

extension Policy {
    /// A sentence for each forward that a rule shuts, whatever else is there to open it; in one version of IP or in both.
    func warningsOfShutForwards(in surroundings: Surroundings) -> [String] {
        forwards.flatMap { forward -> [String] in
            let entrances = entrances(of: forward, in: surroundings)
            let denials = entrances.compactMap { entrance in
                denial(of: entrance, by: forward).map { (version: entrance.isIPv6 ? "IPv6" : "IPv4", rule: $0) }
            }
            if denials.count == entrances.count, Set(denials.map(\.rule.id)).count == 1 {
                return [warning(forward, denials[0].rule, "")]
            }
            return denials.map { warning(forward, $0.rule, " over \($0.version)") }
        }
    }

    private func warning(_ forward: Forward, _ rule: Rule, _ version: String) -> String {
        "the forward \(forward.name) lets nobody in\(version): rule \(rule.id) denies it (\(rule)); `gatehousectl rule remove "
            + "\(rule.id)` opens it, `gatehousectl forward remove \(forward.name)` takes it out"
    }

    /// The device's own side of a forward, in one version of IP.
    private struct Entrance {
        var addresses: [IPAddress]
        var port: UInt16
        var isIPv6: Bool { addresses[0].isIPv6 }
    }

    /// None: nobody knows where the device is, and nothing leads there.
    private func entrances(of forward: Forward, in surroundings: Surroundings) -> [Entrance] {
        guard let device = device(named: forward.device) else { return [] }
        let seen = surroundings.household.member(device.hardware)?.addresses ?? []
        let ipv4 = device.address ?? seen.first { !$0.isIPv6 }
        return [
            Entrance(addresses: ipv4.map { [$0] } ?? [], port: forward.devicePort ?? forward.port),
            Entrance(addresses: seen.filter { $0.isIPv6 && $0.special != .linkLocal }, port: forward.port),
        ].filter { !$0.addresses.isEmpty && forward.source?.base.isIPv6 ?? $0.isIPv6 == $0.isIPv6 }
    }

    /// The rule that denies all that comes in there; nil: an earlier one allows some of it, or none denies it.
    private func denial(of entrance: Entrance, by forward: Forward) -> Rule? {
        let everybody = Network(entrance.isIPv6 ? .v6(0) : .v4(0), prefix: 0)
        let sources = forward.source ?? everybody
        for rule in rules.sorted(by: { $0.id < $1.id }) {
            // Of a domain it is known only by and by which addresses it has.
            guard rule.device == nil, rule.user == nil, rule.domain == nil,
                rule.transport.map({ $0 == forward.transport.number }) ?? true,
                rule.ports?.contains(entrance.port) ?? true, rule.client?.overlaps(sources) ?? true,
                rule.destination.map({ entrance.addresses.contains(where: $0.contains) }) ?? true
            else { continue }
            if rule.action == .allow { return nil }
            if rule.client?.contains(sources) ?? true,
                rule.destination.map({ entrance.addresses.allSatisfy($0.contains) }) ?? true
            {
                return rule
            }
        }
        return nil
    }
}
