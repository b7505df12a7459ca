import Address
import Admin
import ArgumentParser
import Policy

struct LimitVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "Limit how much clients and users may use.",
        discussion: """
            A limit is for `client` (each client address on its own), `client NETWORK` (each address of that network), \
            `user` (each user) or `user NAME`. The limit for one network or user goes before the one for all. A session \
            counts for its client and for its user, and both proxies count together.

            EXAMPLES:
              gatehousectl limit set client --sessions 500 --rate 50/s
              gatehousectl limit set user kid --bandwidth 1M
              gatehousectl limit remove user kid
            """,
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Limit a client or a user, or change a limit.",
            discussion: """
                What is not given stays as it is; none takes a bound away.

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
            help: ArgumentHelp("New sessions per second: N or N/s, or none.", valueName: "number"),
            transform: Bound.parse { try Rate.parse(argument: $0).perSecond })
        var rate: Bound?

        @Option(
            parsing: .unconditional,
            help: ArgumentHelp(
                "Bytes (not bits) per second each way, like 500K, 10M or 1G, or none.", valueName: "bytes"),
            transform: Bound.parse { try Bandwidth.parse(argument: $0).bytes })
        var bandwidth: Bound?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard sessions != nil || rate != nil || bandwidth != nil else {
                throw ValidationError("Nothing to limit: give --sessions, --rate or --bandwidth.")
            }
        }

        func run() throws {
            try Daemon(global).change(
                SetLimit(
                    subject: try who.subject(), sessions: sessions?.value, rate: rate?.value,
                    bandwidth: bandwidth?.value), manner)
        }

        @Sendable private static func sessions(_ text: String) throws -> Int {
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else {
                throw Refusal("write how many sessions at once, from 1 on, or none for no bound")
            }
            return number
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the limits.", aliases: ["ls"])

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
        static let configuration = CommandConfiguration(abstract: "Remove a limit.", aliases: ["rm"])

        @OptionGroup var who: LimitSubject
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(RemoveLimit(subject: try who.subject()), manner)
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
