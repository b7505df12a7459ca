// Devices that are held to what they were seen to need: by rules like any other, which are known as the hold's own.

import Address

extension Policy {
    /// Whether the device gets nothing but what rules allow it by its name.
    package func isHeld(_ device: String) -> Bool { rules.contains { $0.holds(device) } }

    /// Holds a device to what it was seen to need: a rule allows each of it, and a last one denies the device the rest.
    ///
    /// - Parameters:
    ///   - firstID: the lowest number that no rule ever had.
    /// - Returns: the rules.
    @discardableResult
    package mutating func hold(
        _ device: String, to visits: [Visit], firstID: Int
    ) throws(Refusal) -> [Rule] {
        let present = rules.filter { $0.origin == .hold && $0.device == device }.map(\.id)
        if let first = present.min(), let last = present.max() {
            throw Refusal(
                "\(device) is held already, by the rules from \(first) to \(last); `gatehousectl rule add allow --device "
                    + "\(device)` lets it go elsewhere as well, `gatehousectl device release \(device)` takes the hold away"
            )
        }
        var id = firstID
        var made: [Rule] = []
        for visit in visits.sorted(by: { ($0.host.generality, $0) < ($1.host.generality, $1) }) {
            var rule = Rule(id: id, action: .allow, device: device, transport: visit.transport.asRuled, origin: .hold)
            switch visit.host {
            case .name(let name): rule.domain = name
            case .address(let address): rule.destination = Network(address, prefix: 128)
            }
            rule.ports = visit.port.flatMap { PortRange($0, $0) }
            // What a rule says already, of the operator's or of the host above, needs none of its own.
            guard !(rules + made).contains(where: { $0.covers(rule) }) else { continue }
            try check(rule)
            made.append(rule)
            id += 1
        }
        let last = Rule(id: id, action: .deny, device: device, origin: .hold)
        if let earlier = rules.first(where: { $0.covers(last) }) {
            throw Refusal(
                "rule \(earlier.id) (\(earlier)) comes first and decides on all that \(device) does; "
                    + "`gatehousectl rule remove \(earlier.id)` first")
        }
        made.append(last)
        rules += made
        return made
    }

    /// Takes the rules of a device's hold away, and no others.
    package mutating func release(_ device: String) throws(Refusal) {
        guard rules.contains(where: { $0.origin == .hold && $0.device == device }) else {
            throw Refusal("\(device) is not held; `gatehousectl device hold \(device)` holds it")
        }
        rules.removeAll { $0.origin == .hold && $0.device == device }
    }

    /// Rules that allow a domain to a held device, whether its hold's own or the operator's: those before the one that denies it the
    /// rest. Some may be about other places than the one where the device is.
    package func domainsAllowed(toHeld device: String) -> [Rule] {
        guard let end = rules.first(where: { $0.holds(device) }) else { return [] }
        return addressRules.filter {
            $0.id < end.id && $0.action == .allow && ($0.device == nil || $0.device == device)
        }
    }

    /// The operator's rules that stand before a device's hold and may let it go where the hold does not.
    package func rulesBeforeHold(of device: String) -> [Rule] {
        guard let end = rules.first(where: { $0.holds(device) }) else { return [] }
        return rules.filter {
            $0.id < end.id && $0.origin == .hand && $0.action == .allow && $0.device == nil && $0.user == nil
        }
    }
}

extension Rule {
    /// Whether it is the last of a hold, which denies the device the rest.
    func holds(_ device: String) -> Bool { origin == .hold && action == .deny && self.device == device }
}

extension Host {
    /// Names with few labels come first, so that one that is below another finds it there; then addresses.
    fileprivate var generality: Int {
        switch self {
        case .name(let name): name.utf8.count { $0 == UInt8(ascii: ".") }
        case .address: .max
        }
    }
}

extension IPProtocol {
    /// As rules name it: ICMP is one thing, whatever the version of IP.
    fileprivate var asRuled: IPProtocol { self == .icmpv6 ? .icmp : self }
}
