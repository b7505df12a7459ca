package import Address
package import Policy

/// The calls about zones.
enum ZoneCalls {
    static let all: [any Call.Type] = [ListZones.self, AddZone.self, SetZone.self, RemoveZone.self]
}

package struct ListZones: Call {
    package static let documentation = """
        The zones, and the interfaces that the machine has or that a zone names.
        interfaces: those of no zone come last.
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

        package init(_ policy: Policy, in surroundings: Surroundings) {
            zones = policy.zones
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

package struct SetZone: Call {
    package typealias Reply = Applied
    package static let documentation = "Gives a zone these interfaces in place of those that it has."

    package var zone: Zone

    package init(zone: Zone) { self.zone = zone }
}

package struct RemoveZone: Call {
    package typealias Reply = Applied
    package static let documentation = "Its interfaces are in no zone then. home and internet are always there."

    package var name: String

    package init(name: String) { self.name = name }
}
