package import Address

/// A packet, as far as a ruleset can tell packets apart.
package struct Packet: Hashable, Sendable {
    /// What IP carries in it.
    package enum Content: Hashable, Sendable {
        /// By its destination port; the source's is asked by no rule.
        case tcp(UInt16)
        case udp(UInt16)
        /// By its type.
        case icmp(UInt8)
        case icmpv6(UInt8)
        /// By the protocol's number.
        case other(UInt8)
    }

    /// Where the kernel comes to it: `input` for a packet to the machine itself, `forward` for one that passes.
    package var hook: Ruleset.Hook
    /// The interface by which it came in.
    package var interface: String
    /// The interface by which it leaves; nil: it is for the machine itself.
    package var output: String?
    /// Of the device on the interface's own network that sent it; nil: there is none, as on a line without addresses.
    package var hardware: HardwareAddress?
    /// By which device its connection is known by now; 0: by none.
    package var device: UInt16 = 0
    /// Whether its connection is known to lead to another device that the clock stops.
    package var isTowardsHours = false
    /// What the machine's clock shows, in seconds since 1970, UTC.
    package var time = 0
    /// The account of the program that sends it from this machine; nil: the kernel does by itself, or it comes from elsewhere.
    package var user: UInt32?
    /// Whether an answer to its source would leave by another interface than it came in by, or by none.
    package var hasForgedSource = false
    /// Whether a nat chain put another destination in the place of the one that it had.
    package var isTranslated = false
    /// The port that its connection's first packet was for; nil: the one that it is for now.
    package var soughtPort: UInt16?
    package var source: IPAddress
    package var destination: IPAddress
    package var content: Content
    /// The hop limit of IPv6, the time to live of IPv4.
    package var hopLimit: UInt8
    /// What the kernel says of its connection.
    package var state: Ruleset.State
    /// Whether a socket would receive it that is bound to its very destination; false also if none would receive it.
    package var hasBoundSocket: Bool

    /// The first packet of a connection to the machine, unless told otherwise.
    package init(
        hook: Ruleset.Hook = .input, interface: String, source: IPAddress, destination: IPAddress, content: Content,
        hopLimit: UInt8 = 64, state: Ruleset.State = .new, hasBoundSocket: Bool = false
    ) {
        self.hook = hook
        self.interface = interface
        self.source = source
        self.destination = destination
        self.content = content
        self.hopLimit = hopLimit
        self.state = state
        self.hasBoundSocket = hasBoundSocket
    }

    /// The protocol's number (IANA, Assigned Internet Protocol Numbers).
    var protocolNumber: UInt8 {
        switch content {
        case .icmp: 1
        case .tcp: 6
        case .udp: 17
        case .icmpv6: 58
        case .other(let number): number
        }
    }

    package var family: Match.Family {
        switch source {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }
}

extension Packet.Content {
    /// Of the packet that begins a conversation of that protocol (its number: IANA, Assigned Internet Protocol Numbers).
    package init(beginning transport: UInt8, port: UInt16) {
        self =
            switch transport {
            case 1: .icmp(8)
            case 6: .tcp(port)
            case 17: .udp(port)
            case 58: .icmpv6(128)
            default: .other(transport)
            }
    }
}
