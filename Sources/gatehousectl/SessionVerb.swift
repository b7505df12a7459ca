import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct SessionVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session", abstract: "Show and end what devices do through the gateway.",
        discussion: """
            A session is one client's connection to a proxy, from its beginning to its end, or a flow of packets that the \
            kernel passes on (routed). `gatehousectl top` shows them live.

            EXAMPLES:
              gatehousectl session list --user alice
              gatehousectl session watch --client 192.168.1.0/24
              gatehousectl session kill 1207
              gatehousectl session log --denied --client 192.168.1.20
            """,
        subcommands: [List.self, Watch.self, Kill.self, SessionLogVerb.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The sessions that are open, oldest first.",
            discussion: "SENT went from the client to the origin, RECEIVED came back.", aliases: ["ls"])

        @OptionGroup var which: Which
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListSessions(user: which.user, client: which.client, device: which.device)) {
                reply in
                guard !reply.sessions.isEmpty else {
                    let isAboutAll = which.user == nil && which.client == nil && which.device == nil
                    return print(isAboutAll ? "No session is open." : "No such session is open.")
                }
                var table = Table(
                    .number("SESSION"), .text("KIND"), .text("CLIENT"), .text("DEVICE", rank: 1), .text("USER"),
                    .text("ORIGIN"), .text("ADDRESS"), .number("SENT"), .number("RECEIVED"), .number("AGE"))
                for session in reply.sessions {
                    table.add(
                        "\(session.id)", .init(session.manner), "\(session.client)", .init(session.device ?? "-"),
                        .init(session.user ?? "-"),
                        .init(session.aim, session.origin == nil ? .dim : .plain), .init(session.address),
                        .init(humanBytes(session.sent)), .init(humanBytes(session.received)),
                        .init(humanDuration(seconds: session.age / 1000)))
                }
                table.show()
            }
        }
    }

    struct Watch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A line for each session that begins or ends, until it is interrupted.",
            discussion: """
                The sessions that are open come first. A line begins with + for a beginning, - for an end, ~ when a \
                session leads to another origin. With --json each line is an object.
                """)

        @OptionGroup var which: Which
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            var known: [Int: SessionRecord] = [:]
            var missed: Set<Int> = []
            var last: Int?
            while !Output.standard.isAbandoned {
                let reply = try daemon.ask(
                    ListSessions(
                        user: which.user, client: which.client, device: which.device, endedAfter: last ?? Int.max))
                report(reply, since: &known, &missed)
                last = reply.time
                usleep(500_000)
            }
        }

        /// - Parameter missed: sessions that were shown as ended before their end was reported, which may still happen.
        private func report(
            _ reply: ListSessions.Reply, since known: inout [Int: SessionRecord], _ missed: inout Set<Int>
        ) {
            let open = Dictionary(reply.sessions.map { ($0.id, $0) }) { first, _ in first }
            for session in reply.ended where missed.remove(session.id) == nil {
                if known[session.id] == nil { report("+", session) }
                known[session.id] = nil
                report("-", session)
            }
            // A role that died reports no ends. A session that ended while the list was made is reported in the next one.
            missed = []
            for session in known.values.sorted(by: { $0.id < $1.id }) where open[session.id] == nil {
                report("-", session)
                missed.insert(session.id)
            }
            for session in reply.sessions {
                if let before = known[session.id] {
                    if before.origin != session.origin || before.host != session.host { report("~", session) }
                } else {
                    report("+", session)
                }
            }
            known = open
        }

        private func report(_ sign: String, _ session: SessionRecord) {
            if global.json {
                let event = Event(event: sign == "+" ? "begun" : sign == "-" ? "ended" : "changed", session: session)
                return print(String(decoding: JSON.encode(event), as: UTF8.self))
            }
            var line = "\(sign) \(session.id) \(session.manner) \(session.client)"
            if let user = session.user { line += " (\(user))" }
            line += " → \(session.aim)"
            if session.address != "-", session.address != session.aim { line += " [\(session.address)]" }
            if let device = session.device { line += " of \(device)" }
            if sign == "-" {
                line += "  \(humanBytes(session.sent)) sent, \(humanBytes(session.received)) received"
                line += " in \(humanDuration(seconds: session.age / 1000))"
            }
            Output.standard.print(change: line)
        }

        private struct Event: Encodable {
            var event: String
            var session: SessionRecord
        }
    }

    struct Kill: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End sessions at once.",
            discussion: """
                Client and origin see a connection that was reset; of a routed session nothing passes any more. Nothing keeps the client from coming back; \
                `gatehousectl rule`, `user` and `listener` do, and end sessions by themselves.

                EXAMPLES:
                  gatehousectl session kill 1207 1208
                  gatehousectl session kill --user alice
                  gatehousectl session kill --client 192.168.1.20
                """)

        @Argument(help: ArgumentHelp("As `session list` shows them.", valueName: "session"))
        var ids: [Int] = []

        @OptionGroup var which: Which
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard !ids.isEmpty || which.user != nil || which.client != nil || which.device != nil else {
                throw ValidationError(
                    "Which sessions? Give their numbers, --user NAME, --client NETWORK or --device NAME.")
            }
        }

        func run() throws {
            let call = EndSessions(
                ids: ids.isEmpty ? nil : ids, user: which.user, client: which.client, device: which.device)
            let check = { (reply: EndSessions.Reply) in
                guard reply.ended > 0 else {
                    throw Failure("no such session is open; `gatehousectl session list` shows those that are")
                }
            }
            try Daemon(global).show(call, check: check) { print("\(counted($0.ended, "session")) ended") }
        }
    }

    /// Which sessions.
    struct Which: ParsableArguments {
        @Option(
            help: ArgumentHelp("Only those of this user.", valueName: "name"), completion: .column(1, ofVerb: "user"))
        var user: String?

        @Option(
            help: ArgumentHelp(
                "Only those of clients in this network: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var client: Network?

        @Option(
            help: ArgumentHelp(
                "Only those of this device: its name, its hardware address, or an address that it has now.",
                valueName: "device"), completion: .column(1, ofVerb: "device"))
        var device: String?
    }
}

extension SessionRecord {
    /// `socks5`, `routed tcp`.
    var manner: String { transport.map { "\(kind) \($0)" } ?? "\(kind)" }

    /// Where it leads, as the client asked for it.
    var aim: String {
        switch activity {
        case .handshake where origin == nil: "(not yet)"
        case .udp: "(datagrams)"
        case .bind where origin == nil: "(bound)"
        default:
            host.map { "\($0):\(origin?.port ?? 0)" } ?? origin.map { $0.port == 0 ? "\($0.address)" : "\($0)" } ?? "-"
        }
    }

    /// The origin's address.
    var address: String { origin.map { "\($0.address)" } ?? "-" }
}
