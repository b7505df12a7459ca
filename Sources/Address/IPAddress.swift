/// An IPv4 or IPv6 address as a number in host byte order: 127.0.0.1 is `.v4(0x7f00_0001)`.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    /// Boxed: Swift 6.3 takes the stack of an async function for aligned to 16 bytes, which it is not always, and a UInt128
    /// in a parameter then ends the process (movaps).
    indirect case v6(UInt128)
}

extension IPAddress {
    package var isIPv6: Bool { if case .v6 = self { true } else { false } }

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
