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
            hook: .output, interface: "", source: local.address, destination: remote.address,
            content: .init(beginning: transport, port: remote.port))
        packet.output = output
        guard !users.isEmpty else { return [packet] }
        return users.map { user in
            var packet = packet
            packet.user = user
            return packet
        }
    }
}
