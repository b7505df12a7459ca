package import Policy

/// The calls about the firewall.
enum FirewallCalls {
    static let all: [any Call.Type] = [
        GetFirewall.self, SetFirewallMode.self, ListOpenings.self, Open.self, Close.self, ListDroppedPackets.self,
    ]
}

package struct GetFirewall: Call {
    package typealias Reply = FirewallReport
    package static let documentation = """
        What the kernel should hold, and how the door stands.
        ruleset: what the kernel should hold in mode enforce, as nft(8) would print it.
        openings: those that an operator asked for.
        zones: the zones that openings and listeners name.
        """

    package init() {}
}

/// What the kernel should hold; `GetFirewall` documents the members.
package struct FirewallReport: Codable, Hashable, Sendable {
    package var mode: FirewallMode
    package var door: DoorState
    package var ruleset: String
    package var openings: [Opening]
    package var zones: [Zone]

    package init(mode: FirewallMode, door: DoorState, ruleset: String, openings: [Opening], zones: [Zone]) {
        self.mode = mode
        self.door = door
        self.ruleset = ruleset
        self.openings = openings
        self.zones = zones
    }
}

package struct SetFirewallMode: Call {
    package typealias Reply = Applied
    package static let documentation =
        "Puts the ruleset into the kernel, or takes it out of the kernel and only shows it."

    package var mode: FirewallMode

    package init(mode: FirewallMode) { self.mode = mode }
}

package struct ListOpenings: Call {
    package static let documentation = "The openings that operators asked for, with what came in by each."

    package struct Reply: Codable, Hashable, Sendable {
        package var openings: [OpeningStatus]

        package init(openings: [OpeningStatus]) { self.openings = openings }
    }

    package init() {}
}

package struct OpeningStatus: Codable, Hashable, Sendable {
    package var opening: Opening
    package var since: Int?
    package var isOpenToInternet: Bool
    package var packets: Int?
    package var bytes: Int?

    package init(
        _ opening: Opening, since: Int? = nil, isOpenToInternet: Bool, packets: Int? = nil, bytes: Int? = nil
    ) {
        self.opening = opening
        self.since = since
        self.isOpenToInternet = isOpenToInternet
        self.packets = packets
        self.bytes = bytes
    }
}

package struct Open: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes a service of the gateway itself reachable. A place that no zone is called may be the name of an interface.
        """

    package var opening: Opening

    package init(opening: Opening) { self.opening = opening }
}

package struct Close: Call {
    package typealias Reply = Applied
    package static let documentation =
        "Takes an opening back, by its name. What came in by it and is under way is ended."

    package var name: String

    package init(name: String) { self.name = name }
}

package struct ListDroppedPackets: Call {
    package static let documentation = """
        Packets that were neither let in nor through, as far back as the firewall remembers; oldest first.
        Of each source no more than ten at once and then one a second.
        Of those that a blocklist, a ban or a forged source stops the last fifty.
        device: only those that this device sent or that were for it, as in ListSessions.
        limit: how many at most, the latest; null: 100.
        totals: all that was stopped, by what stops it, most first; empty where device is given, for nobody counts by device.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var packets: [DroppedPacket]
        package var totals: [Total]

        package init(packets: [DroppedPacket], totals: [Total]) {
            self.packets = packets
            self.totals = totals
        }
    }

    /// Packets that rules of one purpose have stopped.
    package struct Total: Codable, Hashable, Sendable {
        package var reason: String
        package var packets: Int

        package init(reason: String, packets: Int) {
            self.reason = reason
            self.packets = packets
        }
    }

    package var device: String?
    package var limit: Int?

    package init(device: String? = nil, limit: Int? = nil) {
        self.device = device
        self.limit = limit
    }
}
