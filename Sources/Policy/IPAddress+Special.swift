// The addresses that are no place on the internet (RFC 6890 and the IANA special-purpose registries).

package import Address

extension IPAddress {
    /// Why nobody gets there without a rule; nil for an address of the internet.
    package var special: Access.Reason? {
        switch self {
        case .v4(let bits): specialIPv4(bits)
        case .v6(let bits): specialIPv6(bits)
        }
    }
}

private func specialIPv4(_ bits: UInt32) -> Access.Reason? {
    switch bits >> 24 {
    // Linux takes 0.0.0.0 for the machine itself.
    case 0: .unspecified
    case 10: .privateRange
    // Shared between carrier and customer (RFC 6598).
    case 100 where bits >> 22 == 0x6440_0000 >> 22: .privateRange
    case 127: .loopback
    case 169 where bits >> 16 == 0xa9fe: .linkLocal
    case 172 where bits >> 20 == 0xac1: .privateRange
    // 192.168.0.0/16, and 192.0.0.0/24 (RFC 6890 §2.1, DS-Lite).
    case 192 where bits >> 16 == 0xc0a8 || bits >> 8 == 0xc0_0000: .privateRange
    // For documents (RFC 5737), and the relays of 6to4, which there are none of any more (RFC 7526).
    case 192 where bits >> 8 == 0xc0_0002 || bits >> 8 == 0xc0_5863: .reserved
    // Between machines under test (RFC 2544), and where some proxies put addresses of their own making.
    case 198 where bits >> 17 == 0xc612_0000 >> 17: .reserved
    // For documents.
    case 198 where bits >> 8 == 0xc6_3364: .reserved
    case 203 where bits >> 8 == 0xcb_0071: .reserved
    case 224...239: .multicast
    case 240...255: bits == .max ? .broadcast : .reserved
    default: nil
    }
}

/// Within 2000::/3: for documents (RFC 3849, RFC 9637), for tests (RFC 5180), and identifiers that no packet has for its address
/// (ORCHID, RFC 4843, RFC 7343).
private func isReservedGlobal(_ bits: UInt128) -> Bool {
    switch bits >> 112 {
    case 0x2001:
        bits >> 96 == 0x2001_0db8 || bits >> 80 == 0x2001_0002_0000 || bits >> 100 == 0x2001_001
            || bits >> 100 == 0x2001_002
    case 0x3fff: bits >> 108 == 0x3fff_0
    default: false
    }
}

private func specialIPv6(_ bits: UInt128) -> Access.Reason? {
    // 2000::/3 is all that is given out; most addresses end here.
    if bits >> 125 == 1 { return isReservedGlobal(bits) ? .reserved : nil }
    switch bits >> 112 {
    case 0 where bits == 0: return .unspecified
    case 0 where bits == 1: return .loopback
    // Local-use NAT64 (RFC 8215): which network it leads to, only the operator knows.
    case 0x64 where bits >> 80 == 0x0064_ff9b_0001: return .privateRange
    case 0xfc00...0xfdff: return .privateRange
    case 0xfe80...0xfebf: return .linkLocal
    // Site-local, deprecated by RFC 3879 but still routed by some.
    case 0xfec0...0xfeff: return .privateRange
    case 0xff00...0xffff: return .multicast
    // An IPv4 address in disguise is judged as that.
    default: return IPAddress.v6(bits).embedded == nil ? .reserved : nil
    }
}
