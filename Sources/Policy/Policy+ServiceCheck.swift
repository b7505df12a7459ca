import Address

// What has to hold of the addresses that devices are given. dnsmasq, which gives them, would see a bad one only when a device
// asks for it.

extension Policy {
    func checkService(of zone: Zone) throws(Refusal) {
        guard let service = zone.service, service.dhcp else { return }
        for name in zone.interfaces where !name.utf8.allSatisfy(Self.isPlain) {
            throw Refusal(
                "the interface \(name) cannot be served: its name has other signs than letters, digits, `.`, `_`, `-` and `@`; "
                    + "`ip link set \(name) name NAME` gives it another")
        }
        guard let range = service.range else { return }
        let verb = "`gatehousectl zone set \(zone.name) --range`"
        guard case .v4 = range.lower else {
            throw Refusal(
                "the range \(range) of the zone \(zone.name) is IPv6, in which devices find addresses of their own; \(verb) "
                    + "with IPv4 addresses, or any")
        }
        guard range.count <= Self.longestRange else {
            throw Refusal("the range \(range) has \(range.count) addresses; give \(verb) \(Self.longestRange) at most")
        }
        for other in zones where other.name != zone.name {
            guard let its = other.service?.range, its.overlaps(range) else { continue }
            throw Refusal(
                "the range \(range) of the zone \(zone.name) and \(its) of the zone \(other.name) overlap; each zone has a "
                    + "network of its own")
        }
        let own = zone.addresses.filter(\.isIPv4)
        if !own.isEmpty { try Self.check(range, of: zone, among: own) }
    }

    /// - Parameter own: the gateway's addresses there.
    private static func check(_ range: AddressRange, of zone: Zone, among own: [InterfaceAddress]) throws(Refusal) {
        let verb = "`gatehousectl zone set \(zone.name) --range`"
        guard let address = own.first(where: { $0.network.contains(range) }) else {
            throw Refusal(
                "the range \(range) is not in the network of the zone \(zone.name), which is "
                    + "\(listed(own.map { "\($0.network)" })); \(verb) any works one out")
        }
        if let mine = own.first(where: { range.contains($0.address) }) {
            throw Refusal(
                "the range \(range) of the zone \(zone.name) has the gateway's own address \(mine.address) in it; leave it "
                    + "out, or \(verb) any")
        }
        for (edge, what) in address.edges where range.contains(edge) {
            throw Refusal(
                "the range \(range) of the zone \(zone.name) has \(edge) in it, which is \(what) and no host's; leave it out"
            )
        }
    }

    /// The addresses that devices always get: each one device's, and a host's in a network that we give.
    func checkFixedAddress(of device: Device, after others: ArraySlice<Device>) throws(Refusal) {
        guard let address = device.address else { return }
        let verb = "`gatehousectl device address \(device.name)`"
        guard case .v4 = address else {
            throw Refusal("\(address) is IPv6, in which a device finds addresses of its own; \(verb) takes IPv4")
        }
        if let twin = others.first(where: { $0.address == address }) {
            throw Refusal("\(address) is the address of \(twin.name) already; give \(verb) another, or none")
        }
        let served = zones.filter { $0.service?.dhcp == true }
        let own = served.flatMap(\.addresses).filter(\.isIPv4)
        if let mine = zones.flatMap(\.addresses).first(where: { $0.address == address }) {
            throw Refusal("\(mine.address) is the gateway's own address; give \(verb) another")
        }
        guard !served.isEmpty, served.allSatisfy({ $0.addresses.contains(where: \.isIPv4) }) else { return }
        guard let home = own.first(where: { $0.network.contains(address) }) else {
            throw Refusal(
                "\(address) is in no network in which addresses are given, which are "
                    + "\(listed(own.map { "\($0.network)" })); give \(verb) one of these")
        }
        for (edge, what) in home.edges where edge == address {
            throw Refusal("\(address) is \(what) and no host's; give \(verb) another")
        }
    }

    /// Throws if a zone that is to be served lacks, on this machine as it is now, what that takes. Asked when somebody wants it
    /// to be served: later it is a warning.
    func checkIsServable(_ zone: Zone, in surroundings: Surroundings) throws(Refusal) {
        guard zone.service?.dhcp == true else { return }
        if let obstacle = obstacles(toServing: zone, in: surroundings).first { throw Refusal(obstacle) }
    }

    /// Why devices of the zone get no addresses, or not those that they are to have; empty: they do.
    func obstacles(toServing zone: Zone, in surroundings: Surroundings) -> [String] {
        guard zone.service?.dhcp == true else { return [] }
        if zone.interfaces.isEmpty {
            return [
                "nobody in the zone \(zone.name) is given an address: it has no interface; `gatehousectl zone set \(zone.name) "
                    + "--interface` gives it one"
            ]
        }
        return servedLinks(in: surroundings).filter { $0.zone == zone.name }.compactMap { link in
            if link.range != nil { return nil }
            let own = (surroundings.interface(named: link.interface)?.addresses ?? []).filter {
                $0.isIPv4 && $0.address.special != .linkLocal
            }
            guard let first = own.first else {
                return
                    "nobody on \(link.interface) is given an address: the gateway has none there itself; `gatehousectl zone "
                    + "set \(zone.name) --address \(surroundings.freeNetwork)` gives it one"
            }
            if let range = zone.service?.range {
                return
                    "nobody on \(link.interface) is given an address: the range \(range) is not in its network, which is "
                    + "\(listed(own.map { "\($0.network)" })); `gatehousectl zone set \(zone.name) --range any` works one out"
            }
            return
                "nobody on \(link.interface) is given an address: the network \(first.network) has no room beside the "
                + "gateway; `gatehousectl zone set \(zone.name) --address` gives it a larger one"
        }
    }

    /// dnsmasq's file has no way to quote another.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x40: true
        default: false
        }
    }
}

extension InterfaceAddress {
    /// The addresses of an IPv4 network that no host can have, and what they are.
    fileprivate var edges: [(IPAddress, String)] {
        guard case .v4(let base) = network.base, prefix <= 30 else { return [] }
        return [
            (.v4(base), "the network itself"), (.v4(base | UInt32.max >> UInt32(prefix)), "its broadcast address"),
        ]
    }
}
