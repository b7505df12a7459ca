import Address
import Admin
import Machine
import Policy
import Ruleset

/// Says what is to be thought of a socket that listens, and of a port that is led on: a pure function of what was read before.
struct Assessor {
    /// What the kernel holds of ours.
    enum Filter {
        case none, ruleset, unknown
    }

    let filter: Filter
    let exposure: Exposure
    let surroundings: Surroundings
    /// Of other tables.
    let strict: [StrictChain]
    /// By name.
    let openings: Set<String>
    /// Between zones, by the names of their rules.
    let passages: Set<String>
    /// The inodes of the supervisor's own sockets: all listeners are among them.
    let own: Set<UInt32>
    /// Of dnsmasq; nil: it does not run.
    let companion: UInt32?
    /// nil: nobody has said.
    let expected: [ExpectedSocket]?
    let groups: [UInt64: ControlGroup]
    let ephemeralPorts: ClosedRange<UInt16>
    /// The interface by which packets leave for an address; nil: there is no way.
    let way: (IPAddress) -> String?
    /// Whether the kernel passes on what comes in by an interface, of IPv6 or of IPv4.
    let isPassedOn: (_ interface: String, _ isIPv6: Bool) -> Bool

    func reach(of socket: Connections.ListeningSocket) -> [Reach] {
        let addresses = surroundings.interfaces.flatMap(\.addresses).map(\.address).filter(socket.hears)
        let bound = socket.interface == 0 ? nil : Interface.name(of: socket.interface) ?? "?"
        let content: Exposure.Target.Content =
            switch socket.transport {
            case .tcp: .tcp(socket.local.port)
            case .udp: .udp(socket.local.port)
            case .raw: .other(UInt8(truncatingIfNeeded: socket.local.port))
            }
        return exposure.reach(
            of: Exposure.Target(
                content: content, addresses: addresses, interface: bound,
                isBoundToAddress: !socket.local.address.isUnspecified))
    }

    func status(of socket: Connections.ListeningSocket, since: Int?) -> SocketStatus {
        let reach = filter == .unknown ? [] : self.reach(of: socket)
        let holder = socket.holder(groups)
        let place = ExpectedSocket.Place(socket)
        let isClient = socket.isClient(ephemeralPorts) || socket.transport == .raw
        let known = expected?.filter { $0.place == place }
        let isExpected = known?.contains { $0.holder == holder } ?? false
        let (standing, why) = judge(socket, reach, isExpected: isExpected, isClient: isClient)
        var difference: String?
        if let known, !isExpected, !isClient, !isOwn(socket) {
            difference = known.first.map { "it was of \($0.holder ?? "the kernel")" } ?? "new"
        }
        let unit = socket.group.flatMap { groups[$0] }?.name
        let doubts = doubts(about: socket, reach)
        return SocketStatus(
            transport: place.transport, local: socket.local,
            interface: socket.interface == 0 ? nil : Interface.name(of: socket.interface) ?? "?",
            hearsBothFamilies: socket.hearsBothFamilies, inode: Int(socket.inode),
            user: socket.inode == 0 ? "the kernel" : accountName(socket.uid) ?? "\(socket.uid)", unit: unit,
            since: since, isClient: isClient, reach: reach, standing: standing, why: why + doubts.reservation,
            difference: difference, advice: advice(standing, stop: stop(unit)), unless: doubts.map(\.name))
    }

    /// The chains of other tables at which may end what comes to it.
    private func doubts(about socket: Connections.ListeningSocket, _ reach: [Reach]) -> [StrictChain] {
        guard !reach.isEmpty else { return [] }
        let heard = surroundings.interfaces.flatMap(\.addresses).map(\.address).filter {
            socket.hears($0) && !$0.isLoopback && $0.special != .linkLocal
        }
        return strict.filter { chain in
            heard.contains { ![chain].asked(at: [.prerouting, .input], about: $0.isIPv6 ? .ipv6 : .ipv4).isEmpty }
        }
    }

    /// Of what another table leads on there is no socket to be seen.
    func status(of port: PublishedPort) -> SocketStatus {
        let isHere = surroundings.interface(holding: port.destination) != nil
        let all = filter == .unknown ? [] : exposure.reach(of: port, by: way(port.destination))
        let reach = all.filter { isHere || isPassedOn($0.interface, port.destination.isIPv6) }
        let place = ExpectedSocket.Place(port)
        let known = expected?.filter { $0.place == place }
        let isExpected = known?.contains { $0.holder == port.holder } ?? false
        let (standing, why) = judge(port, reach, isExpected: isExpected)
        let hooks: [Ruleset.Hook] = isHere ? [.prerouting, .input] : [.prerouting, .forward, .postrouting]
        let doubts = reach.isEmpty ? [] : strict.asked(at: hooks, about: port.destination.isIPv6 ? .ipv6 : .ipv4)
        var difference: String?
        if let known, !isExpected { difference = known.first.map { "it was of \($0.holder ?? "the kernel")" } ?? "new" }
        let stop = "have \(port.program ?? "whoever made it") publish it for 127.0.0.1 alone"
        return SocketStatus(
            transport: place.transport, local: place.local, interface: nil, hearsBothFamilies: false, inode: 0,
            user: port.holder, unit: nil, since: nil, isClient: false, reach: reach, standing: standing,
            why: why + doubts.reservation, difference: difference, advice: advice(standing, stop: stop),
            leadsTo: Endpoint(address: port.destination, port: port.port ?? port.ports.lower),
            lastPort: port.ports.upper > port.ports.lower ? port.ports.upper : nil, unless: doubts.map(\.name))
    }

    private func judge(
        _ port: PublishedPort, _ reach: [Reach], isExpected: Bool
    ) -> (SocketStatus.Standing, String) {
        if port.address?.base.isLoopback == true { return (isExpected ? .expected : .shut, "for this machine alone") }
        if filter == .unknown { return (.unknown, "nobody knows what the kernel holds") }
        guard !reach.isEmpty else { return (isExpected ? .expected : .shut, "shut off from everywhere") }
        let names = reach.compactMap(\.rule)
        if names.count == reach.count, names.allSatisfy(passages.contains) {
            let all = Set(names).sorted()
            return (.expected, "the passage\(all.count == 1 ? "" : "s") \(all.joined(separator: ", "))")
        }
        if isExpected { return (.expected, "somebody has said that it is right") }
        let rules = names.isEmpty ? "the rules of the zone" : names.joined(separator: ", ")
        return (.exposed, filter == .none ? "nothing is filtered" : "let through by \(rules)")
    }

    private func isOwn(_ socket: Connections.ListeningSocket) -> Bool {
        if own.contains(socket.inode) { return true }
        return socket.transport == .udp && socket.uid == companion && [67, 547].contains(socket.local.port)
    }

    private func judge(
        _ socket: Connections.ListeningSocket, _ reach: [Reach], isExpected: Bool, isClient: Bool
    ) -> (SocketStatus.Standing, String) {
        if own.contains(socket.inode) { return (.expected, "a listener of Gatehouse") }
        if isOwn(socket) { return (.expected, "addresses for the devices, by Gatehouse") }
        let loopback =
            socket.local.address.isLoopback || socket.interface != 0 && Interface.name(of: socket.interface) == "lo"
        if loopback { return (isExpected ? .expected : .shut, "for this machine alone") }
        if filter == .unknown { return (.unknown, "nobody knows what the kernel holds") }
        if socket.transport == .raw {
            return (.unknown, "sees the packets of its protocol that the rules let in")
        }
        if isClient, filter == .none { return (.shut, "waits for answers alone") }
        guard !reach.isEmpty else { return (isExpected ? .expected : .shut, "shut off from everywhere") }
        let names = reach.compactMap(\.rule)
        if names.count == reach.count, names.allSatisfy(openings.contains) {
            let all = Set(names).sorted()
            return (.expected, "the opening\(all.count == 1 ? "" : "s") \(all.joined(separator: ", "))")
        }
        if isExpected { return (.expected, "somebody has said that it is right") }
        return (.exposed, filter == .none ? "nothing is filtered" : "let in by \(names.joined(separator: ", "))")
    }

    private func stop(_ unit: String?) -> String {
        unit.map { $0.hasSuffix(".service") ? "`systemctl disable --now \($0)`" : "stop it" } ?? "stop it"
    }

    private func advice(_ standing: SocketStatus.Standing, stop: String) -> String? {
        guard standing == .exposed else { return nil }
        if filter == .none {
            return "`gatehousectl firewall enforce` shuts it off; if nobody needs it, \(stop)"
        }
        return "if it is right, `gatehousectl audit --accept` says so; if not, \(stop)"
    }

    // MARK: - Announcements

    /// `python3, started by alice, opened tcp 4444; shut off from everywhere`.
    func announcement(of socket: Connections.ListeningSocket) -> String {
        "\(opener(of: socket)) opened \(ExpectedSocket.Place(socket).shown); \(extent(of: socket))"
    }

    private func opener(of socket: Connections.ListeningSocket) -> String {
        guard socket.inode != 0 else { return "the kernel" }
        let who = accountName(socket.uid) ?? "uid \(socket.uid)"
        guard let group = socket.group.flatMap({ groups[$0] }) else { return "a program of \(who)" }
        // Which of several it is only root could see.
        let programs = group.programs(of: socket.uid)
        switch programs.count {
        case 1: return "\(programs[0]), started by \(who),"
        case 2...3:
            return "\(programs.dropLast().joined(separator: ", ")) or \(programs.last ?? ""), started by \(who),"
        default: return "a program of \(who) in \(group.name)"
        }
    }

    private func extent(of socket: Connections.ListeningSocket) -> String {
        if socket.local.address.isLoopback { return "for this machine alone" }
        if filter == .unknown { return "nobody knows who reaches it" }
        let reach = reach(of: socket)
        guard !reach.isEmpty else { return "shut off from everywhere" }
        let places = reach.map(\.description).joined(separator: ", ")
        return "open to \(places)\(doubts(about: socket, reach).reservation)"
            + (filter == .none ? ", as nothing is filtered" : "")
    }
}

extension Connections.ListeningSocket {
    /// The unit that it belongs to, or else the user's name; nil: the kernel itself.
    func holder(_ groups: [UInt64: ControlGroup]) -> String? {
        guard inode != 0 else { return nil }
        if let unit = group.flatMap({ groups[$0] })?.name, unit.hasSuffix(".service") || unit.hasSuffix(".socket") {
            return unit
        }
        return accountName(uid) ?? "uid \(uid)"
    }
}

extension ExpectedSocket.Place {
    init(_ port: PublishedPort) {
        let everywhere: IPAddress = port.destination.isIPv6 ? .v6(0) : .v4(0)
        self.init(
            transport: port.transport == .tcp ? .tcp : .udp,
            local: Endpoint(address: port.address?.base ?? everywhere, port: port.ports.lower))
    }

    /// `tcp 4444` where it is for every address, `tcp 127.0.0.1:4444` where not.
    var shown: String {
        local.address.isUnspecified && transport != .raw ? "\(transport.rawValue) \(local.port)" : description
    }
}
