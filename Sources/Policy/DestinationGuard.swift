/// Decides which addresses a client may be connected to. Made once for a policy and its surroundings, asked once for every
/// dial and every datagram.
///
/// The order of judgement: our own listeners are always refused, because a proxy that dials itself goes round in circles;
/// then the operator's rules, the first that matches; then what is no place on the internet. An IPv6 address that stands
/// for an IPv4 one (NAT64, 6to4) has to pass as both.
package struct DestinationGuard: Sendable {
    package enum Verdict: Hashable, Sendable {
        case allow
        case deny(Reason)
    }

    package enum Reason: Hashable, Sendable {
        case ownListener
        case rule(id: Int)
        case unspecified, loopback, linkLocal, multicast, broadcast, reserved
        case privateRange
        case ownAddress
        case lan
    }

    private struct RuleIPv4 {
        let id: Int
        let action: Rule.Action
        let base: UInt32
        let mask: UInt32
    }

    private struct RuleIPv6 {
        let id: Int
        let action: Rule.Action
        let base: UInt128
        let mask: UInt128
    }

    private let listeners: [Endpoint]
    private let rulesIPv4: [RuleIPv4]
    private let rulesIPv6: [RuleIPv6]
    private let ownAddresses: [IPAddress]
    private let broadcasts: [UInt32]
    private let lanNetworks: [Network]

    /// - Parameter listeners: every endpoint on which this gateway proxies, whichever process serves it.
    package init(listeners: [Endpoint], rules: [Rule], lan: [String], surroundings: Surroundings) {
        self.listeners = listeners
        let ordered = rules.sorted { $0.id < $1.id }
        rulesIPv4 = ordered.compactMap { rule in
            guard let destination = rule.destination, case .v4(let base) = destination.base else { return nil }
            let mask = destination.prefix == 0 ? 0 : UInt32.max << UInt32(32 - destination.prefix)
            return RuleIPv4(id: rule.id, action: rule.action, base: base, mask: mask)
        }
        rulesIPv6 = ordered.compactMap { rule in
            guard let destination = rule.destination, case .v6(let base) = destination.base else { return nil }
            let mask = destination.prefix == 0 ? 0 : UInt128.max << UInt128(128 - destination.prefix)
            return RuleIPv6(id: rule.id, action: rule.action, base: base, mask: mask)
        }
        let held = surroundings.interfaces.flatMap(\.addresses)
        ownAddresses = held.map(\.address).filter { !$0.isLoopback }
        broadcasts = held.flatMap { held -> [UInt32] in
            guard case .v4(let bits) = held.address, (1...30).contains(held.prefix) else { return [] }
            let hosts = UInt32.max >> UInt32(held.prefix)
            return [bits & ~hosts, bits | hosts]
        }
        lanNetworks = surroundings.networks(of: lan)
    }

    package init(_ policy: Policy, surroundings: Surroundings) {
        self.init(
            listeners: policy.listeners.map(\.endpoint), rules: policy.rules, lan: policy.lan,
            surroundings: surroundings)
    }

    package func verdict(on address: IPAddress, port: UInt16) -> Verdict {
        let address = address.unmapped
        if case .deny(let reason) = judge(address, port: port) { return .deny(reason) }
        guard let embedded = address.embedded else { return .allow }
        return judge(.v4(embedded), port: port)
    }

    private func judge(_ address: IPAddress, port: UInt16) -> Verdict {
        if isOwnListener(address, port: port) { return .deny(.ownListener) }
        if let verdict = ruleVerdict(on: address) { return verdict }
        if let reason = address.special { return .deny(reason) }
        for own in ownAddresses where own == address { return .deny(.ownAddress) }
        if case .v4(let bits) = address, broadcasts.contains(bits) { return .deny(.broadcast) }
        for network in lanNetworks where network.contains(address) { return .deny(.lan) }
        return .allow
    }

    private func isOwnListener(_ address: IPAddress, port: UInt16) -> Bool {
        for listener in listeners where listener.port == port {
            let listening = listener.address.unmapped
            if listening == address { return true }
            // A connection to 0.0.0.0 or :: is made to the machine itself.
            if address.isUnspecified { return true }
            if listening.isUnspecified, address.isLoopback || ownAddresses.contains(address) { return true }
        }
        return false
    }

    private func ruleVerdict(on address: IPAddress) -> Verdict? {
        switch address {
        case .v4(let bits):
            for rule in rulesIPv4 where bits & rule.mask == rule.base {
                return rule.action == .allow ? .allow : .deny(.rule(id: rule.id))
            }
        case .v6(let bits):
            for rule in rulesIPv6 where bits & rule.mask == rule.base {
                return rule.action == .allow ? .allow : .deny(.rule(id: rule.id))
            }
        }
        return nil
    }
}

extension DestinationGuard.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ownListener: "it is a listener of this gateway"
        case .rule(let id): "rule \(id) denies it"
        case .unspecified: "it is the unspecified address"
        case .loopback: "it is a loopback address"
        case .linkLocal: "it is a link-local address"
        case .multicast: "it is a multicast address"
        case .broadcast: "it is a broadcast address"
        case .reserved: "it is a reserved address"
        case .privateRange: "it is in a private range"
        case .ownAddress: "it is an address of this gateway"
        case .lan: "it is in the local network"
        }
    }
}
