// The IPv6 addresses that are an IPv4 address in disguise.

extension IPAddress {
    /// A v4-mapped address (::ffff:0:0/96) as the IPv4 address that a socket would connect to; any other as it is.
    package var unmapped: IPAddress {
        if case .v6(let bits) = self, bits >> 32 == 0xffff { return .v4(UInt32(truncatingIfNeeded: bits)) }
        return self
    }

    /// Whether it is in NAT64's prefix for use inside a network (RFC 8215).
    package var isLocalNAT64: Bool { if case .v6(let bits) = self { bits >> 80 == 0x0064_ff9b_0001 } else { false } }

    /// The IPv4 address to which a translator or a tunnel on the way would carry this one.
    package var embedded: UInt32? {
        guard case .v6(let bits) = self else { return nil }
        let low = UInt32(truncatingIfNeeded: bits)
        switch bits >> 96 {
        // v4-mapped, IPv4-translated (RFC 2765) and IPv4-compatible (RFC 4291 §2.5.5).
        case 0 where bits >> 32 == 0xffff || bits >> 32 == 0xffff_0000 || bits >> 32 == 0 && bits > 1: return low
        // NAT64's well-known prefix (RFC 6052 §2.1).
        case 0x0064_ff9b where bits >> 32 == 0x0064_ff9b << 64: return low
        // Local-use NAT64 (RFC 8215): which bits they are, only the operator knows; none of them is set here.
        case 0x0064_ff9b where bits == 0x0064_ff9b_0001 << 80: return 0
        // Teredo: the client's address, inverted (RFC 4380 §4).
        case 0x2001_0000: return ~low
        default: break
        }
        // 6to4 (RFC 3056 §2).
        return bits >> 112 == 0x2002 ? UInt32(truncatingIfNeeded: bits >> 80) : nil
    }
}
