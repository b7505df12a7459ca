package import Address

/// A door that a relay needs for as long as a client's session: for the datagrams of a UDP association (RFC 1928 §7), or for the
/// connection that BIND awaits (§4).
package struct Pinhole: Codable, Hashable, Sendable {
    /// Of an association UDP, of BIND TCP.
    package var transport: Opening.Transport
    /// Who comes in by it; nil: anybody, for BIND alone.
    package var peer: IPAddress?
    /// The gateway's own address and port.
    package var own: Endpoint

    package init(transport: Opening.Transport, peer: IPAddress?, own: Endpoint) {
        self.transport = transport
        self.peer = peer
        self.own = own
    }
}

extension Policy {
    /// Whether one of these listeners needs such a pinhole: a relay that somebody has taken over opens nothing else.
    package static func allows(_ pinhole: Pinhole, for listeners: [Listener]) -> Bool {
        let own = pinhole.own.address.unmapped
        return listeners.contains { listener in
            guard listener.kind.speaksSOCKS else { return false }
            switch (pinhole.transport, pinhole.peer) {
            case (.udp, let peer?):
                let address = listener.endpoint.address.unmapped
                let ports = listener.socks.udpPorts ?? unprivileged
                return (address.isUnspecified || address == own) && ports.contains(pinhole.own.port)
                    && listener.admits(peer)
            case (.udp, nil): return false
            case (.tcp, _): return listener.socks.bindPorts?.contains(pinhole.own.port) ?? false
            }
        }
    }
}

private let unprivileged = PortRange(1024, 65535)!
