/// An IPv4 or IPv6 address as a number in host byte order: 127.0.0.1 is `.v4(0x7f00_0001)`.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    /// Boxed: Swift 6.3 takes the stack of an async function for aligned to 16 bytes, which it is not always, and a UInt128
    /// in a parameter then ends the process (movaps).
    indirect case v6(UInt128)
}

/// An address and a TCP or UDP port: `127.0.0.1:1080`, `[::1]:1080`.
package struct Endpoint: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16

    package init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

/// A network in CIDR notation: `192.168.1.0/24`, `fe80::/10`; a bare address is a network of one.
package struct Network: Hashable, Sendable {
    /// The first address; the bits below the prefix are zero.
    package let base: IPAddress
    /// 0…32 (IPv4) or 0…128 (IPv6).
    package let prefix: Int

    /// Host bits of `address` are cleared. `prefix` is clamped to the family's range.
    package init(_ address: IPAddress, prefix: Int) {
        switch address {
        case .v4(let bits):
            self.prefix = min(max(prefix, 0), 32)
            base = .v4(self.prefix == 0 ? 0 : bits & (UInt32.max << UInt32(32 - self.prefix)))
        case .v6(let bits):
            self.prefix = min(max(prefix, 0), 128)
            base = .v6(self.prefix == 0 ? 0 : bits & (UInt128.max << UInt128(128 - self.prefix)))
        }
    }

    /// Families never match one another: a v4-mapped address is to be unmapped by the caller.
    package func contains(_ address: IPAddress) -> Bool {
        switch (base, address) {
        case (.v4(let base), .v4(let bits)): prefix == 0 || (base ^ bits) >> UInt32(32 - prefix) == 0
        case (.v6(let base), .v6(let bits)): prefix == 0 || (base ^ bits) >> UInt128(128 - prefix) == 0
        default: false
        }
    }
}

/// Ports from `lower` to `upper`, both included: `80`, `50000-50100`.
package struct PortRange: Hashable, Sendable {
    package let lower: UInt16
    package let upper: UInt16

    /// nil if `lower` is 0 or above `upper`.
    package init?(_ lower: UInt16, _ upper: UInt16) {
        guard lower > 0, lower <= upper else { return nil }
        self.lower = lower
        self.upper = upper
    }

    package func contains(_ port: UInt16) -> Bool { lower <= port && port <= upper }
}

extension IPAddress {
    package var isLoopback: Bool {
        switch self {
        case .v4(let bits): bits >> 24 == 127
        case .v6(let bits): bits == 1
        }
    }

    /// 0.0.0.0 or ::, which a listener uses for "every address".
    package var isUnspecified: Bool {
        switch self {
        case .v4(let bits): bits == 0
        case .v6(let bits): bits == 0
        }
    }
}
