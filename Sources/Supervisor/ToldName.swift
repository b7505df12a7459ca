package import Address

/// An address that a device of the home was given for a name.
package struct ToldName: Codable, Hashable, Sendable {
    /// The number of the device.
    package var device: UInt16
    package var address: IPAddress
    package var name: String

    package init(device: UInt16, address: IPAddress, name: String) {
        self.device = device
        self.address = address
        self.name = name
    }
}
