package import Address
package import Policy

/// Ports that another table's rules lead on to another address, as they do for containers: what comes there is for no socket of this
/// machine, and is passed on.
package struct PublishedPort: Codable, Hashable, Sendable {
    package var transport: Opening.Transport
    package var ports: PortRange
    /// The addresses that the packets are for; nil: all that the machine has.
    package var address: Network?
    /// The interface by which they come in, as nft writes it (`wan0`, `br-*`); nil: any but the `exceptions`.
    package var entrance: String?
    package var exceptions: [String]
    package var destination: IPAddress
    /// nil: the one that they were for.
    package var port: UInt16?
    /// The chain that says so: `table ip nat (Docker), chain DOCKER`.
    package var holder: String
    /// The program that made it; nil: none that is known.
    package var program: String?
    /// Nothing else is asked of the packets; false: some of them may not be led on.
    package var isSure: Bool

    package init(
        transport: Opening.Transport, ports: PortRange, address: Network?, entrance: String?, exceptions: [String],
        destination: IPAddress, port: UInt16?, holder: String, program: String?, isSure: Bool
    ) {
        self.transport = transport
        self.ports = ports
        self.address = address
        self.entrance = entrance
        self.exceptions = exceptions
        self.destination = destination
        self.port = port
        self.holder = holder
        self.program = program
        self.isSure = isSure
    }

    /// Whether they are led on that come in by the interface.
    package func isEntered(by interface: String) -> Bool {
        func isMeant(_ pattern: String) -> Bool {
            pattern.hasSuffix("*") ? interface.hasPrefix(pattern.dropLast()) : interface == pattern
        }
        return entrance.map(isMeant) ?? true && !exceptions.contains(where: isMeant)
    }

    /// Whether a packet to the machine itself is led on.
    package func takes(_ content: Packet.Content, to address: IPAddress, by interface: String) -> Bool {
        let isMeant =
            switch (content, transport) {
            case (.tcp(let port), .tcp), (.udp(let port), .udp): ports.contains(port)
            default: false
            }
        return isMeant && address.isIPv6 == destination.isIPv6 && self.address?.contains(address) ?? true
            && isEntered(by: interface)
    }
}
