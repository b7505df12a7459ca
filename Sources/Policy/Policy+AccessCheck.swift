// What has to hold of rules and limits, and of what a listener says about clients and users.

import Address

extension Policy {
    /// - Parameter rule: one that is there, or is to be.
    func check(_ rule: Rule) throws(Refusal) {
        if let device = rule.device { try checkExists(device: device) }
        if let user = rule.user { try checkExists(user) }
        if let domain = rule.domain { try Self.checkDomain(domain) }
        if let transport = rule.transport { try Self.check(transport, of: rule) }
        guard rule.origin != .hold || rule.device != nil else {
            throw Refusal("a rule of a hold names the device that is held (`--device NAME`)")
        }
        guard !rule.isAboutEverything else {
            throw Refusal(
                "a rule names a device, a user, a network, a domain, a protocol or a port; `gatehousectl rule default \(rule.action.rawValue)` "
                    + "is for everything that no rule is about")
        }
    }

    /// Throws if `rule`, added as the last one, would never decide anything.
    func checkCanDecide(_ rule: Rule) throws(Refusal) {
        for network in [rule.client, rule.destination] {
            if let network { try Self.checkMatches(network) }
        }
        if let destination = rule.destination, destination.leadsNowhere {
            throw Refusal(
                "nobody is ever taken to \(destination), whatever the rules say: a name server that answers 0.0.0.0 or :: "
                    + "blocks the name, so allow it there; what listens on this machine itself is at 127.0.0.1 or ::1")
        }
        for earlier in rules where earlier.covers(rule) {
            let what = earlier.covers(rule) && rule.covers(earlier) ? "is about the same" : "comes first and covers it"
            throw Refusal(
                "rule \(earlier.id) (\(earlier)) \(what), so this one would never decide; "
                    + "`gatehousectl rule remove \(earlier.id)` first")
        }
    }

    func check(_ limit: Limit) throws(Refusal) {
        switch limit.subject {
        case .user(let name): try checkExists(name)
        case .client(let network): try Self.checkMatches(network)
        case .device(let name): try checkExists(device: name)
        case .eachClient, .eachUser: break
        }
        switch limit.subject {
        // One that bounds nothing takes the place of the standard one.
        case .eachClient, .client, .device: break
        case .eachUser, .user:
            guard limit.handshakes == nil, limit.lookups == nil, limit.questions == nil else {
                throw Refusal(
                    "handshakes, lookups and questions are a client's, and not a user's, who has not logged in yet; "
                        + "`gatehousectl limit set client --handshakes N --lookups N --questions N`")
            }
            guard !limit.isEmpty else {
                throw Refusal(
                    "a limit has `--sessions`, `--rate` or `--bandwidth`; `gatehousectl limit remove \(limit.subject)` "
                        + "takes one away")
            }
        }
        try Self.check(limit.sessions, within: 1...1_000_000, "sessions")
        try Self.check(limit.rate, within: 1...1_000_000, "new sessions per second")
        try Self.check(limit.bandwidth, within: 1024...1_000_000_000_000, "bytes per second")
        try Self.check(limit.handshakes, within: 1...1_000_000, "handshakes")
        try Self.check(limit.lookups, within: 1...1024, "lookups")
        try Self.check(limit.questions, within: 1...1_000_000, "questions per second")
    }

    /// Its networks and its users.
    func checkClients(of listener: Listener) throws(Refusal) {
        let endpoint = listener.endpoint
        for (index, network) in listener.clients.enumerated() {
            try Self.checkMatches(network)
            guard network.isIPv6 == endpoint.address.unmapped.isIPv6 else {
                throw Refusal("nobody from \(network) can connect to \(endpoint), which is of the other IP version")
            }
            if listener.clients[..<index].contains(network) { throw Refusal("\(network) is named twice") }
        }
        for (index, user) in listener.users.enumerated() {
            guard listener.authentication == .required else {
                throw Refusal(
                    "\(endpoint) asks for no password, so it cannot know whether it is \(user); add `--auth required`, or "
                        + "have it serve them all with `--all-users`")
            }
            try checkExists(user)
            if listener.users[..<index].contains(user) { throw Refusal("user \(user) is named twice") }
        }
    }

    private func checkExists(_ user: String) throws(Refusal) {
        guard users.contains(where: { $0.name == user }) else {
            throw Refusal("there is no user \(user); `gatehousectl user add \(user)` first")
        }
    }

    /// What still names the user, so that it cannot go: a listener without its users would be everybody's.
    func checkIsUnnamed(_ user: String) throws(Refusal) {
        if let listener = listeners.first(where: { $0.users.contains(user) }) {
            throw Refusal(
                "the listener on \(listener.endpoint) names user \(user); `gatehousectl listener set "
                    + "\(listener.endpoint)` with other users first")
        }
        if let rule = rules.first(where: { $0.user == user }) {
            throw Refusal("rule \(rule.id) names user \(user); `gatehousectl rule remove \(rule.id)` first")
        }
        if limits.contains(where: { $0.subject == .user(user) }) {
            throw Refusal("there is a limit for user \(user); `gatehousectl limit remove user \(user)` first")
        }
    }

    private static func check(_ transport: IPProtocol, of rule: Rule) throws(Refusal) {
        guard transport != .icmpv6 else { throw Refusal("write `icmp`, which stands for ICMP of both IP versions") }
        guard transport != .tcp, transport != .udp else { return }
        if let ports = rule.ports {
            throw Refusal("\(transport) has no ports, and so none is \(ports); leave out the port, or the protocol")
        }
        if let user = rule.user {
            throw Refusal("user \(user) is known to the proxies alone, which carry TCP and UDP, and no \(transport)")
        }
    }

    private static func checkDomain(_ domain: String) throws(Refusal) {
        guard case .name(domain) = try Host(domain) else {
            throw Refusal(
                "\(domain) is not how a domain is written here: a name, in lower case, without a dot at its end")
        }
    }

    /// Clients and destinations are never seen as v4-mapped.
    static func checkMatches(_ network: Network) throws(Refusal) {
        guard case .v6(let bits) = network.base, bits >> 32 == 0xffff, network.prefix >= 96 else { return }
        throw Refusal("\(network) is IPv4; write \(Network(network.base.unmapped, prefix: network.prefix - 96))")
    }

    private static func check(_ value: Int?, within range: ClosedRange<Int>, _ what: String) throws(Refusal) {
        guard let value, !range.contains(value) else { return }
        throw Refusal("\(value) \(what) is out of range; give \(range.lowerBound) to \(range.upperBound)")
    }
}

extension Rule {
    fileprivate var isAboutEverything: Bool {
        device == nil && user == nil && client == nil && destination == nil && domain == nil && ports == nil
            && transport == nil
    }

    /// Whether this rule is about everything that `other` is about.
    func covers(_ other: Rule) -> Bool {
        if let device, device != other.device { return false }
        if let user, user != other.user { return false }
        if let client, other.client.map(client.contains) != true { return false }
        if let destination, other.destination.map(destination.contains) != true { return false }
        if let transport, transport != other.transport { return false }
        if let ports, other.ports.map({ ports.lower <= $0.lower && $0.upper <= ports.upper }) != true { return false }
        guard let domain else { return true }
        return other.domain?.isWithin(domain) == true
    }
}

extension Network {
    fileprivate var isIPv6: Bool { base.isIPv6 }

    /// Whether all that it holds is 0.0.0.0 or ::, or an IPv6 address that stands for 0.0.0.0: as 6to4 a whole network does
    /// (RFC 3056 §2).
    fileprivate var leadsNowhere: Bool {
        switch base {
        case .v4(let bits): prefix == 32 && bits == 0
        case .v6(let bits) where bits == 0: prefix == 128
        case .v6(let bits): base.embedded == 0 && prefix >= (bits >> 112 == 0x2002 ? 48 : 128)
        }
    }

}
