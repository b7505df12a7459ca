package import Address

/// What a client has to know of the gateway to use it: which listeners there are for it, and which networks it reaches
/// without. The PAC file, `client-setup` and the gateway's own pages are made of this.
package struct Premises: Sendable {
    /// A listener as a client writes it down.
    package struct Offer: Codable, Hashable, Sendable {
        package var kind: Listener.Kind
        /// Never 0.0.0.0 or ::.
        package var endpoint: Endpoint
        package var authentication: Listener.Authentication

        package init(kind: Listener.Kind, endpoint: Endpoint, authentication: Listener.Authentication) {
            self.kind = kind
            self.endpoint = endpoint
            self.authentication = authentication
        }
    }

    private let policy: Policy
    private let surroundings: Surroundings
    /// The certificate of the gateway's own authority, as PEM; nil: no https listener shows a certificate by it.
    package let authority: String?

    /// - Parameter policy: with the listeners that are open.
    package init(_ policy: Policy, surroundings: Surroundings, authority: String? = nil) {
        self.policy = policy
        self.surroundings = surroundings
        self.authority = authority
    }

    /// Whether what a client that came in by `address` asks of `server` is for the gateway itself to answer (RFC 9110 §7.6): a
    /// listener there speaks HTTP outside TLS, and serves this client.
    package func answers(at server: Endpoint, to client: IPAddress, by address: IPAddress) -> Bool {
        let (client, server) = (client.unmapped, Endpoint(address: server.address.unmapped, port: server.port))
        let interface = surroundings.interface(holding: address.unmapped)?.name
        return policy.listeners.contains { listener in
            let own = listener.endpoint.address.unmapped
            guard listener.kind == .http || listener.kind == .mixed, listener.endpoint.port == server.port,
                isFor(interface, listener), listener.admits(client)
            else { return false }
            return own == server.address
                || own.covers(server.address) && surroundings.interface(holding: server.address) != nil
        }
    }

    /// The listeners that `client` can use, which has reached the gateway at `address`: those on that address, and those on
    /// its interface's others of the same family. Beyond that nobody knows whether it has a route.
    package func offers(to client: IPAddress, at address: IPAddress) -> [Offer] {
        let (client, address) = (client.unmapped, address.unmapped)
        let holder = surroundings.interface(holding: address)
        return policy.listeners.filter(\.kind.isProxy).compactMap { listener in
            guard let place = listener.endpoint.address.unmapped.place(of: address, on: holder),
                isFor(holder?.name, listener), listener.admits(client)
            else { return nil }
            return Offer(listener, at: place)
        }
    }

    /// The listeners that the home's devices can use, each on every address at which they reach it. Where no LAN is known yet
    /// these are all that there are.
    package func offers() -> [Offer] {
        let lan = policy.interfaces(of: Zone.home)
        let interfaces = surroundings.interfaces.filter { lan.isEmpty || lan.contains($0.name) }
        // Those that serve everybody come first: who takes the first should get in.
        let proxies = policy.listeners.filter(\.kind.isProxy)
        let inOrder = proxies.filter(\.servesEverybody) + proxies.filter { !$0.servesEverybody }
        return inOrder.flatMap { listener -> [Offer] in
            let own = interfaces.filter { isFor($0.name, listener) }
            let address = listener.endpoint.address.unmapped
            let places = own.flatMap(\.addresses).map(\.address).filter {
                $0 == address || address.covers($0) && $0.special != .linkLocal && (!lan.isEmpty || !$0.isLoopback)
            }
            return places.map { Offer(listener, at: $0) }
        }
    }

    /// The networks that a client which has reached the gateway at `address` shares with it, so that it needs no proxy to get
    /// there: those of that interface, if the home is behind it. Before anybody has told where the home is, private networks
    /// count as it.
    package func networks(around address: IPAddress) -> [Network] {
        guard let holder = surroundings.interface(holding: address.unmapped) else { return [] }
        let zone = policy.zone(of: holder.name)?.name
        if zone == Zone.internet { return [] }
        return surroundings.networks(of: [holder.name]).filter { zone != nil || $0.base.special != nil }
    }

    /// Whether clients that come in by `interface` are the listener's.
    private func isFor(_ interface: String?, _ listener: Listener) -> Bool {
        guard let interfaces = policy.interfaces(at: listener.place) else { return true }
        return interface.map(interfaces.contains) == true
    }
}

extension Premises.Offer {
    package var isIPv4: Bool { if case .v4 = endpoint.address { true } else { false } }

    /// Where the gateway's own page is to be had; nil where no HTTP is spoken.
    package var page: String? { kind.speaksHTTP ? "\(kind == .https ? "https" : "http")://\(endpoint)/" : nil }

    /// Where the PAC file is to be had; nil where no HTTP is spoken.
    package var autoConfiguration: String? { page.map { $0 + "proxy.pac" } }

    fileprivate init(_ listener: Listener, at address: IPAddress) {
        self.init(
            kind: listener.kind, endpoint: Endpoint(address: address, port: listener.endpoint.port),
            authentication: listener.authentication)
    }
}

extension IPAddress {
    /// Whether this is the unspecified address of the other one's family, at which a listener hears all of that family.
    fileprivate func covers(_ other: IPAddress) -> Bool {
        switch (self, other) {
        case (.v4(0), .v4): true
        case (.v6(let bits), .v6): bits == 0
        default: false
        }
    }

    /// The address at which a listener on this one is reached by those who come to `address`; nil: they cannot tell.
    fileprivate func place(of address: IPAddress, on holder: Surroundings.Interface?) -> IPAddress? {
        if self == address || covers(address) { return address }
        switch (self, address) {
        case (.v4, .v4), (.v6, .v6): return holder?.holds(self) == true ? self : nil
        default: return nil
        }
    }
}

extension Listener {
    fileprivate var servesEverybody: Bool { clients.isEmpty && users.isEmpty }
}
