package import Address

/// The devices that the gateway has seen in its zones, as they are now. What the operator decided about them is in the policy.
package struct Household: Codable, Hashable, Sendable {
    /// A device that was seen.
    package struct Member: Codable, Hashable, Sendable {
        /// From 1 on, and for ever that of this hardware: the kernel marks the device's connections with it.
        package var number: UInt16
        package var hardware: HardwareAddress
        /// Where it was seen last.
        package var interface: String
        /// What it calls itself when it asks for an address; nil: nothing.
        package var hostname: String?
        /// The addresses that it has at the moment.
        package var addresses: [IPAddress]

        package init(
            number: UInt16, hardware: HardwareAddress, interface: String, hostname: String? = nil,
            addresses: [IPAddress] = []
        ) {
            self.number = number
            self.hardware = hardware
            self.interface = interface
            self.hostname = hostname
            self.addresses = addresses
        }
    }

    /// The highest number of a member.
    package static let lastNumber: UInt16 = 0x7fff
    /// Those of a device where it is no member: the kernel marks by them what it begins there before it is seen there.
    package static let strayNumbers: ClosedRange<UInt16> = lastNumber + 1...endedNumber - 1
    /// The kernel's mark of what the operator has ended.
    package static let endedNumber: UInt16 = .max

    /// In the order of their numbers.
    package var members: [Member]
    /// The devices of which it is noted at present where they go.
    package var learners: [HardwareAddress]

    package init(members: [Member] = [], learners: [HardwareAddress] = []) {
        self.members = members
        self.learners = learners
    }

    package func member(_ hardware: HardwareAddress) -> Member? { members.first { $0.hardware == hardware } }
}
