import Address
import Glibc
import Logging
import Machine
import Ruleset

/// What others have begun with this machine and is under way: TCP connections, by their sockets, and what else connection tracking
/// takes for a conversation. A rule behind "answers" ends none of it.
struct Arrivals {
    /// Of the home's devices, by the addresses that they have at present.
    let hardware: [IPAddress: HardwareAddress]
    let log: Logger

    /// Ends what `isMeant` says of, given the packet that would begin it now, and of a TCP connection its socket's cookie. What comes
    /// from this machine itself is not asked about.
    ///
    /// - Parameter what: what it is that is ended, for the log.
    func end(_ what: String, where isMeant: (Packet, UInt64?) -> Bool) {
        var ending = Ending(of: what, log)
        func isMeantToEnd(
            from source: IPAddress, by interface: String, to own: IPAddress, _ content: Packet.Content,
            _ cookie: UInt64?
        ) -> Bool {
            guard interface != "lo" else { return false }
            var packet = Packet(
                interface: interface, source: source, destination: own, content: content, hasBoundSocket: true)
            packet.hardware = hardware[source]
            packet.time = Int(time(nil))
            return isMeant(packet, cookie)
        }
        for connection in (try? Connections.arrived()) ?? [] {
            let (own, remote) = (connection.local, connection.remote)
            let way = Interface.name(of: connection.interface) ?? ending.interface(towards: remote.address)
            if isMeantToEnd(from: remote.address, by: way, to: own.address, .tcp(own.port), connection.cookie) {
                ending.carryOut("\(remote) to \(own)") { () throws(MachineFailure) in try connection.end() }
            }
        }
        // Without CAP_NET_ADMIN there is no table either.
        for flow in (try? Flow.current()) ?? [] where ending.interface(towards: flow.destination) == "lo" {
            let content = flow.transport == 17 ? Packet.Content.udp(flow.port) : .other(flow.transport)
            if isMeantToEnd(
                from: flow.source, by: ending.interface(towards: flow.source), to: flow.destination, content, nil)
            {
                ending.carryOut("\(flow.source) to \(Endpoint(address: flow.destination, port: flow.port))") {
                    () throws(MachineFailure) in try flow.end()
                }
            }
        }
    }
}
