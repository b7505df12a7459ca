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
        var interfaces: [IPAddress: String] = [:]
        func interface(towards address: IPAddress) -> String {
            if let known = interfaces[address] { return known }
            let interface = Route.interface(towards: address) ?? ""
            interfaces[address] = interface
            return interface
        }
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
        func tell(_ name: String, _ end: () throws(MachineFailure) -> Void) {
            do throws(MachineFailure) {
                try end()
                log.warning("ended \(what): \(name)")
            } catch {
                // It may have ended by itself meanwhile.
                log.warning("cannot end \(what), \(name): \(error)")
            }
        }
        for connection in (try? Connections.current())?.inbound ?? [] {
            let (own, remote) = (connection.local, connection.remote)
            let way = Interface.name(of: connection.interface) ?? interface(towards: remote.address)
            if isMeantToEnd(from: remote.address, by: way, to: own.address, .tcp(own.port), connection.cookie) {
                tell("\(remote) to \(own)") { () throws(MachineFailure) in try connection.end() }
            }
        }
        // Without CAP_NET_ADMIN there is no table either.
        for flow in (try? Flow.current()) ?? [] where interface(towards: flow.destination) == "lo" {
            let content = flow.transport == 17 ? Packet.Content.udp(flow.port) : .other(flow.transport)
            if isMeantToEnd(
                from: flow.source, by: interface(towards: flow.source), to: flow.destination, content, nil)
            {
                tell("\(flow.source) to \(Endpoint(address: flow.destination, port: flow.port))") {
                    () throws(MachineFailure) in try flow.end()
                }
            }
        }
    }
}
