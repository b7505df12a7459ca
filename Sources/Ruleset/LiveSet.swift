package import Address
package import Policy

/// A set of the table's whose elements come and go one by one while the rules that look into it stay (`Match.among`). The elements
/// are state (`LiveElements`): no part of the ruleset, never compared and never read back. A set that is in the next ruleset, too,
/// keeps them.
package struct LiveSet: Hashable, Sendable {
    /// A part of what the set knows packets by.
    package enum Field: Hashable, Sendable {
        case source
        /// Of IPv6 the network of 64 bits that the source is in, of which a host has as many addresses as it likes; of IPv4 the source.
        /// Only alone.
        case sourceNetwork
        case destination
        case destinationPort(Opening.Transport)
    }

    package let name: String
    package let family: Match.Family
    /// One or several, in this order; one of them at least is an address.
    package let fields: [Field]
    /// So many elements there is room for.
    package let size: UInt32
    /// Whether each element counts the packets that it matched.
    package let isCounted: Bool

    package init(name: String, family: Match.Family, fields: [Field], size: UInt32, isCounted: Bool = false) {
        self.name = name
        self.family = family
        self.fields = fields
        self.size = size
        self.isCounted = isCounted
    }

    /// By what the set would know `packet`; nil: it is of another family or protocol.
    package func key(of packet: Packet) -> LiveKey? {
        guard packet.family == family else { return nil }
        var parts: [LiveKey.Part] = []
        for field in fields {
            switch field {
            case .source: parts.append(.address(packet.source))
            case .sourceNetwork: parts.append(.address(packet.source.site))
            case .destination: parts.append(.address(packet.destination))
            case .destinationPort(let transport):
                guard let port = packet.destinationPort(of: transport) else { return nil }
                parts.append(.port(port))
            }
        }
        return LiveKey(parts)
    }
}

/// An element of a live set.
package struct LiveKey: Hashable, Sendable, Codable {
    package enum Part: Hashable, Sendable, Codable {
        case address(IPAddress)
        case port(UInt16)
    }

    /// As the set's fields have them.
    package let parts: [Part]

    package init(_ parts: [Part]) { self.parts = parts }
}

extension IPAddress {
    /// What a `sourceNetwork` knows the address by: the first address of its network of 64 bits, or an IPv4 address itself.
    package var site: IPAddress {
        switch self {
        case .v4: self
        case .v6(let bits): .v6((bits >> 64) << 64)
        }
    }
}

extension LiveSet: CustomStringConvertible {
    /// Without the elements, which come and go.
    package var description: String {
        let address = family == .ipv4 ? "ipv4_addr" : "ipv6_addr"
        let types = fields.map { if case .destinationPort = $0 { "inet_service" } else { address } }
        return """
            \tset \(name) {
            \t\ttype \(types.joined(separator: " . "))
            \t\tsize \(size)
            \t\tflags timeout
            \(isCounted ? "\t\tcounter\n" : "")\t}

            """
    }

    /// What a rule looks up, in nft's words.
    var question: String {
        let header = family == .ipv4 ? "ip" : "ip6"
        let words = fields.map { field in
            switch field {
            case .source: "\(header) saddr"
            case .sourceNetwork: family == .ipv4 ? "ip saddr" : "ip6 saddr & ffff:ffff:ffff:ffff:: =="
            case .destination: "\(header) daddr"
            case .destinationPort(let transport): "\(transport) dport"
            }
        }
        return "\(words.joined(separator: " . ")) @\(name)"
    }
}
