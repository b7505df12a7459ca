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

    /// The highest number of a device. The one above it is the kernel's mark of what the operator has ended.
    package static let lastNumber: UInt16 = endedNumber - 1
    package static let endedNumber: UInt16 = .max

    /// In the order of their numbers.
    package var members: [Member]

    package init(members: [Member] = []) { self.members = members }

    package func member(_ hardware: HardwareAddress) -> Member? { members.first { $0.hardware == hardware } }
}
