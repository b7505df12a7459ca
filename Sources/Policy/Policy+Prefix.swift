import Address

extension Policy {
    /// The served zones that have no network of the internet's IPv6 though the box has: by name, with the interface that lacks an
    /// address, and the one by which the prefix would come.
    package func zonesWithoutPrefix(
        in surroundings: Surroundings
    ) -> [(zone: String, interface: String, internet: String)] {
        let ways = surroundings.interfaces.filter { wan.contains($0.name) && $0.leadsOutByIPv6 }
        guard let internet = ways.first?.name else { return [] }
        return zones.compactMap { zone in
            guard zone.name != Zone.internet, zone.service?.dhcp == true, isRouted(zone),
                let interface = zone.interfaces.first,
                let found = surroundings.interface(named: interface),
                !found.addresses.contains(where: { $0.address.isGlobalIPv6 })
            else { return nil }
            return (zone.name, interface, internet)
        }
    }
}

extension IPAddress {
    /// RFC 4291 §2.4: of the block from which addresses of the internet are given out.
    fileprivate var isGlobalIPv6: Bool { if case .v6(let bits) = self { bits >> 125 == 1 } else { false } }
}
