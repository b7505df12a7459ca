import Address
import Admin
import ArgumentParser
import Policy

struct LimitVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "Limit how much clients and users may use.",
        discussion: """
            A limit is for `client` (each client on its own), `client NETWORK` (each client of that network), `device NAME`, \
            `user` (each user) or `user NAME`. The limit for one device, network or user goes before the one for all. A \
            session counts for its client and for its user, and both proxies count together.

            A client is a device of the home, whatever addresses it takes; where the firewall is not enforced or does not know \
            the device, it is an address.

            Each client has a limit by default, which no household meets; `limit list` shows it. An IPv6 client is \
            counted by its /64 network. Devices in a network of the gateway's own are counted one by one, and all of a \
            /64 together have no more than \(LimitTable.neighbours) clients have.

            EXAMPLES:
              gatehousectl limit set client --sessions 500 --rate 50/s
              gatehousectl limit set client --sessions none --rate none --handshakes none --lookups none --questions none
              gatehousectl limit set device kid --bandwidth 1M
              gatehousectl limit remove user kid
            """,
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Limit a client or a user, or change a limit.",
            discussion: """
                What is not given stays as it is; none takes a bound away. A new limit for clients begins with the \
                bounds that `limit list` shows as default.

                EXAMPLES:
                  gatehousectl limit set client 192.168.1.128/25 --sessions 100 --bandwidth 500K
                  gatehousectl limit set user kid --bandwidth none
                """)

        @OptionGroup var who: LimitSubject

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp("Sessions at once: a number, or none for no bound.", valueName: "number"),
            transform: Bound.parse(Self.sessions))
        var sessions: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "New sessions per second, and ten places over UDP for each: N or N/s, or none.", valueName: "number"),
            transform: Bound.parse { try Rate.parse(argument: $0).perSecond })
        var rate: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Bytes (not bits) per second each way, like 500K, 10M or 1G, or none.", valueName: "bytes"),
            transform: Bound.parse { try Bandwidth.parse(argument: $0).bytes })
        var bandwidth: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Of a client: sessions at once in which it has not said yet what it wants (TLS, login, request), or none.",
                valueName: "number"),
            transform: Bound.parse(Self.sessions))
        var handshakes: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Of a client: names that a thread of a proxy looks up at once, or none. More of them wait.",
                valueName: "number"),
            transform: Bound.parse(Self.sessions))
        var lookups: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Of a client of a served zone: questions for names per second, N or N/s, or none. More are not answered.",
                valueName: "number"),
            transform: Bound.parse { try Rate.parse(argument: $0).perSecond })
        var questions: Bound?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard [sessions, rate, bandwidth, handshakes, lookups, questions].contains(where: { $0 != nil }) else {
                throw ValidationError(
                    "Nothing to limit: give --sessions, --rate, --bandwidth, --handshakes, --lookups or --questions.")
            }
        }

        func call(_ daemon: Daemon) throws -> SetLimit {
            SetLimit(
                subject: try who.subject(), sessions: sessions?.value, rate: rate?.value,
                bandwidth: bandwidth?.value, handshakes: handshakes?.value, lookups: lookups?.value,
                questions: questions?.value)
        }

        @Sendable private static func sessions(_ text: String) throws -> Int {
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else {
                throw Refusal("write how many at once, from 1 on, or none for no bound")
            }
            return number
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the limits.",
            discussion: "The one that holds for each client unless another is set is marked as default.",
            aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListLimits()) { reply in
                var table = Table(
                    .text("FOR"), .number("SESSIONS"), .number("NEW PER SECOND"), .number("BYTES PER SECOND"),
                    .number("HANDSHAKES"), .number("LOOKUPS"), .number("QUESTIONS"))
                if let standard = reply.standard { add(standard, as: "client (default)", to: &table) }
                for limit in reply.limits { add(limit, as: "\(limit.subject)", to: &table) }
                table.show()
            }
        }

        private func add(_ limit: Limit, as subject: String, to table: inout Table) {
            let amounts = [
                limit.sessions, limit.rate, limit.bandwidth, limit.handshakes, limit.lookups, limit.questions,
            ]
            let cells = amounts.map { $0.map(String.init) ?? "any" }
            table.add(
                .init(subject), .init(cells[0]), .init(cells[1]), .init(cells[2]), .init(cells[3]), .init(cells[4]),
                .init(cells[5]))
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Remove a limit.", aliases: ["rm"])

        @OptionGroup var who: LimitSubject
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveLimit {
            RemoveLimit(subject: try who.subject())
        }
    }
}

/// A bound as the command line gives it; `none` takes one away, which is different from no option at all.
enum Bound: Sendable {
    case none
    case of(Int)

    /// As the daemon takes it.
    var value: Int { if case .of(let number) = self { number } else { 0 } }

    static func parse(_ number: @escaping @Sendable (String) throws -> Int) -> @Sendable (String) throws -> Self {
        { text in
            if text == "none" { return .none }
            let number = try number(text)
            guard number > 0 else { throw Refusal("a bound is 1 or more; write none to take it away") }
            return .of(number)
        }
    }
}

/// Whom a limit is for, in one argument or in two.
struct LimitSubject: ParsableArguments {
    @Argument(
        help: ArgumentHelp("client, client NETWORK, device NAME, user, or user NAME.", valueName: "whom"),
        completion: .list(["client", "device", "user"]))
    var words: [String]

    func validate() throws {
        _ = try subject()
    }

    func subject() throws -> Limit.Subject {
        let text = words.joined(separator: " ")
        if let subject = Limit.Subject(text) { return subject }
        if text.hasPrefix("client ") {
            let network = String(text.dropFirst("client ".count))
            do { return .client(try Network.parse(argument: network)) } catch {
                throw ValidationError("The value '\(network)' is invalid: \(error)")
            }
        }
        throw ValidationError(
            "The value '\(text)' is invalid: write client, client NETWORK, device NAME, user, or user NAME")
    }
}
