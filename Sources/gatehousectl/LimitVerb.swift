import Address
import Admin
import ArgumentParser
import Policy

struct LimitVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "What clients and users may use up.",
        discussion: """
            `client` is each client address on its own, `client NETWORK` each address of that network, `user` each user, \
            `user NAME` that one. A limit that names somebody goes before the one for each; a session counts for its client \
            and for its user. Both proxies together count.

            EXAMPLES:
              gatehousectl limit set client --sessions 500 --rate 50/s
              gatehousectl limit set user kid --bandwidth 1M
              gatehousectl limit remove user kid
            """,
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Limit somebody.",
            discussion: """
                It takes the place of the limit that there is for the same ones: what is not given is not limited.

                EXAMPLES:
                  gatehousectl limit set client 192.168.1.128/25 --sessions 100 --bandwidth 500K
                """)

        @OptionGroup var who: LimitSubject

        @Option(help: ArgumentHelp("Sessions at once.", valueName: "number"))
        var sessions: Int?

        @Option(
            help: ArgumentHelp("New sessions per second: N or N/s.", valueName: "number"), transform: Rate.parse)
        var rate: Rate?

        @Option(
            help: ArgumentHelp(
                "Bytes (not bits) per second each way, like 500K, 10M or 1G.", valueName: "bytes"),
            transform: Bandwidth.parse)
        var bandwidth: Bandwidth?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard sessions != nil || rate != nil || bandwidth != nil else {
                throw ValidationError("A limit limits something: give --sessions, --rate or --bandwidth.")
            }
        }

        func run() throws {
            try Daemon(global).change(
                SetLimit(
                    limit: Limit(
                        subject: try who.subject(), sessions: sessions, rate: rate?.perSecond,
                        bandwidth: bandwidth?.bytes)))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The limits that there are.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListLimits()) { reply in
                guard !reply.limits.isEmpty else {
                    return print(
                        "No limit: `gatehousectl limit set client|user --sessions N --rate N/s --bandwidth N`.")
                }
                var table = Table(
                    .text("FOR"), .number("SESSIONS"), .number("NEW PER SECOND"), .number("BYTES PER SECOND"))
                for limit in reply.limits {
                    let amounts = [limit.sessions, limit.rate, limit.bandwidth].map { $0.map(String.init) ?? "any" }
                    table.add(.init("\(limit.subject)"), .init(amounts[0]), .init(amounts[1]), .init(amounts[2]))
                }
                table.show()
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a limit away.")

        @OptionGroup var who: LimitSubject
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(RemoveLimit(subject: try who.subject()))
        }
    }
}

/// Whom a limit is for, in one argument or in two.
struct LimitSubject: ParsableArguments {
    @Argument(
        help: ArgumentHelp("client, client NETWORK, user, or user NAME.", valueName: "whom"),
        completion: .list(["client", "user"]))
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
        throw ValidationError("The value '\(text)' is invalid: write client, client NETWORK, user, or user NAME")
    }
}
