import Address

/// The operator's rules, made ready to be asked for every dial and every datagram: asking allocates nothing, and users and
/// domains are compared only where all that is cheaper to compare has matched.
struct RuleTable: Sendable {
    enum Decision: Hashable {
        /// By the rule of that number; nil: by default. `opens`: even what the guard would deny.
        case allow(rule: Int?, opens: Bool)
        case deny(Access.Reason)
    }

    /// What is to pass.
    struct Matter {
        /// Where it comes from, and the number of the device; 0: the kernel does not know it.
        let source: IPAddress
        let device: UInt16
        /// nil: nobody has said who it is.
        let user: String?
        let host: Host
        /// The numbers of rules about domains that have this address, whatever the host was called.
        var named: Set<Int> = []
        let transport: IPProtocol
        /// nil: the transport has none.
        let port: UInt16?
    }

    private struct Entry {
        let id: Int
        let action: Rule.Action
        let transport: IPProtocol?
        let ports: PortRange?
        let destination: AddressBlock?
        let client: AddressBlock?
        /// The device's number; 0, which is no device's: one that was never seen.
        let device: UInt16?
        /// Where in `users` and `domains` what the rule names is.
        let user: Int?
        let domain: Int?
    }

    private let entries: [Entry]
    private let defaultAction: Rule.Action
    private let users: [String: Int]
    private let domains: [[UInt8]]

    init(_ rules: [Rule], defaultAction: Rule.Action, standings: [DeviceStanding] = []) {
        let numbers = Dictionary(standings.map { ($0.name, $0.number) }) { first, _ in first }
        var users: [String: Int] = [:]
        var domains: [[UInt8]] = []
        entries = rules.sorted { $0.id < $1.id }.map { rule in
            Entry(
                id: rule.id, action: rule.action, transport: rule.transport, ports: rule.ports,
                destination: rule.destination.map(AddressBlock.init),
                client: rule.client.map(AddressBlock.init), device: rule.device.map { numbers[$0] ?? 0 },
                user: rule.user.map { name in
                    if let known = users[name] { return known }
                    let index = users.count
                    users[name] = index
                    return index
                },
                domain: rule.domain.map { domain in
                    domains.append(Array(domain.utf8))
                    return domains.count - 1
                })
        }
        self.defaultAction = defaultAction
        self.users = users
        self.domains = domains
    }

    /// What the first rule says that is about this, or the default.
    func decision(on address: IPAddress, _ matter: Matter) -> Decision {
        let bits = AddressBits(address)
        let source = AddressBits(matter.source)
        let user = index(of: matter.user)
        for entry in entries {
            if let destination = entry.destination, !destination.contains(bits) { continue }
            guard isAbout(entry, matter, source, user) else { continue }
            return entry.action == .deny
                ? .deny(.rule(id: entry.id)) : .allow(rule: entry.id, opens: entry.destination != nil)
        }
        return defaultAction == .deny ? .deny(.noRule) : .allow(rule: nil, opens: false)
    }

    /// Why no address of the host may be dialled, whichever it has; nil: that depends on the address.
    func refusal(of matter: Matter) -> Access.Reason? {
        let source = AddressBits(matter.source)
        let user = index(of: matter.user)
        for entry in entries where isAbout(entry, matter, source, user) {
            if entry.action == .allow { return nil }
            // One that shuts a network only is passed over: it refuses, or it leaves the word to the next.
            if entry.destination == nil { return .rule(id: entry.id) }
        }
        return defaultAction == .deny ? .noRule : nil
    }

    private func index(of user: String?) -> Int? {
        guard let user, !users.isEmpty else { return nil }
        return users[user]
    }

    /// Whether all matches that the rule names, apart from the destination's network.
    private func isAbout(_ entry: Entry, _ matter: Matter, _ source: AddressBits, _ user: Int?) -> Bool {
        if let ports = entry.ports, matter.port.map(ports.contains) != true { return false }
        if let transport = entry.transport, !transport.covers(matter.transport) { return false }
        if let network = entry.client, !network.contains(source) { return false }
        if let named = entry.device, named == 0 || named != matter.device { return false }
        if let named = entry.user, named != user { return false }
        if let domain = entry.domain { return matter.host.isWithin(domains[domain]) || matter.named.contains(entry.id) }
        return true
    }
}

extension IPProtocol {
    /// Whether a rule that names this one is about `other`: ICMP is one thing, whatever the version of IP.
    fileprivate func covers(_ other: IPProtocol) -> Bool { self == other || self == .icmp && other == .icmpv6 }
}

/// An address, unboxed.
private struct AddressBits {
    let isIPv6: Bool
    let bits: UInt128

    init(_ address: IPAddress) {
        switch address {
        case .v4(let bits): (isIPv6, self.bits) = (false, UInt128(bits))
        case .v6(let bits): (isIPv6, self.bits) = (true, bits)
        }
    }
}

/// A network, as what there is to compare.
private struct AddressBlock {
    let base: AddressBits
    let mask: UInt128

    init(_ network: Network) {
        base = AddressBits(network.base)
        let width = base.isIPv6 ? 128 : 32
        let low = network.prefix == width ? 0 : UInt128.max >> UInt128(128 - width + network.prefix)
        mask = ~low
    }

    func contains(_ address: AddressBits) -> Bool {
        address.isIPv6 == base.isIPv6 && address.bits & mask == base.bits
    }
}

extension Host {
    /// Whether this is the name `domain` or one below it. An address is below no name.
    fileprivate func isWithin(_ domain: [UInt8]) -> Bool {
        guard case .name(let name) = self else { return false }
        let excess = name.utf8.count - domain.count
        guard excess >= 0 else { return false }
        // A name that did not come from a bridged string, and none does here, is contiguous.
        return name.utf8.withContiguousStorageIfAvailable { bytes in
            if excess > 0, bytes[excess - 1] != UInt8(ascii: ".") { return false }
            return bytes[excess...].elementsEqual(domain)
        } ?? false
    }
}
