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
        case relay
    }

    var payer: Payer {
        if isRelay { return .relay }
        return member != 0 ? .member(member) : .address(source.endpoint?.address ?? .v4(0))
    }
}
