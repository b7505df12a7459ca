import Address
import Admin
import Machine
import Policy
import Ruleset

/// Finds the connections and services that a change of the rules would cut off.
struct Judgement {
    /// nil: nothing is filtered.
    let before: Ruleset?
    let after: Ruleset?
    let surroundings: Surroundings
    /// The endpoints of the proxies before the change and after it. A connection to a proxy is no operator's way in.
    let proxies: [Endpoint]
    /// What the kernel's live sets hold.
    var elements = LiveElements.none
    /// The interface by which packets leave for an address.
    let way: (IPAddress) -> String?

    /// Connections that the rules before would let in anew, and those after would not.
    func endangered(among connections: [Connections.Connection]) -> [Connections.Connection] {
        guard after != before else { return [] }
        return connections.filter { connection in
            guard !isOfThisMachine(connection.remote.address), !isProxy(connection.local) else { return false }
            return interfaces(of: connection).contains { interface in
                isCut(
                    Arrival(
                        interface: interface, source: connection.remote.address, destination: connection.local,
                        transport: .tcp))
            }
        }
    }

    /// Services that neighbours could reach under the rules before, and not under those after.
    func cuts(among sockets: [Connections.ListeningSocket], ephemeralPorts: ClosedRange<UInt16>) -> [Cut] {
        guard after != before else { return [] }
        var cuts: [Cut] = []
        for socket in sockets where !isProxy(socket.local) && !socket.isClient(ephemeralPorts) {
            for interface in surroundings.interfaces where interface.name != "lo" {
                guard let lost = arrivals(for: socket, on: interface).first(where: isCut) else { continue }
                let cut = Cut(
                    transport: lost.transport == .tcp ? .tcp : .udp, port: socket.local.port,
                    interfaces: [interface.name], unit: socket.group.flatMap(ControlGroup.unit))
                if let index = cuts.firstIndex(where: { $0.transport == cut.transport && $0.port == cut.port }) {
                    if !cuts[index].interfaces.contains(interface.name) {
                        cuts[index].interfaces.append(interface.name)
                    }
                    cuts[index].unit = cuts[index].unit ?? cut.unit
                } else {
                    cuts.append(cut)
                }
            }
        }
        return cuts.sorted { ($0.port, $0.transport.rawValue) < ($1.port, $1.transport.rawValue) }
    }

    /// What programs of this machine have begun under the rules before, and could not begin under those after: `root to 192.0.2.7:22`.
    func endings(among conversations: () -> [OwnConversation]) -> [String] {
        // A firewall that is new ends nothing that was there.
        guard let before, let after, before.exits != after.exits else { return [] }
        return Set(
            conversations().lazy.filter(\.isKeptUp).filter { conversation in
                let packets = conversation.beginnings { way($0) ?? "" }
                return !packets.isEmpty
                    && packets.allSatisfy {
                        before.verdict(of: $0, among: elements).isAccepted
                            && !after.verdict(of: $0, among: elements).isAccepted
                    }
            }.map { conversation in
                let names = conversation.users.map { surroundings.accounts.name(of: $0) }.sorted()
                return "\(names.isEmpty ? "somebody" : names.joined(separator: " or ")) to \(conversation.target)"
            }
        ).sorted()
    }

    /// The connection as callers are told of it.
    func description(of connection: Connections.Connection) -> Endangered {
        let interfaces = interfaces(of: connection)
        return Endangered(
            client: connection.remote.address, port: connection.local.port,
            interface: interfaces.count == 1 ? interfaces.first : nil)
    }

    // MARK: arrivals

    /// The first packet of a connection that comes in.
    private struct Arrival {
        var interface: String
        var source: IPAddress
        var destination: Endpoint
        var transport: Connections.ListeningSocket.Transport
    }

    private func isCut(_ arrival: Arrival) -> Bool { admits(before, arrival) && !admits(after, arrival) }

    private func admits(_ ruleset: Ruleset?, _ arrival: Arrival) -> Bool {
        guard let ruleset else { return true }
        let port = arrival.destination.port
        let packet = Packet(
            interface: arrival.interface, source: arrival.source, destination: arrival.destination.address,
            content: arrival.transport == .tcp ? .tcp(port) : .udp(port))
        return ruleset.verdict(of: packet, among: elements).isAccepted
    }

    /// The interfaces by which a connection may come in, which the kernel does not tell: the one by which its answers leave, and
    /// the one that holds the address (Linux takes a packet for any of its addresses by every interface). Both have to let
    /// the connection in.
    private func interfaces(of connection: Connections.Connection) -> Set<String> {
        if let name = Interface.name(of: connection.interface) { return [name] }
        let holder = surroundings.interface(holding: connection.local.address)?.name
        return Set([holder, way(connection.remote.address)].compactMap(\.self))
    }

    /// What a neighbour on `interface` would send to the socket, one for each family that it hears.
    private func arrivals(for socket: Connections.ListeningSocket, on interface: Surroundings.Interface) -> [Arrival] {
        if let bound = Interface.name(of: socket.interface), bound != interface.name { return [] }
        return interface.addresses.filter { socket.hears($0.address) }.map { own in
            Arrival(
                interface: interface.name, source: own.neighbour,
                destination: Endpoint(address: own.address, port: socket.local.port), transport: socket.transport)
        }
    }

    // MARK: what counts

    private func isOfThisMachine(_ address: IPAddress) -> Bool {
        address.isLoopback || surroundings.interface(holding: address) != nil
    }

    private func isProxy(_ endpoint: Endpoint) -> Bool { proxies.contains { $0.collides(with: endpoint) } }
}

extension Connections.ListeningSocket {
    /// Whether what is sent to that address of this machine comes to the socket.
    func hears(_ address: IPAddress) -> Bool {
        switch (local.address.isUnspecified, local.address, address) {
        case (false, let own, _): own == address
        case (true, .v4, .v4), (true, .v6, .v6): true
        case (true, .v6, .v4): hearsBothFamilies
        case (true, .v4, .v6): false
        }
    }
}

extension OwnConversation {
    /// Whether somebody has it under way still: a datagram or an echo is remembered for a while after its socket is gone.
    fileprivate var isKeptUp: Bool { ![1, 17, 58].contains(transport) || !users.isEmpty }

    /// As people write it.
    fileprivate var target: String {
        switch transport {
        case 6: "\(remote)"
        case 17: "\(remote) (udp)"
        default: "\(remote.address) (protocol \(transport))"
        }
    }
}
