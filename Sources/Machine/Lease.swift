package import Address

/// An address that dnsmasq's DHCP server has given to a device.
package struct Lease: Hashable, Sendable {
    package var hardware: HardwareAddress
    package var address: IPAddress
    /// The name that the device gave itself, as far as it can be one in the DNS (RFC 1123 §2.1), in lower case; nil: it gave
    /// none, or one that cannot.
    package var hostname: String?
    /// In seconds since 1970, by this machine's clock; nil: the lease never ends.
    package var expiry: Int?

    package init(hardware: HardwareAddress, address: IPAddress, hostname: String? = nil, expiry: Int? = nil) {
        self.hardware = hardware
        self.address = address
        self.hostname = hostname
        self.expiry = expiry
    }

    /// Whether the device may still have the address at `instant`, in seconds since 1970.
    package func isValid(at instant: Int) -> Bool { expiry.map { $0 > instant } ?? true }
}
