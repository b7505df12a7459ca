package import Address

/// The rules' built-in end: what is denied unless the operator opens it. The internet is open; what is no place on it, the
/// gateway itself and the local network are shut.
struct DestinationGuard: Sendable {
    private let listeners: [Endpoint]
    private let ownAddresses: [IPAddress]
    private let broadcasts: [UInt32]
    private let lanNetworks: [Network]

    /// - Parameter listeners: every endpoint on which this gateway proxies, whichever process serves it.
    init(listeners: [Endpoint], lan: [String], surroundings: Surroundings) {
        self.listeners = listeners
        let held = surroundings.interfaces.flatMap(\.addresses)
        ownAddresses = held.map(\.address).filter { !$0.isLoopback }
        broadcasts = held.flatMap { held -> [UInt32] in
            guard case .v4(let bits) = held.address, (1...30).contains(held.prefix) else { return [] }
            let hosts = UInt32.max >> UInt32(held.prefix)
            return [bits & ~hosts, bits | hosts]
        }
        lanNetworks = surroundings.networks(of: lan)
    }

    /// Why nobody gets to `address` whom no rule allows its network; nil: nothing is against it.
    func objection(to address: IPAddress) -> Access.Reason? {
        if let reason = address.special { return reason }
        for own in ownAddresses where own == address { return .ownAddress }
        if case .v4(let bits) = address, broadcasts.contains(bits) { return .broadcast }
        for network in lanNetworks where network.contains(address) { return .lan }
        return nil
    }

    /// Whether a connection to there would come back to this gateway's proxies.
    ///
    /// - Parameter isOwn: the address is this machine's, whether or not the surroundings name it yet.
    func isOwnListener(_ address: IPAddress, port: UInt16, _ isOwn: Bool = false) -> Bool {
        for listener in listeners where listener.port == port {
            let listening = listener.address.unmapped
            if listening == address { return true }
            // A connection to 0.0.0.0 or :: is made to the machine itself.
            if address.isUnspecified { return true }
            if listening.isUnspecified, isOwn || address.isLoopback || ownAddresses.contains(address) {
                return true
            }
        }
        return false
    }
}

extension Network {
    /// What is no place on the internet (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 3879): a packet to there would show itself to
    /// the provider, or reach what stands in the modem.
    package static let `private` = [
        "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10",
    ].map { Network($0)! }
}

extension Policy {
    /// The private networks on the internet's side of the box, where it is behind another router.
    package func routersNetworks(in surroundings: Surroundings) -> [Network] {
        surroundings.networks(of: wan).filter { $0.base.special == .privateRange }
    }

    /// Whether a connection to there would come back to one of this gateway's listeners.
    package func isOwnListener(_ endpoint: Endpoint, in surroundings: Surroundings) -> Bool {
        DestinationGuard(
            listeners: allListeners(in: surroundings).map(\.endpoint), lan: [], surroundings: surroundings
        )
        .isOwnListener(endpoint.address, port: endpoint.port)
    }
}
