package import Address

/// How clients name the gateway when they connect to its https listeners: what a certificate has to be for.
package struct CertificateNames: Codable, Hashable, Sendable {
    /// In lower case.
    package var names: [String]
    package var addresses: [IPAddress]

    package init(names: [String], addresses: [IPAddress]) {
        self.names = names
        self.addresses = addresses
    }
}

extension Policy {
    /// What the certificate of the https listeners has to be for; nil if there are none.
    ///
    /// - Parameter host: the machine's name.
    package func certificateNames(in surroundings: Surroundings, host: String) -> CertificateNames? {
        let listeners = self.listeners.filter { $0.kind == .https }
        guard !listeners.isEmpty else { return nil }
        var names = ["gateway", "localhost"]
        // Names that are none, or an address's, are nothing to put into a certificate.
        if let own = try? Host(host), case .name(let name) = own, !name.utf8.contains(UInt8(ascii: "_")) {
            names.insert(name, at: 0)
            // What multicast DNS answers to (RFC 6762 §3), where anybody can ask.
            if hearsMulticastDNS, !name.utf8.contains(UInt8(ascii: ".")) { names.insert("\(name).local", at: 1) }
        }
        var addresses: [IPAddress] = []
        for listener in listeners {
            for address in surroundings.addresses(of: listener) where !addresses.contains(address) {
                addresses.append(address)
            }
        }
        var seen: Set<String> = []
        return CertificateNames(names: names.filter { seen.insert($0).inserted }, addresses: addresses)
    }
}

extension Policy {
    /// Whether a question to this machine's multicast DNS gets in.
    private var hearsMulticastDNS: Bool {
        firewall == .observe
            || openings.flatMap(\.services).contains { service in
                if case .ports(.udp, let ports) = service { ports.contains(5353) } else { false }
            }
    }
}

extension Surroundings {
    /// The addresses on which clients reach `listener`, without those that mean nothing beyond one link.
    fileprivate func addresses(of listener: Listener) -> [IPAddress] {
        let own = listener.endpoint.address.unmapped
        guard own.isUnspecified else { return [own] }
        return interfaces.filter { listener.interface == nil || listener.interface == $0.name }
            .flatMap(\.addresses).map(\.address)
            .filter { address in
                guard address.special != .linkLocal else { return false }
                return switch (address, own) {
                case (.v4, .v4), (.v6, .v6): true
                default: false
                }
            }
    }
}
