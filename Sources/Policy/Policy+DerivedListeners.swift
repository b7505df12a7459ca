import Address

// Listeners that follow from something else: from a zone whose questions for names are answered.

extension Listener {
    /// Where the relays of this gateway ask for names while any zone is served, or a blocklist is there. Nothing from outside the machine gets there, and
    /// hardly another program is bound to it.
    package static let forRelays = Listener(
        kind: .dns, endpoint: Endpoint(address: .v4(0x7f00_4735), port: dnsPort))

    private static let dnsPort: UInt16 = 53

    fileprivate init(answeringOn address: IPAddress, of interface: String) {
        self.init(kind: .dns, endpoint: Endpoint(address: address, port: Self.dnsPort), interface: interface)
    }
}

extension Policy {
    /// Whether anybody's questions for names are answered: those of a zone's devices, or of the relays alone, whom blocklists hold for
    /// as well.
    package var answersNames: Bool { zones.contains { $0.answersNames } || !nameLists.isEmpty }

    /// One for each address of the interfaces of each zone whose questions for names are answered, bound to the interface: whoever
    /// comes from the internet's side reaches none, whatever the firewall holds. And the relays' own.
    package func derivedListeners(in surroundings: Surroundings) -> [Listener] {
        guard answersNames else { return [] }
        var endpoints: Set<Endpoint> = []
        var listeners: [Listener] = []
        for zone in zones where zone.answersNames {
            for interface in surroundings.interfaces where zone.interfaces.contains(interface.name) && interface.isUp {
                for held in interface.addresses {
                    let special = held.address.special
                    // A link-local address means nothing without its interface, and clients are told another.
                    guard special != .linkLocal, special != .loopback else { continue }
                    let listener = Listener(answeringOn: held.address, of: interface.name)
                    // An address that two interfaces hold is the first one's.
                    if endpoints.insert(listener.endpoint).inserted { listeners.append(listener) }
                }
            }
        }
        return listeners + [.forRelays]
    }

    /// Those that the operator added, and those that follow.
    package func allListeners(in surroundings: Surroundings) -> [Listener] {
        listeners + derivedListeners(in: surroundings)
    }
}

extension Zone {
    /// Nobody on the internet is answered, whatever the policy says.
    package var answersNames: Bool { service?.names == true && name != Zone.internet }
}
