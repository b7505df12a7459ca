package import Address
package import Policy

/// The calls about zones.
enum ZoneCalls {
    static let all: [any Call.Type] = [
        ListZones.self, AddZone.self, SetZone.self, RemoveZone.self, AllowPassage.self, DenyPassage.self,
    ]
}

package struct ListZones: Call {
    package static let documentation = """
        The zones, and the interfaces that the machine has or that a zone names.
        interfaces: those of no zone come last.
        passages: which zones may begin conversations with which others, as "FROM to TO, SERVICE, SERVICE".
        """

    package struct Interface: Codable, Hashable, Sendable {
        package var name: String
        package var zone: String?
        package var isPresent: Bool
        package var hasCarrier: Bool
        package var addresses: [IPAddress]
        package var hardware: HardwareAddress?

        package init(name: String, zone: String?, _ found: Surroundings.Interface?) {
            self.name = name
            self.zone = zone
            isPresent = found != nil
            hasCarrier = found?.hasCarrier ?? false
            addresses = found?.addresses.map(\.address) ?? []
            hardware = found?.hardware
        }
    }

    package struct Reply: Codable, Hashable, Sendable {
        package var zones: [Zone]
        package var interfaces: [Interface]
        package var passages: [String]

        package init(_ policy: Policy, in surroundings: Surroundings) {
            zones = policy.zones
            passages = policy.passages.map(\.description)
            interfaces =
                policy.zones.flatMap { zone in
                    zone.interfaces.map { Interface(name: $0, zone: zone.name, surroundings.interface(named: $0)) }
                }
                + surroundings.interfaces.filter { !$0.isLoopback && policy.zone(of: $0.name) == nil }
                .map { Interface(name: $0.name, zone: nil, $0) }
        }
    }

    package init() {}
}

package struct AddZone: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes a zone. An interface that the machine does not have yet is its own as soon as it is there.
        """

    package var zone: Zone

    package init(zone: Zone) { self.zone = zone }
}

package struct SetZone: Call, Hashable {
    package typealias Reply = Applied
    package static let documentation = """
        What is null stays as it is.
        interfaces: in place of those that the zone has.
        addresses: in place of those that the gateway gives to the first interface.
        newDevices: as in Zone; any: like the others.
        dhcp, names, range, strayNames: as in ZoneService; without both of the first the zone is not served.
        range any: worked out from the zone's own address.
        """

    package var name: String
    package var interfaces: [String]?
    package var addresses: [InterfaceAddress]?
    package var way: Way?
    package var newDevices: Choice<Way>?
    package var dhcp: Bool?
    package var names: Bool?
    package var range: Choice<AddressRange>?
    package var strayNames: Zone.StrayNames?

    /// Changes nothing until something is set.
    package init(name: String) { self.name = name }

    /// Gives `zone` what is not nil here.
    package func change(_ zone: inout Zone) {
        if let interfaces { zone.interfaces = interfaces }
        if let addresses { zone.addresses = addresses }
        if let way { zone.way = way }
        if let newDevices { zone.newDevices = newDevices.value }
        var service = zone.service ?? Zone.Service(dhcp: false, names: false)
        if let dhcp { service.dhcp = dhcp }
        if let names { service.names = names }
        if let range { service.range = range.value }
        if let strayNames { service.strayNames = strayNames }
        zone.service = service.dhcp || service.names ? service : nil
    }
}

package struct RemoveZone: Call {
    package typealias Reply = Applied
    package static let documentation = "Its interfaces are in no zone then. home and internet are always there."

    package var name: String

    package init(name: String) { self.name = name }
}

package struct AllowPassage: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Lets devices of one zone begin conversations with another one, beside what they may begin already.
        services: "tcp PORT", "udp PORT-PORT", "protocol NAME" or "protocol NUMBER" each; empty: everything.
        """

    package var from: String
    package var to: String
    package var services: [Opening.Service]

    package init(from: String, to: String, services: [Opening.Service]) {
        self.from = from
        self.to = to
        self.services = services
    }
}

package struct DenyPassage: Call {
    package typealias Reply = Applied
    package static let documentation =
        "Takes back all that devices of one zone may begin with another one, and ends it."

    package var from: String
    package var to: String

    package init(from: String, to: String) {
        self.from = from
        self.to = to
    }
}
