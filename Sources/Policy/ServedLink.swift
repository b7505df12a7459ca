package import Address

/// An interface behind which the gateway gives addresses to devices, and which ones.
package struct ServedLink: Hashable, Sendable {
    package var zone: String
    package var interface: String
    /// The gateway's own IPv4 address there; nil: it has none yet, and no IPv4 addresses are given out.
    package var address: InterfaceAddress?
    /// The IPv4 addresses that are given out; nil: none are, for there is no `address`, or no room beside it.
    package var range: AddressRange?
    /// The gateway's own IPv6 address there that is the home's for good (RFC 4193); nil: it has none.
    package var uniqueLocal: IPAddress?
    /// Whether the gateway answers the devices' questions for names.
    package var answersNames: Bool

    package init(
        zone: String, interface: String, address: InterfaceAddress? = nil, range: AddressRange? = nil,
        uniqueLocal: IPAddress? = nil, answersNames: Bool = true
    ) {
        self.zone = zone
        self.interface = interface
        self.address = address
        self.range = range
        self.uniqueLocal = uniqueLocal
        self.answersNames = answersNames
    }
}

extension Policy {
    /// The interfaces behind which the gateway gives addresses, whether the machine has them at the moment or not.
    package func servedLinks(in surroundings: Surroundings) -> [ServedLink] {
        zones.flatMap { zone in
            guard zone.name != Zone.internet, let service = zone.service, service.dhcp else { return [ServedLink]() }
            return zone.interfaces.map { interface in
                let own = ownAddresses(on: interface, of: zone, in: surroundings)
                let address = own.first { service.range.map($0.network.contains) ?? true }
                return ServedLink(
                    zone: zone.name, interface: interface, address: address,
                    range: address.flatMap { address in
                        service.range ?? address.spareRange(besides: own.map(\.address))
                    },
                    uniqueLocal: uniqueLocal(on: interface, of: zone, in: surroundings),
                    answersNames: service.names)
            }
        }
    }

    /// The IPv4 addresses of the gateway there: those that it gives, or else those that the interface has.
    private func ownAddresses(
        on interface: String, of zone: Zone, in surroundings: Surroundings
    ) -> [InterfaceAddress] {
        let given = interface == zone.interfaces.first ? zone.addresses.filter(\.isIPv4) : []
        if !given.isEmpty { return given }
        return (surroundings.interface(named: interface)?.addresses ?? []).filter {
            $0.isIPv4 && $0.address.special != .linkLocal && $0.prefix <= 30
        }
    }

    private func uniqueLocal(on interface: String, of zone: Zone, in surroundings: Surroundings) -> IPAddress? {
        let given = interface == zone.interfaces.first ? zone.addresses : []
        let found = surroundings.interface(named: interface)?.addresses ?? []
        return (given + found).first { $0.address.isUniqueLocal }?.address
    }

    /// The most addresses that are given out behind one interface.
    package static let longestRange = 4096
}

extension InterfaceAddress {
    var isIPv4: Bool { if case .v4 = address { true } else { false } }

    /// The addresses that may be given out in this network when nobody says which: the longest run without one of `own`. An
    /// eighth of the network, its beginning, is left to addresses that people set by hand. nil: there is no room.
    func spareRange(besides own: [IPAddress]) -> AddressRange? {
        guard case .v4(let first) = network.base, (8...30).contains(prefix) else { return nil }
        let size = UInt32(1) << UInt32(32 - prefix)
        let last = first + (size - 2)
        var taken = own.compactMap { own -> UInt32? in
            if case .v4(let bits) = own, network.contains(own) { bits } else { nil }
        }
        if case .v4(let bits) = address { taken.append(bits) }
        var best: Range<UInt32> = 0..<0
        var start = first + max(size / 8, 1)
        for stop in (taken + [last + 1]).sorted() {
            if stop > start, stop - start > UInt32(best.count) { best = start..<stop }
            start = max(start, stop + 1)
        }
        guard !best.isEmpty else { return nil }
        let count = min(best.count, Policy.longestRange)
        return AddressRange(.v4(best.lowerBound), .v4(best.lowerBound + UInt32(count - 1)))
    }
}

extension Network {
    func contains(_ range: AddressRange) -> Bool { contains(range.lower) && contains(range.upper) }
}

extension IPAddress {
    /// RFC 4193: an address that is routed in the home and nowhere else.
    package var isUniqueLocal: Bool { if case .v6(let bits) = self { bits >> 121 == 0x7e } else { false } }
}
