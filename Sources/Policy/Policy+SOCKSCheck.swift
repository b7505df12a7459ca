import Address

extension Policy {
    /// What has to hold of a listener's SOCKS options.
    func checkSOCKS(_ listener: Listener) throws(Refusal) {
        let socks = listener.socks
        let name = "\(listener.kind.rawValue) on \(listener.endpoint)"
        guard listener.kind.speaksSOCKS || socks == Listener.SOCKSOptions() else {
            throw Refusal(
                "\(name) does not speak SOCKS, so it has no options for it; leave them out, or make it `socks5`")
        }
        if socks.allowsVersion4, listener.authentication == .required {
            throw Refusal(
                "SOCKS4 knows no password, so \(name) cannot ask for one and allow it; leave out `--socks4` (`listener set` takes it away with `--no-socks4`) or the password"
            )
        }
        if let advertised = socks.advertisedAddress {
            try Self.checkAdvertised(advertised, of: listener, called: name)
        }
        try Self.checkRange(socks.udpPorts, option: "--udp-ports")
        try Self.checkRange(socks.bindPorts, option: "--bind-ports")
        try Self.checkRoom(for: listener, beside: listener)
        for other in listeners where other.endpoint != listener.endpoint {
            try Self.checkRoom(for: other, beside: listener)
            try Self.checkRoom(for: listener, beside: other)
        }
    }

    private static func checkAdvertised(
        _ advertised: IPAddress, of listener: Listener, called name: String
    ) throws(Refusal) {
        switch advertised.unmapped.special {
        // A laboratory may use what is reserved for tests and documents.
        case .reserved where advertised.unmapped.isUnicast: break
        case .unspecified, .multicast, .broadcast, .reserved:
            throw Refusal("\(advertised) is nowhere that a client could send to; give the address that clients reach")
        default: break
        }
        switch (advertised.unmapped, listener.endpoint.address.unmapped) {
        case (.v4, .v4), (.v6, .v6): return
        default:
            throw Refusal(
                "\(advertised) is not of the same family as \(name), whose clients would not reach it; give an address of "
                    + "that family")
        }
    }

    /// The roles have no capability, so the ports below are not theirs to bind (ip_unprivileged_port_start, ip(7)).
    private static func checkRange(_ ports: PortRange?, option: String) throws(Refusal) {
        guard let ports, ports.lower < 1024 else { return }
        throw Refusal("`\(option) \(ports)` begins with a port that only root may use; begin at 1024 or above")
    }

    private static func checkRoom(for listener: Listener, beside other: Listener) throws(Refusal) {
        guard let ports = other.socks.bindPorts, ports.contains(listener.endpoint.port) else { return }
        throw Refusal(
            "the ports \(ports) for BIND on \(other.endpoint) hold that of the \(listener.kind.rawValue) listener on "
                + "\(listener.endpoint); choose others with `--bind-ports`")
    }
}

extension IPAddress {
    /// Whether an address of its form can be a host's (RFC 1112 §4, RFC 4291 §2.4), whatever it is set aside for.
    fileprivate var isUnicast: Bool {
        switch self {
        case .v4(let bits): bits >> 28 < 0xe
        case .v6(let bits): bits >> 125 == 1
        }
    }
}
