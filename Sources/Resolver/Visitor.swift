package import Address

/// A client of the answering side.
package struct Visitor: Hashable, Sendable {
    /// Where its messages come from.
    package var source: PackedEndpoint
    /// The number of the member of the household that it is, by the firewall's mark; 0: nobody knows.
    package var member: UInt16
    /// The number of the zone that it is in.
    package var zone: UInt16
    /// It is a relay of this gateway, which says for whom it asks and bounds what its clients ask for.
    package var isRelay: Bool

    package init(source: PackedEndpoint, member: UInt16, zone: UInt16, isRelay: Bool = false) {
        self.source = source
        self.member = member
        self.zone = zone
        self.isRelay = isRelay
    }

    /// In whose share its questions count: a device with many addresses has one.
    enum Payer: Hashable {
        case member(UInt16)
        case address(IPAddress)
        /// All of a /64 that the firewall does not tell apart, by the first address.
        case network(IPAddress)
        case relay
    }

    /// How many clients' worth all of a /64 have together, as with the limits of the proxies.
    static let neighbours = 8

    var payer: Payer {
        if isRelay { return .relay }
        return member != 0 ? .member(member) : .address(source.endpoint?.address ?? .v4(0))
    }

    /// Whoever pays as well, with `neighbours` shares: a device that nobody knows has any number of IPv6 addresses; nil: nobody.
    var neighbourhood: Payer? {
        guard case .address(.v6(let bits)) = payer else { return nil }
        return .network(.v6((bits >> 64) << 64))
    }

    /// All that pay, and how many shares each has.
    var payers: [(payer: Payer, shares: Int)] {
        [(payer, 1)] + (neighbourhood.map { [($0, Self.neighbours)] } ?? [])
    }
}
