import Admin
import Machine
import Policy

/// The sockets that listen, joined with the processes that hold them: what the daemon knows of their reach, and what root sees
/// of their programs.
struct SocketInventory: Encodable {
    struct Entry: Encodable {
        var socket: SocketStatus
        /// None if nobody is seen to hold it.
        var processes: [Process]

        /// `python3`, or what an interpreter runs: `python3 server.py`.
        var program: String? {
            guard let first = processes.first else { return nil }
            let rest = Set(processes.map(\.command)).count
            return first.shown + (rest > 1 ? " and \(rest - 1) more" : "")
        }

        /// In seconds since 1970; nil: unknown.
        var since: Int? { socket.since ?? processes.compactMap(\.started).min() }
    }

    struct Process: Encodable {
        var pid: Int
        var command: String
        var arguments: [String]
        var program: String?
        var isReplaced: Bool
        var started: Int?
        var package: String?
        var version: String?
        /// The version of a security update that is there.
        var update: String?

        fileprivate init(_ holder: SocketHolder) {
            pid = Int(holder.pid)
            command = holder.command
            arguments = holder.arguments
            program = holder.program
            isReplaced = holder.isReplaced
            started = holder.started
        }

        fileprivate var shown: String {
            let interpreters = ["python", "perl", "ruby", "node", "bash", "sh", "java", "php"]
            let name = program?.split(separator: "/").last.map(String.init) ?? command
            guard interpreters.contains(where: name.hasPrefix),
                let script = arguments.dropFirst().first(where: { !$0.hasPrefix("-") })
            else { return command }
            return "\(command) \(script.split(separator: "/").last ?? "")"
        }
    }

    var sockets: [Entry]
    var absent: [String]
    var isJudged: Bool
    var door: DoorState
    var others: [String]
    /// Whether programs could be looked for.
    var showsPrograms: Bool
    /// When apt fetched the lists of security updates, in seconds since 1970; nil: there are none.
    var listsTime: Int?

    init(_ reply: ListSockets.Reply, packages: PackageList = PackageList()) {
        (absent, isJudged, door, others) = (reply.absent, reply.isJudged, reply.door, reply.others)
        showsPrograms = SocketHolder.isAllowed
        let holders =
            showsPrograms ? SocketHolder.all(of: Set(reply.sockets.compactMap { UInt32(exactly: $0.inode) })) : [:]
        sockets = reply.sockets.map { socket in
            let own = UInt32(exactly: socket.inode).flatMap { holders[$0] } ?? []
            return Entry(socket: socket, processes: own.map(Process.init))
        }
        guard showsPrograms else { return }
        let owners = packages.owners(of: Set(holders.values.joined().compactMap(\.program)))
        let updates = packages.securityUpdates(of: Set(owners.values))
        listsTime = updates.time
        for index in sockets.indices {
            for place in sockets[index].processes.indices {
                guard let owner = sockets[index].processes[place].program.flatMap({ owners[$0] }) else { continue }
                sockets[index].processes[place].package = owner.name
                sockets[index].processes[place].version = "\(owner.version)"
                sockets[index].processes[place].update = updates.pending[owner].map { "\($0)" }
            }
        }
    }
}
