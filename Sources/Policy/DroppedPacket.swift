package import Address

/// A packet that the firewall let neither in nor through.
package struct DroppedPacket: Codable, Hashable, Sendable {
    /// Seconds since 1970, UTC.
    package var time: Int
    /// The interface by which it came.
    package var interface: String
    /// The interface by which it would have left; nil: it was for this machine.
    package var output: String?
    package var source: IPAddress
    package var destination: IPAddress
    package var transport: IPProtocol
    /// nil: the transport has none.
    package var port: UInt16?
    /// The home's device that sent it or that it was for; nil: none that is known.
    package var device: String?
    /// What the rule is for that stops it.
    package var reason: String

    package init(
        time: Int, interface: String, output: String?, source: IPAddress, destination: IPAddress, transport: IPProtocol,
        port: UInt16?, device: String?, reason: String
    ) {
        self.time = time
        self.interface = interface
        self.output = output
        self.source = source
        self.destination = destination
        self.transport = transport
        self.port = port
        self.device = device
        self.reason = reason
    }
}
