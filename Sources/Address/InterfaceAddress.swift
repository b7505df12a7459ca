/// An address that an interface has, with the prefix of its network: `192.168.10.1/24`. Unlike a `Network` it keeps its host
/// bits.
package struct InterfaceAddress: Hashable, Sendable {
    package var address: IPAddress
    /// 0…32 (IPv4) or 0…128 (IPv6).
    package var prefix: Int

    package init(address: IPAddress, prefix: Int) {
        self.address = address
        self.prefix = prefix
    }

    /// The network that it is in.
    package var network: Network { Network(address, prefix: prefix) }

    /// Another address of the same network.
    package var neighbour: IPAddress {
        switch address {
        case .v4(let bits): .v4(prefix < 31 && bits & 0xff == 1 ? bits + 1 : bits ^ 1)
        case .v6(let bits): .v6(bits ^ 1)
        }
    }
}

extension InterfaceAddress: CustomStringConvertible, LosslessStringConvertible {
    /// `ADDRESS/PREFIX`; the prefix is never left out, for an address alone says nothing of who its neighbours are.
    package init?(_ description: String) {
        let parts = description.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(parts[0]) else { return nil }
        let width = if case .v4 = address { 32 } else { 128 }
        guard let prefix = parseDecimal(parts[1], maximum: width) else { return nil }
        self.init(address: address, prefix: prefix)
    }

    package var description: String { "\(address)/\(prefix)" }
}

extension InterfaceAddress: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
