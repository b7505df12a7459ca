import Address

extension Policy {
    /// Gives each zone whose devices get addresses from us a network of IPv6 that is the home's own (RFC 4193), so that they
    /// reach one another and the gateway by IPv6 whatever the provider does. A zone that has an IPv6 address keeps it.
    ///
    /// - Parameters:
    ///   - former: the policy in force, whose networks are kept.
    ///   - random: 40 bits of it become the prefix of a home that has none yet (RFC 4193 §3.2.2).
    ///   - isMissing: whether an interface can have IPv6 and has no such address from somebody else.
    package mutating func giveUniqueLocal(
        since former: Policy, random: UInt64, _ isMissing: (_ interface: String) -> Bool
    ) {
        for (index, zone) in zones.enumerated() where zone.name != Zone.internet && zone.service?.dhcp == true {
            guard zone.addresses.allSatisfy(\.isIPv4), let interface = zone.interfaces.first
            else { continue }
            let kept = former.zone(named: zone.name)?.addresses.first { $0.address.isUniqueLocal }
            guard kept != nil || isMissing(interface) else { continue }
            zones[index].addresses.append(kept ?? freeUniqueLocal(since: former, random: random))
        }
    }

    private func freeUniqueLocal(since former: Policy, random: UInt64) -> InterfaceAddress {
        let known = (former.zones + zones).flatMap(\.addresses).filter { $0.address.isUniqueLocal }
        let home =
            known.first.map { Network($0.address, prefix: 48) }
            ?? Network(.v6(UInt128(0xfd << 40 | random & 0xff_ffff_ffff) << 80), prefix: 48)
        guard case .v6(let prefix) = home.base else { return known[0] }
        let candidates = (UInt128(1)...UInt128(0xffff)).lazy.map {
            InterfaceAddress(address: .v6(prefix | $0 << 64 | 1), prefix: 64)
        }
        return candidates.first { candidate in !known.contains { $0.network.overlaps(candidate.network) } }
            ?? candidates[candidates.startIndex]
    }
}
