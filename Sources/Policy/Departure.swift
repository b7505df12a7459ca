package import Address

/// Something that a program of the box itself began and nothing lets out.
package struct Departure: Codable, Hashable, Sendable {
    /// The number of the account that it runs as; nil: the kernel does not say.
    package var user: UInt32?
    package var destination: IPAddress
    package var transport: IPProtocol
    /// nil: the transport has none.
    package var port: UInt16?

    package init(user: UInt32?, destination: IPAddress, transport: IPProtocol, port: UInt16?) {
        self.user = user
        self.destination = destination
        self.transport = transport
        self.port = port
    }

    /// nil: it is no packet of IP, or one that was cut short.
    ///
    /// - Parameter packet: from its IP header on (RFC 791 §3.1, RFC 8200 §3).
    package init?(packet: ArraySlice<UInt8>, user: UInt32?) {
        let bytes = Array(packet)
        guard let first = bytes.first else { return nil }
        let (number, header): (UInt8, Int)
        switch first >> 4 {
        case 4 where bytes.count >= 20:
            (number, header) = (bytes[9], Int(first & 0xf) * 4)
            destination = .v4(bytes[16..<20].reduce(0) { $0 << 8 | UInt32($1) })
        case 6 where bytes.count >= 40:
            (number, header) = (bytes[6], 40)
            destination = .v6(bytes[24..<40].reduce(0) { $0 << 8 | UInt128($1) })
        default: return nil
        }
        self.user = user
        transport = IPProtocol(number: number)
        let hasPorts = [IPProtocol.tcp, .udp].contains(transport) && bytes.count >= header + 4
        port = hasPorts ? UInt16(bytes[header + 2]) << 8 | UInt16(bytes[header + 3]) : nil
    }
}

extension Departure: CustomStringConvertible {
    /// `9.9.9.9:6667 (tcp)`, `[2620:fe::9]:53 (udp)`, `9.9.9.9 (icmp)`.
    package var description: String {
        let place = port.map { "\(Endpoint(address: destination, port: $0))" } ?? "\(destination)"
        return "\(place) (\(transport))"
    }
}
