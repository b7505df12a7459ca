/// An address and a TCP or UDP port: `127.0.0.1:1080`, `[::1]:1080`. What a listener has, and each end of a connection.
package struct Endpoint: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16
    /// Of a link-local address: the index of the interface whose link is meant (RFC 4007, `sin6_scope_id`); 0: none is. It is this
    /// machine's own matter, and no part of the text.
    package var scope: UInt32

    package init(address: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.address = address
        self.port = port
        self.scope = scope
    }

    package static func v4(_ bits: UInt32, port: UInt16) -> Endpoint { Endpoint(address: .v4(bits), port: port) }

    package static func v6(_ bits: UInt128, port: UInt16) -> Endpoint { Endpoint(address: .v6(bits), port: port) }
}

extension Endpoint: CustomStringConvertible, LosslessStringConvertible {
    /// `ADDRESS:PORT`, `[V6ADDRESS]:PORT`; the port is 1…65535.
    package init?(_ description: String) {
        self.init(portless: description)
        if port == 0 { return nil }
    }

    /// Also with the port 0, which stands for none.
    fileprivate init?(portless text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        let isBracketed = host.first == "[" && host.last == "]" && host.count > 2
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host),
            let port = parseDecimal(text[text.index(after: colon)...], maximum: 65535).map(UInt16.init)
        else { return nil }
        if case .v6 = address, !isBracketed { return nil }
        if case .v4 = address, isBracketed { return nil }
        self.init(address: address, port: port)
    }

    package var description: String {
        switch address {
        case .v4: "\(address):\(port)"
        case .v6: "[\(address)]:\(port)"
        }
    }
}

extension Endpoint: Codable {
    /// An end of a flow whose protocol has no ports is read as it was written, with the port 0.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let endpoint = Endpoint(portless: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is not an Endpoint")
        }
        self = endpoint
    }

    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
