package import Policy

/// The calls about doors from the internet to devices of the home.
enum ForwardCalls {
    static let all: [any Call.Type] = [ListForwards.self, AddForward.self, RemoveForward.self]
}

package struct ListForwards: Call {
    package static let documentation = "The doors from the internet to devices, with what came in by each."

    package struct Reply: Codable, Hashable, Sendable {
        package var forwards: [ForwardStatus]

        package init(forwards: [ForwardStatus]) { self.forwards = forwards }
    }

    package init() {}
}

package struct ForwardStatus: Codable, Hashable, Sendable {
    package var forward: Forward
    package var isReachable: Bool
    package var packets: Int?

    package init(_ forward: Forward, isReachable: Bool, packets: Int? = nil) {
        self.forward = forward
        self.isReachable = isReachable
        self.packets = packets
    }
}

package struct AddForward: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes a door from the internet to a device. IPv4 is translated, from within as well; in IPv6 the device's own addresses
        can be reached at the same port.
        """

    package var forward: Forward

    package init(forward: Forward) { self.forward = forward }
}

package struct RemoveForward: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes a door back, by its name, and ends what came in by it."

    package var name: String

    package init(name: String) { self.name = name }
}
