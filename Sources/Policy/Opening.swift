package import Address

/// A service of the gateway itself that is to be reachable though no listener of ours is behind it.
package struct Opening: Codable, Hashable, Sendable {
    package enum Transport: String, Codable, Hashable, Sendable, CaseIterable {
        case tcp, udp
    }

    /// What is let in.
    package enum Service: Hashable, Sendable {
        case ports(Transport, PortRange)
        /// Everything of another protocol than TCP and UDP.
        case other(IPProtocol)
    }

    /// What the operator calls it; unique.
    package var name: String
    /// One at least.
    package var services: [Service]
    package var place: Place
    /// The network that may come in; nil: every address of `place`.
    package var source: Network?
    /// When it closes by itself, in seconds since 1970, UTC; nil: never.
    package var until: Int?

    package init(
        name: String, _ services: Service..., from place: Place = .zone(Zone.home), source: Network? = nil,
        until: Int? = nil
    ) {
        self.init(name: name, services: services, place: place, source: source, until: until)
    }

    package init(name: String, services: [Service], place: Place, source: Network? = nil, until: Int? = nil) {
        self.name = name
        self.services = services
        self.place = place
        self.source = source
        self.until = until
    }
}

extension Opening.Transport {
    package var number: IPProtocol { self == .tcp ? .tcp : .udp }
}

/// The number by which an IP packet tells what it carries (IANA, Assigned Internet Protocol Numbers).
package struct IPProtocol: Hashable, Sendable {
    package var number: UInt8

    package init(number: UInt8) {
        self.number = number
    }

    package static let icmp = IPProtocol(number: 1)
    package static let tcp = IPProtocol(number: 6)
    package static let udp = IPProtocol(number: 17)
    package static let icmpv6 = IPProtocol(number: 58)

    /// The names that nft(8) prints where /etc/protocols is Debian's.
    private static let names: [UInt8: String] = [
        1: "icmp", 2: "igmp", 4: "ipencap", 6: "tcp", 17: "udp", 41: "ipv6", 46: "rsvp", 47: "gre", 50: "esp",
        51: "ah", 58: "ipv6-icmp", 88: "eigrp", 89: "ospf", 94: "ipip", 103: "pim", 108: "ipcomp", 112: "vrrp",
        115: "l2tp", 132: "sctp", 136: "udplite",
    ]
}

extension IPProtocol: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// A number from 0 to 255, or a name like `gre`.
    package init?(_ description: String) {
        if let entry = Self.names.first(where: { $0.value == description }) {
            number = entry.key
        } else {
            guard let number = parseDecimal(description, maximum: 255) else { return nil }
            self.number = UInt8(number)
        }
    }

    package var description: String { Self.names[number] ?? "\(number)" }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}

extension Opening.Service: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// The port that sshd(8) listens on unless it is told otherwise.
    package static let ssh = Self.ports(.tcp, PortRange(22, 22)!)

    /// `tcp 22`, `udp 5000-5100`, `protocol gre`.
    package init?(_ description: String) {
        let words = description.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 2 else { return nil }
        if let transport = Opening.Transport(rawValue: words[0]), let ports = PortRange(words[1]) {
            self = .ports(transport, ports)
        } else if words[0] == "protocol", let number = IPProtocol(words[1]) {
            self = .other(number)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .ports(let transport, let ports): "\(transport) \(ports)"
        case .other(let number): "protocol \(number)"
        }
    }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}

extension Opening {
    package func isExpired(at now: Int) -> Bool { until.map { $0 <= now } ?? false }

    /// `tcp 53, udp 53`.
    package var what: String { services.map(\.description).joined(separator: ", ") }
}
