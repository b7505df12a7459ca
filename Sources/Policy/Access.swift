package import Address

/// Decides who is served and where they are taken. Made once for a policy and its surroundings, asked for every client, every
/// dial and every datagram; it never changes, so whoever holds one decides consistently.
///
/// The order of judgement: whether the listener serves the client; whether the client's device is stopped; 0.0.0.0 and ::, which are always refused, because Linux
/// takes them for the machine itself and name servers for "blocked"; our own listeners, which are always refused too, because
/// a proxy that dials itself goes round in circles; the operator's rules, the first that matches, or their default; and what
/// these allow without naming its network has to be a place on the internet (`DestinationGuard`). An IPv6 address that
/// stands for an IPv4 one (NAT64, 6to4) has to pass as both.
package final class Access: Sendable {
    /// Who asks.
    package struct Client: Hashable, Sendable {
        /// The listener that it came to.
        package var listener: Endpoint
        /// What that listener was when it came, or what it turned out to speak to one that is `mixed`.
        package var kind: Listener.Kind
        /// Where it came from; never v4-mapped.
        package var address: IPAddress
        /// Once it has given the right password.
        package var user: String?
        /// The number of its device, by the kernel's word; 0: the kernel does not know it.
        package var device: UInt16

        package init(
            listener: Endpoint, kind: Listener.Kind, address: IPAddress, user: String? = nil, device: UInt16 = 0
        ) {
            self.listener = listener
            self.kind = kind
            self.address = address.unmapped
            self.user = user
            self.device = device
        }
    }

    package enum Verdict: Hashable, Sendable {
        case allow
        case deny(Reason)
    }

    package enum Reason: Hashable, Sendable {
        /// The listener is gone, or does not serve this client or this user, or not so.
        case listener
        /// The client's device gets nothing at present.
        case stopped(DeviceStanding.Stop)
        case ownListener
        case rule(id: Int)
        /// No rule allows it and the default is to deny.
        case noRule
        /// The name's address is 0.0.0.0 or ::, as a name server answers for what it blocks. No rule opens it.
        case blocked
        /// Somewhere in 0.0.0.0/8, or ::. No rule opens 0.0.0.0 and ::.
        case unspecified
        case loopback, linkLocal, multicast, broadcast, reserved
        case privateRange
        case ownAddress
        case lan
    }

    package let limits: LimitTable
    /// By their numbers.
    package let devices: [UInt16: DeviceStanding]
    /// The number of each zone, and of the one behind each listener.
    private let zones: (byName: [String: UInt16], byListener: [Endpoint: UInt16])
    private let listeners: [Listener]
    private let users: Set<String>
    private let rules: RuleTable
    private let guarded: DestinationGuard
    /// The private networks on the internet's side of the box itself, where its router is.
    private let routersNetworks: [Network]

    /// - Parameter standings: how devices stand at present.
    package init(_ policy: Policy, surroundings: Surroundings, standings: [DeviceStanding] = []) {
        devices = Dictionary(standings.map { ($0.number, $0) }) { first, _ in first }
        limits = LimitTable(policy.limits, in: surroundings, standings: standings)
        zones = (
            Dictionary(policy.zones.map { ($0.name, policy.number(ofZone: $0.name)) }) { first, _ in first },
            Dictionary(
                policy.listeners.map { ($0.endpoint, policy.number(ofZoneBehind: $0, in: surroundings)) }
            ) { first, _ in first }
        )
        listeners = policy.listeners
        users = Set(policy.users.map(\.name))
        rules = RuleTable(policy.rules, defaultAction: policy.defaultAction, standings: standings)
        guarded = DestinationGuard(
            listeners: policy.listeners.map(\.endpoint), lan: policy.lan, surroundings: surroundings)
        routersNetworks = policy.routersNetworks(in: surroundings)
    }

    /// Whether a client that has not said who it is may go on: its listener is there, speaks to it as it did, and serves its
    /// network, and its device is not stopped.
    package func receives(_ client: Client) -> Bool {
        stop(of: client) == nil
            && listeners.contains {
                $0.endpoint == client.listener && $0.kind.includes(client.kind) && $0.admits(client.address)
            }
    }

    /// Whether its listener asks for a password at present.
    package func asksForPassword(_ client: Client) -> Bool {
        listeners.contains { $0.endpoint == client.listener && $0.authentication == .required }
    }

    /// Why the client's device gets nothing at present; nil: it may go on, or nobody knows which device it is.
    package func stop(of client: Client) -> DeviceStanding.Stop? {
        client.device == 0 ? nil : devices[client.device]?.stop
    }

    /// Who asks for names in a relay's question to the role for names: the number of the device above 16 bits of the number of its
    /// zone, each 0 where nobody knows.
    package func party(of client: Client) -> UInt32 {
        let zone = devices[client.device].map { zones.byName[$0.zone] ?? 0 } ?? zones.byListener[client.listener] ?? 0
        return UInt32(client.device) << 16 | UInt32(zone)
    }

    /// Whether the client may be served at all: its listener is there, speaks to it as it did, serves its network, and asks
    /// for no password or for that of this user; and its device is not stopped.
    package func admits(_ client: Client) -> Bool { stop(of: client) == nil && serves(client) }

    private func serves(_ client: Client) -> Bool {
        // By its index: each dial asks, and would copy all of the listener.
        guard let index = listeners.indices.first(where: { listeners[$0].endpoint == client.listener }),
            listeners[index].kind.includes(client.kind), listeners[index].admits(client.address)
        else { return false }
        guard listeners[index].authentication == .required else { return true }
        guard let user = client.user else { return false }
        return users.contains(user) && listeners[index].permits(user)
    }

    /// Whether the client may be connected to `address`, which `host` is or resolved to. A session that stands may go on as
    /// long as this says so.
    ///
    /// - Parameters:
    ///   - transport: what carries the payload from the proxy to there.
    ///   - isOwn: the kernel has shown that the address is this machine's, whether or not the surroundings name it yet.
    package func verdict(
        on address: IPAddress, of host: Host, port: UInt16, over transport: Opening.Transport = .tcp,
        for client: Client, isOwn: Bool = false
    ) -> Verdict {
        if let reason = obstacle(to: client) { return .deny(reason) }
        let address = address.unmapped
        let matter = client.matter(host, port, transport)
        if let reason = objection(to: address, matter, isOwn) { return .deny(reason) }
        if let embedded = address.embedded, let reason = objection(to: .v4(embedded), matter, false) {
            return .deny(reason)
        }
        return .allow
    }

    /// Why the client may not be connected to `host`, whatever its address: the name need not be looked up. nil: that
    /// depends on the address.
    package func refusal(
        of host: Host, port: UInt16, over transport: Opening.Transport = .tcp, for client: Client
    ) -> Reason? {
        obstacle(to: client) ?? rules.refusal(of: client.matter(host, port, transport))
    }

    /// What the rules say of something that a routed device begins and the kernel would pass on to the internet: the ruleset is
    /// made of the same rules, in the same order.
    ///
    /// - Parameters:
    ///   - named: the numbers of the rules about domains that have the address, as far as the names role has told it.
    ///   - port: nil: the transport has none.
    ///   - device: the number of the device; 0: the kernel does not know it.
    /// - Returns: also the number of the rule that allows it; nil: none does, or it is not allowed.
    package func verdict(
        onRouted address: IPAddress, named: Set<Int> = [], port: UInt16?, over transport: IPProtocol,
        from source: IPAddress, device: UInt16
    ) -> (verdict: Verdict, rule: Int?) {
        let matter = RuleTable.Matter(
            source: source, device: device, user: nil, host: .address(address), named: named, transport: transport,
            port: port)
        switch rules.decision(on: address, matter) {
        case .deny(let reason): return (.deny(reason), nil)
        case .allow(let rule, let opens):
            let isShut =
                !opens && Network.private.contains { $0.contains(address) }
                && !routersNetworks.contains { $0.contains(address) }
            return isShut ? (.deny(.privateRange), nil) : (.allow, rule)
        }
    }

    /// What keeps the client from everything.
    private func obstacle(to client: Client) -> Reason? {
        serves(client) ? stop(of: client).map { .stopped($0) } : .listener
    }

    private func objection(to address: IPAddress, _ matter: RuleTable.Matter, _ isOwn: Bool) -> Reason? {
        if address.isUnspecified, case .name = matter.host { return .blocked }
        if let port = matter.port, guarded.isOwnListener(address, port: port, isOwn) { return .ownListener }
        if address.isUnspecified { return .unspecified }
        return switch rules.decision(on: address, matter) {
        case .deny(let reason): reason
        case .allow(_, opens: true): nil
        case .allow(_, opens: false): guarded.objection(to: address) ?? (isOwn ? .ownAddress : nil)
        }
    }
}

extension Access.Client {
    fileprivate func matter(_ host: Host, _ port: UInt16, _ transport: Opening.Transport) -> RuleTable.Matter {
        RuleTable.Matter(
            source: address, device: device, user: user, host: host, transport: transport.number, port: port)
    }
}

extension Listener {
    /// Whether it serves clients from `address` (never v4-mapped).
    package func admits(_ address: IPAddress) -> Bool {
        clients.isEmpty || clients.contains { $0.contains(address) }
    }

    /// Whether it serves this user, once the password was right.
    package func permits(_ user: String) -> Bool {
        users.isEmpty || users.contains(user)
    }
}

extension Listener.Kind {
    /// Whether a client that began under `earlier` would be served the same under this one.
    fileprivate func includes(_ earlier: Listener.Kind) -> Bool {
        self == earlier || self == .mixed && earlier != .https
    }
}

extension Access.Reason: CustomStringConvertible {
    /// The end of a sentence that began with the destination.
    package var description: String {
        switch self {
        case .listener: "the listener does not serve this client any more"
        case .stopped(let stop): "this device \(stop)"
        case .ownListener: "it is a listener of this gateway"
        case .rule(let id): "rule \(id) denies it"
        case .noRule: "no rule allows it"
        case .blocked: "it is blocked by a blocklist or the name server"
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
