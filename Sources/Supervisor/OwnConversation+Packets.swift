package import Address
package import Machine
package import Ruleset

extension OwnConversation {
    /// The packets that would begin it now, one for each account that may have done so. Of nobody's, if the account is not known: where a
    /// rule lets that program out, its next packet begins the conversation anew. None: there is no way to there.
    ///
    /// - Parameter way: the interface by which packets leave for an address; empty: none.
    package func beginnings(by way: (IPAddress) -> String) -> [Packet] {
        let output = Interface.name(of: interface) ?? way(remote.address)
        guard output != "lo", output != "" else { return [] }
        var packet = Packet(
            hook: .output, interface: "", source: local.address, destination: remote.address, content: content)
        packet.output = output
        guard !users.isEmpty else { return [packet] }
        return users.map { user in
            var packet = packet
            packet.user = user
            return packet
        }
    }

    /// As its first packet has it.
    private var content: Packet.Content {
        switch transport {
        case 1: .icmp(8)
        case 6: .tcp(remote.port)
        case 17: .udp(remote.port)
        case 58: .icmpv6(128)
        default: .other(transport)
        }
    }
}
