package import Address

/// What a record of our own says (RFC 1035 §3.3, RFC 3596 §2.2).
package enum DNSData: Hashable, Sendable {
    case address(IPAddress)
    case alias(DNSName)
    case pointer(DNSName)
    case nameServer(DNSName)
    /// That every kind of records is too much to ask for (RFC 8482 §4.2).
    case nothingToTell
    /// Where a zone begins: its first server, and for how many seconds what is not there is known not to be (RFC 2308 §4).
    case start(server: DNSName, negativeSeconds: UInt32)

    var type: DNSType {
        switch self {
        case .address(.v4): .a
        case .address(.v6): .aaaa
        case .alias: .alias
        case .pointer: .pointer
        case .nameServer: .ns
        case .nothingToTell: .information
        case .start: .authority
        }
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .address(.v4(let bits)): bytes.append(number: bits)
        case .address(.v6(let bits)):
            for shift in [96, 64, 32, 0] { bytes.append(number: UInt32(truncatingIfNeeded: bits >> UInt128(shift))) }
        case .alias(let name), .pointer(let name), .nameServer(let name): bytes = name.bytes
        case .nothingToTell: bytes = [7] + "RFC8482".utf8 + [0]
        case .start(let server, let seconds):
            // `nobody.invalid` is where no complaint arrives (RFC 6303 §3).
            bytes = server.bytes + DNSName("nobody.invalid")!.bytes
            for number: UInt32 in [1, 3600, 1200, 604_800, seconds] { bytes.append(number: number) }
        }
        return bytes
    }
}
