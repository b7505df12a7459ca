// What a client sends to its UDP association, and what it gets back (RFC 1928 §7).

/// The header of one datagram; what follows it is the payload.
package struct SOCKS5DatagramHeader: Hashable, Sendable {
    /// 0: the datagram is whole.
    package let fragment: UInt8
    package let address: SOCKSAddress
    package let port: UInt16

    /// A datagram comes whole or not at all: `needMore` means that it was cut short and is worth nothing.
    ///
    /// The reserved bytes are not looked at: nothing depends on them.
    package static func parse(
        _ input: borrowing Span<UInt8>
    ) throws(SOCKS5Error) -> Parsed<SOCKS5DatagramHeader> {
        guard input.count >= 4 else { return .needMore }
        guard case .done(let address, consumed: let end) = try SOCKSAddress.parse(input) else { return .needMore }
        guard input.count >= end + 2 else { return .needMore }
        let header = SOCKS5DatagramHeader(
            fragment: input[2], address: address, port: input.number(at: end, as: UInt16.self))
        return .done(header, consumed: end + 2)
    }

    /// The header of a datagram that came from `source`.
    package static func encode(source: SOCKSAddress, port: UInt16) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(22)
        bytes += [0, 0, 0]
        source.encode(into: &bytes)
        bytes.append(UInt8(port >> 8))
        bytes.append(UInt8(truncatingIfNeeded: port))
        return bytes
    }
}
