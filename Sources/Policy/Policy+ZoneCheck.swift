package import Address

// Addresses that the gateway gives to its interfaces, and what it does for the devices behind them.

extension Policy {
    /// The fault that comes first: an address that no host can have, one that is somebody else's, networks that overlap.
    func checkAddresses(of zone: Zone, in surroundings: Surroundings) throws(Refusal) {
        let verb = "`gatehousectl zone set \(zone.name) --address`"
        if zone.name == Zone.internet {
            guard zone.addresses.isEmpty else {
                throw Refusal(
                    "the internet's side has the address that it is given there (DHCP, PPP) or that the machine's network "
                        + "configuration says; \(verb) none")
            }
            guard zone.service == nil else {
                throw Refusal("nobody on the internet is served; `gatehousectl zone set internet --no-serve`")
            }
        }
        if !zone.addresses.isEmpty, zone.interfaces.isEmpty {
            throw Refusal(
                "the zone \(zone.name) has no interface that could have the address \(zone.addresses[0]); give it one with "
                    + "`gatehousectl zone set \(zone.name) --interface`")
        }
        for (index, address) in zone.addresses.enumerated() {
            try Self.checkIsForHost(address, for: verb)
            if let twin = zone.addresses[..<index].first(where: { $0.network.overlaps(address.network) }) {
                throw Refusal("\(twin) and \(address) are in the same network; one address of each is enough")
            }
            for other in zones where other.name != zone.name {
                if let rival = other.addresses.first(where: { $0.network.overlaps(address.network) }) {
                    throw Refusal(
                        "\(address) of the zone \(zone.name) and \(rival) of the zone \(other.name) are in one network; each "
                            + "zone needs a network of its own")
                }
            }
            try checkIsFree(address, of: zone, in: surroundings)
        }
    }

    private static func checkIsForHost(_ address: InterfaceAddress, for verb: String) throws(Refusal) {
        switch address.address {
        case .v4(let bits):
            guard (8...30).contains(address.prefix) else {
                throw Refusal("\(address): a home's network has a prefix of 8 to 30 bits, like 192.168.10.1/24")
            }
            let hosts = UInt32.max >> UInt32(address.prefix)
            guard bits & hosts != 0, bits & hosts != hosts else {
                throw Refusal(
                    "\(address) is the \(bits & hosts == 0 ? "network itself" : "broadcast address") and no host's; "
                        + "choose one between, like \(IPAddress.v4(bits & ~hosts | 1))/\(address.prefix)")
            }
        case .v6:
            guard (48...64).contains(address.prefix) else {
                throw Refusal(
                    "\(address): devices find addresses of their own in a network of 64 bits (RFC 4862 §5.5.3)")
            }
        }
        switch address.address.special {
        case nil, .privateRange: break
        default: throw Refusal("\(address) can be no host's address in a home; choose one like 192.168.10.1/24")
        }
    }

    /// Another interface of the machine must not be in the network: of two ways to one address one is dead.
    private func checkIsFree(
        _ address: InterfaceAddress, of zone: Zone, in surroundings: Surroundings
    ) throws(Refusal) {
        for interface in surroundings.interfaces where interface.name != zone.interfaces.first {
            guard let rival = interface.addresses.first(where: { $0.network.overlaps(address.network) }),
                rival.address.special != .linkLocal
            else { continue }
            throw Refusal(
                "\(address) and \(rival) of \(interface.name) are in one network, and the home's has to be one of its own; "
                    + "choose another, like \(surroundings.freeNetwork)")
        }
    }
}

extension Surroundings {
    /// A network for a home that no interface is in, with the gateway's address in it.
    package var freeNetwork: InterfaceAddress {
        let taken = interfaces.flatMap(\.addresses).map(\.network)
        let candidates = (10...254).lazy.map {
            InterfaceAddress(address: .v4(0xc0a8_0001 | UInt32($0) << 8), prefix: 24)
        }
        return candidates.first { candidate in !taken.contains { $0.overlaps(candidate.network) } }
            ?? InterfaceAddress(address: .v4(0x0a4d_4d01), prefix: 24)
    }
}
