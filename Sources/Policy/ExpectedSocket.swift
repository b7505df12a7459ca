package import Address

/// A port of the machine on which the operator expects something to listen, and what.
package struct ExpectedSocket: Codable, Hashable, Sendable {
    package enum Transport: String, Codable, Hashable, Sendable, CaseIterable {
        case tcp, udp
        /// Packets of a protocol other than these two; the protocol's number stands in the port's place.
        case raw
    }

    /// What tells sockets apart, whoever holds them.
    package struct Place: Codable, Hashable, Sendable {
        package var transport: Transport
        package var local: Endpoint

        package init(transport: Transport, local: Endpoint) {
            self.transport = transport
            self.local = local
        }
    }

    package var place: Place
    /// The systemd unit that holds it, or else the user; nil: the kernel itself.
    package var holder: String?

    package init(place: Place, holder: String?) {
        self.place = place
        self.holder = holder
    }
}

extension ExpectedSocket.Place: CustomStringConvertible {
    /// `tcp 0.0.0.0:22`, `raw 1`.
    package var description: String {
        transport == .raw ? "raw \(local.port)" : "\(transport.rawValue) \(local)"
    }
}
