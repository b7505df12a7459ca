import Address
package import Policy

/// What comes of pinholes: sets of them, and the rules that look into these.
enum PinholeRules {
    /// Datagrams of the clients of a listener to their associations.
    ///
    /// - Parameter interface: where they come in; nil: anywhere.
    static func associations(
        _ family: Match.Family, by interface: Match?, comment: String
    ) -> Ruleset.Rule {
        Ruleset.Rule(
            (interface.map { [$0] } ?? []) + [.among(.associations(family)), .boundSocket], isCounted: true, .accept,
            comment: comment)
    }

    /// The peers of BIND, who come from anywhere, to the address from which the gateway would connect to them.
    static var rendezvous: [Ruleset.Rule] {
        [Match.Family.ipv4, .ipv6].flatMap { family in
            [LiveSet.rendezvous(family), .openRendezvous(family)].map {
                Ruleset.Rule([.among($0), .boundSocket], isCounted: true, .accept, comment: "BIND")
            }
        }
    }
}

extension LiveSet {
    private static let most: UInt32 = 65_536

    /// A client's address, and where its association receives.
    package static func associations(_ family: Match.Family) -> LiveSet {
        LiveSet(
            name: "associations_\(family)", family: family, fields: [.source, .destination, .destinationPort(.udp)],
            size: most)
    }

    /// The address of the peer that a request named, and where it is awaited.
    package static func rendezvous(_ family: Match.Family) -> LiveSet {
        LiveSet(
            name: "rendezvous_\(family)", family: family, fields: [.source, .destination, .destinationPort(.tcp)],
            size: most)
    }

    /// Where a peer is awaited that a request did not name.
    package static func openRendezvous(_ family: Match.Family) -> LiveSet {
        LiveSet(
            name: "open_rendezvous_\(family)", family: family, fields: [.destination, .destinationPort(.tcp)],
            size: most)
    }
}

extension LiveChange {
    /// A pinhole is opened or shut.
    package init(_ pinhole: Pinhole, _ kind: Kind) {
        let own = pinhole.own.address.unmapped
        let family: Match.Family = own.isIPv6 ? .ipv6 : .ipv4
        let place: [LiveKey.Part] = [.address(own), .port(pinhole.own.port)]
        switch (pinhole.transport, pinhole.peer) {
        case (.udp, let peer):
            let peer = peer.map { [LiveKey.Part.address($0.unmapped)] } ?? []
            self.init(LiveKey(peer + place), in: LiveSet.associations(family).name, kind)
        case (.tcp, let peer?):
            self.init(LiveKey([.address(peer.unmapped)] + place), in: LiveSet.rendezvous(family).name, kind)
        case (.tcp, nil): self.init(LiveKey(place), in: LiveSet.openRendezvous(family).name, kind)
        }
    }
}
