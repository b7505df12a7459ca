import Address
import Admin
import Machine
import Policy
import Ruleset

/// Says what is to be thought of a socket that listens: a pure function of what was read before.
struct Assessor {
    /// What the kernel holds of ours.
    enum Filter {
        case none, ruleset, unknown
    }

    let filter: Filter
    let exposure: Exposure
    let surroundings: Surroundings
    /// By name.
    let openings: Set<String>
    /// The inodes of the supervisor's own sockets: all listeners are among them.
    let own: Set<UInt32>
    /// Of dnsmasq; nil: it does not run.
    let companion: UInt32?
    /// nil: nobody has said.
    let expected: [ExpectedSocket]?
    let groups: [UInt64: ControlGroup]
    let ephemeralPorts: ClosedRange<UInt16>

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
        return SocketStatus(
            transport: place.transport, local: socket.local,
            interface: socket.interface == 0 ? nil : Interface.name(of: socket.interface) ?? "?",
            hearsBothFamilies: socket.hearsBothFamilies, inode: Int(socket.inode),
            user: socket.inode == 0 ? "the kernel" : accountName(socket.uid) ?? "\(socket.uid)", unit: unit,
            since: since, isClient: isClient, reach: reach, standing: standing, why: why, difference: difference,
            advice: advice(socket, standing, reach, unit))
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

    private func advice(
        _ socket: Connections.ListeningSocket, _ standing: SocketStatus.Standing, _ reach: [Reach], _ unit: String?
    ) -> String? {
        guard standing == .exposed else { return nil }
        let stop = unit.map { $0.hasSuffix(".service") ? "`systemctl disable --now \($0)`" : "stop it" } ?? "stop it"
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
        return "open to \(places)" + (filter == .none ? ", as nothing is filtered" : "")
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
    /// `tcp 4444` where it is for every address, `tcp 127.0.0.1:4444` where not.
    var shown: String {
        local.address.isUnspecified && transport != .raw ? "\(transport.rawValue) \(local.port)" : description
    }
}
