import Address
import Glibc
import Logging
import Machine
import Ruleset

/// What this machine itself has begun with others and is under way, the sessions of the proxies among it: TCP connections, by their
/// sockets, and what else connection tracking takes for a conversation. A rule behind "answers" ends none of it.
struct OwnFlows {
    /// The machine's own.
    let addresses: Set<IPAddress>
    let log: Logger

    private struct Ends: Hashable {
        let local: Endpoint
        let remote: Endpoint
    }

    /// Ends what `isMeant` says of, given the packet that would begin it now, and of a TCP connection its socket's cookie. What others
    /// have begun is not asked about, and neither is what stays on this machine.
    ///
    /// - Parameter what: what it is that is ended, for the log.
    func end(_ what: String, where isMeant: (Packet, UInt64?) -> Bool) {
        var ending = Ending(of: what, log)
        /// nil: it stays on this machine, or there is no way to there.
        func packet(
            _ source: IPAddress, _ destination: IPAddress, by bound: UInt32, _ content: Packet.Content
        ) -> Packet? {
            guard !destination.isLoopback else { return nil }
            let output = Interface.name(of: bound) ?? ending.interface(towards: destination)
            guard output != "lo", output != "" else { return nil }
            var packet = Packet(
                hook: .output, interface: "", source: source, destination: destination, content: content)
            packet.output = output
            return packet
        }
        // Of TCP those that others have begun, of everything else those that this machine has.
        let flows =
            (try? Flow.current { addresses.contains($0.transport == 6 ? $0.destination : $0.source) }) ?? []
        let inbound = Set(flows.lazy.filter { $0.transport == 6 }.map { Ends(local: $0.far, remote: $0.near) })
        for connection in (try? Connections.outbound()) ?? []
        where !inbound.contains(Ends(local: connection.local, remote: connection.remote)) {
            guard
                var packet = packet(
                    connection.local.address, connection.remote.address, by: connection.interface,
                    .tcp(connection.remote.port))
            else { continue }
            packet.user = connection.uid
            if isMeant(packet, connection.cookie) {
                ending.carryOut("\(connection.local) to \(connection.remote)") { () throws(MachineFailure) in
                    try connection.end()
                }
            }
        }
        let others = flows.filter { $0.transport != 6 }
        let sockets = others.isEmpty ? nil : try? DatagramSockets.current()
        for flow in others {
            guard let packet = packet(flow.source, flow.destination, by: 0, flow.content) else { continue }
            let users = flow.transport == 17 ? sockets?.users(sendingFrom: flow.near, to: flow.far) ?? [] : []
            // A program that is gone, or whose account cannot be known: if a rule lets it out, its next packet begins it anew.
            let senders: [UInt32?] = users.isEmpty ? [nil] : Array(users)
            let isMeantOfAll = senders.allSatisfy { user in
                var packet = packet
                packet.user = user
                return isMeant(packet, nil)
            }
            if isMeantOfAll {
                ending.carryOut("\(flow.source) to \(flow.far)") { () throws(MachineFailure) in try flow.end() }
            }
        }
    }
}

extension Flow {
    fileprivate var near: Endpoint { Endpoint(address: source, port: sourcePort) }
    fileprivate var far: Endpoint { Endpoint(address: destination, port: port) }

    /// As its first packet has it.
    fileprivate var content: Packet.Content {
        switch transport {
        case 1: .icmp(8)
        case 17: .udp(port)
        case 58: .icmpv6(128)
        default: .other(transport)
        }
    }
}
