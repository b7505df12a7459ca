import Address
import Admin
import ArgumentParser
import Policy

struct AuditVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "What listens on this machine, and from where it can be reached; or what a device offers.",
        discussion: """
            Every socket that waits for somebody is shown, with what is to be thought of it: expected (the gateway's own, one \
            with an opening, or one that you have accepted), shut off (only this machine reaches it), exposed (somebody \
            reaches it, and nobody has said that this is right) or unknown. Programs and their packages are shown to root \
            alone; pending security updates are those that apt knew of when it last fetched its lists.

            A port that another program's rules lead on elsewhere, as Docker does for one that a container has published, \
            stands there as well, with where it leads and the chain that says so: from the zones whose packets may pass on \
            to there. Rules of iptables-legacy are not seen. Something is reached "perhaps" where another table has a chain on the \
            way that drops by its policy or by its last rule: the rules of others are not read.

            With --accept what listens now is what is expected from now on, and what is different later is shown as such.

            With the name, the address or the hardware address of a device of the home that device is asked, from here and \
            politely, which of its usual ports take connections and what they say to whoever asks: to its neighbours at home, \
            that is. Look at your own devices alone.

            EXAMPLES:
              gatehousectl audit
              gatehousectl audit --all
              gatehousectl audit --accept
              gatehousectl audit camera
              gatehousectl audit camera --all
            """)

    @Argument(help: "A device of the home, which is asked what it offers; without it, this machine is looked at.")
    var device: String?

    @Flag(help: "What listens now is what is expected from now on.")
    var accept = false

    @Flag(help: "Sockets that only wait for answers, too; of a device, all 65535 ports, which takes a minute or more.")
    var all = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        if device != nil, accept { throw ValidationError("--accept is about this machine, not about a device.") }
    }

    func run() throws {
        let daemon = try Daemon(global)
        if let device { return try DeviceAudit(of: device, asking: daemon, isWhole: all, global).run() }
        if accept {
            return try daemon.show(ExpectSockets()) { reply in
                print(
                    "\(counted(reply.count, "port")) that listen\(reply.count == 1 ? "s" : "") now \(reply.count == 1 ? "is" : "are") expected from now on"
                )
            }
        }
        let inventory = SocketInventory(try daemon.ask(ListSockets()))
        guard !global.json else {
            return print(String(decoding: JSON.encode(inventory, pretty: true), as: UTF8.self))
        }
        present(inventory)
    }

    private func present(_ inventory: SocketInventory) {
        let shown = inventory.sockets.filter { all || !$0.socket.isClient }
        guard !shown.isEmpty else { return print("Nothing listens on this machine.") }
        var table = Table(
            .text("PORT"), .text("VERDICT"), .text("REACHED FROM"), .text("PROGRAM", rank: 1),
            .text("PACKAGE", rank: 4), .text("UNIT", rank: 3), .text("USER", rank: 5), .text("SINCE", rank: 6),
            .text("DIFFERENT", rank: 2))
        for entry in shown {
            let socket = entry.socket
            table.add(
                .init(socket.place), verdict(on: socket),
                reach(of: socket),
                .init(entry.program ?? socket.leadsTo.map { "to \($0)" } ?? "-"), package(of: entry),
                .init(socket.unit ?? "-"), .init(socket.user),
                .init(entry.since.map(localTime) ?? "-", .dim),
                .init(socket.difference ?? "-", socket.difference == nil ? .dim : .doubtful))
        }
        table.show()
        let hidden = inventory.sockets.count - shown.count
        if hidden > 0 {
            print()
            print(
                "\(counted(hidden, "more socket")) only wait\(hidden == 1 ? "s" : "") for answers; --all shows \(hidden == 1 ? "it" : "them")"
            )
        }
        let remarks = remarks(on: inventory)
        if !remarks.isEmpty { print() }
        for remark in remarks { print("\(Output.standard.styled("!", .bad)) \(printable(remark))") }
        if !inventory.showsPrograms { warn("programs and packages are shown to root alone: `sudo gatehousectl audit`") }
    }

    private func verdict(on socket: SocketStatus) -> Table.Cell {
        switch socket.standing {
        case .expected: .init("expected", .good)
        case .shut: .init("shut off", .plain)
        case .exposed: .init("exposed", socket.reach.contains { $0.zone == Zone.internet } ? .bad : .doubtful)
        case .unknown: .init("unknown", .doubtful)
        }
    }

    private func reach(of socket: SocketStatus) -> Table.Cell {
        guard !socket.reach.isEmpty else { return .init("-") }
        let places = socket.reach.map(\.description).joined(separator: ", ")
        return .init(
            places + (socket.unless.isEmpty ? "" : ", perhaps"), socket.standing == .exposed ? .doubtful : .plain)
    }

    private func package(of entry: SocketInventory.Entry) -> Table.Cell {
        guard let process = entry.processes.first else { return .init("-", .dim) }
        guard let package = process.package, let version = process.version else {
            return process.program == nil ? .init("-", .dim) : .init("none", .doubtful)
        }
        return .init("\(package) \(version)", process.update == nil ? .plain : .bad)
    }

    /// What to do, a line each.
    private func remarks(on inventory: SocketInventory) -> [String] {
        var remarks = inventory.sockets.compactMap { entry in
            entry.socket.advice.map { "\(entry.socket.place): \(entry.socket.why); \($0)" }
        }
        remarks += inventory.absent.map { "\($0) is expected and does not listen" }
        var told: Set<String> = []
        for process in inventory.sockets.flatMap(\.processes) {
            if let package = process.package, let update = process.update, told.insert(package).inserted {
                remarks.append("\(package): a security update to \(update) is there; `apt update && apt upgrade`")
            }
            if process.isReplaced, told.insert("pid \(process.pid)").inserted {
                remarks.append(
                    "\(process.command) (pid \(process.pid)) still runs from a file that was replaced since; start it anew"
                )
            }
        }
        if inventory.showsPrograms, inventory.listsTime == nil {
            remarks.append("apt has no lists of security updates here, so none can be shown; `apt update` fetches them")
        }
        return remarks + inventory.others
    }
}

extension SocketStatus {
    /// `tcp 22` where it is for every address, `tcp 127.0.0.1:22` where not.
    fileprivate var place: String {
        if transport == .raw { return "raw \(IPProtocol(number: UInt8(truncatingIfNeeded: local.port)))" }
        let bound = interface.map { "%\($0)" } ?? ""
        let last = lastPort.map { "-\($0)" } ?? ""
        guard local.address.isUnspecified else { return "\(transport.rawValue) \(local)\(last)\(bound)" }
        let family = local.address.isIPv6 && !hearsBothFamilies ? " (IPv6)" : ""
        return "\(transport.rawValue) \(local.port)\(last)\(bound)\(family)"
    }
}
