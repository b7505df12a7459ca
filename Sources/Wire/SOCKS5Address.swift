/// RFC 1928 §5. Numbers are in host byte order. A name is printable ASCII, not yet checked to be a host name.
package enum SOCKS5Address: Hashable, Sendable {
    case v4(UInt32)
    // Boxed, as Policy's IPAddress is and for the same reason: UInt128 is not safe in a parameter of an async function.
    indirect case v6(UInt128)
    case name(String)
}

extension SOCKS5Address {
    /// ATYP is at offset 3, in a request as in a datagram.
    static func parse(_ input: borrowing Span<UInt8>) throws(SOCKS5Error) -> Parsed<SOCKS5Address> {
        switch input[3] {
        case 1:
            guard input.count >= 8 else { return .needMore }
            return .done(.v4(input.number(at: 4, as: UInt32.self)), consumed: 8)
        case 4:
            guard input.count >= 20 else { return .needMore }
            return .done(.v6(input.number(at: 4, as: UInt128.self)), consumed: 20)
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
        case .v4(let bits):
            bytes.append(1)
            for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        case .v6(let bits):
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
