package import Address

/// A destination or source as SOCKS names it (RFC 1928 §5).
package enum SOCKSAddress: Hashable, Sendable {
    case ip(IPAddress)
    /// Printable ASCII, not yet checked to be a host name.
    case name(String)
}

extension SOCKSAddress {
    /// ATYP is at offset 3, in a request as in a datagram.
    static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKSAddress> {
        switch input[3] {
        case 1:
            guard input.count >= 8 else { return .needMore }
            return .done(.ip(.v4(input.number(at: 4, as: UInt32.self))), consumed: 8)
        case 4:
            guard input.count >= 20 else { return .needMore }
            return .done(.ip(.v6(input.number(at: 4, as: UInt128.self))), consumed: 20)
        case 3:
            guard input.count >= 5 else { return .needMore }
            let end = 5 + Int(input[4])
            guard end > 5 else { throw .badName }
            guard input.count >= end else { return .needMore }
            for index in 5..<end where !(0x21...0x7e).contains(input[index]) { throw .badName }
            return .done(.name(input.text(5..<end)), consumed: end)
        default:
            throw .unknownAddressType(input[3])
        }
    }

    /// ATYP and the address. A name is at most 255 bytes (it came from a parser that holds that).
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .ip(.v4(let bits)):
            bytes.append(1)
            for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        case .ip(.v6(let bits)):
            bytes.append(4)
            for shift in stride(from: 120, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
            }
        case .name(let name):
            let utf8 = name.utf8.prefix(255)
            bytes.append(3)
            bytes.append(UInt8(utf8.count))
            bytes += utf8
        }
    }
}
