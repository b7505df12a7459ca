package import Address

/// A device that the gateway has seen, as it remembers it whether or not the device is there.
package struct Acquaintance: Hashable, Sendable {
    /// As `Household.Member` has it.
    package var number: UInt16
    package var hardware: HardwareAddress
    package var interface: String
    package var hostname: String?
    /// Seconds since 1970, UTC.
    package var firstSeen: Int
    package var lastSeen: Int
    /// The last day on which it moved anything, by the clock on the wall: days since 1970-01-01.
    package var day: Int
    /// Bytes of that day, from the device and to it.
    package var sent: Int
    package var received: Int

    package init(
        number: UInt16, hardware: HardwareAddress, interface: String, hostname: String? = nil, firstSeen: Int,
        lastSeen: Int, day: Int = 0, sent: Int = 0, received: Int = 0
    ) {
        self.number = number
        self.hardware = hardware
        self.interface = interface
        self.hostname = hostname
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
        self.day = day
        self.sent = sent
        self.received = received
    }
}
