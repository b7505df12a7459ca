package import Address

extension Policy {
    /// The rules about domains that the kernel is asked as well, by the domains' addresses.
    package var addressRules: [Rule] { rules.filter { $0.domain != nil && $0.user == nil } }

    /// The number of the rule by which `name` is not told to a client that asks for it; nil: it is told.
    ///
    /// - Parameter device: the name of the client's device; nil: nobody knows it.
    ///
    /// A question names neither a port nor a user, and what carries what comes of it is not known yet. A rule that denies something
    /// about the name for some of them leaves the question to be answered, and so does one that allows it for any port of TCP or UDP:
    /// that a name may be pinged is no reason to tell it.
    package func ruleAgainst(name: String, from client: IPAddress, device: String?) -> Int? {
        for rule in rules.sorted(by: { $0.id < $1.id }) {
            if let network = rule.client, !network.contains(client.unmapped) { continue }
            if let named = rule.device, named != device { continue }
            if rule.domain != nil, !rule.isAbout(name) { continue }
            if let transport = rule.transport, transport != .tcp, transport != .udp { continue }
            switch rule.action {
            case .allow: return nil
            case .deny:
                guard rule.domain != nil, rule.user == nil, rule.destination == nil,
                    rule.transport == nil, rule.ports == nil
                else { continue }
                return rule.id
            }
        }
        return nil
    }

    /// By which the role for names is told that a zone is meant: its place among the zones, from 1 on; 0: there is none.
    package func number(ofZone name: String) -> UInt16 {
        zones.firstIndex { $0.name == name }.map { UInt16($0 + 1) } ?? 0
    }

    /// The number of the zone behind a listener; 0: it is not for one zone.
    package func number(ofZoneBehind listener: Listener, in surroundings: Surroundings) -> UInt16 {
        let found = Set((interfaces(of: listener, in: surroundings) ?? []).map { zone(of: $0)?.name })
        guard found.count == 1, let name = found.first ?? nil else { return 0 }
        return number(ofZone: name)
    }

    package mutating func trust(domain: String) throws(Refusal) {
        guard case .name(let name) = try Host(domain) else { throw Refusal("\(domain) is an address and no domain") }
        guard !trustedDomains.contains(name) else { throw Refusal("\(name) is trusted already") }
        guard trustedDomains.count < 256 else { throw Refusal("256 domains are trusted already; distrust one first") }
        trustedDomains = (trustedDomains + [name]).sorted()
    }

    package mutating func distrust(domain: String) throws(Refusal) {
        guard let index = trustedDomains.firstIndex(of: domain) else {
            throw Refusal("\(domain) is not trusted; `gatehousectl name list` shows which domains are")
        }
        trustedDomains.remove(at: index)
    }
}

extension Rule {
    /// Whether it names a domain that `name` is, or is in.
    package func isAbout(_ name: String) -> Bool { domain.map(name.isWithin) ?? false }
}

extension String {
    /// Whether the name, in lower case, is the domain or is below it.
    package func isWithin(_ domain: String) -> Bool { self == domain || hasSuffix("." + domain) }
}
