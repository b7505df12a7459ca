import Address
import Admin
import ArgumentParser
import Policy

struct BanVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ban", abstract: "Who is kept out for a time, and for what.",
        discussion: """
            A source is banned by itself when it has given too many wrong passwords, or, from the internet, has tried too many \
            ports that are shut or begun far more than one source may. What it has under way ends, and nothing that it begins \
            gets to the gateway or through a forward; a device of the home loses the proxies and the services of the gateway \
            itself, for a short time, and keeps its names and its way out. A source is an IPv4 address, or a /64 of IPv6.

            Never banned are the gateway's own addresses, its router, its name servers, networks that are spared, and whoever has a \
            connection to SSH at the moment: it may be the operator. Who looks after the box by another way spares the network \
            from which that is done.

            Bans outlive a restart and are of no revision; `ban set` and `ban spare` are changes like others.

            EXAMPLES:
              gatehousectl ban list
              gatehousectl ban add 203.0.113.9 --for 7d --why "keeps asking"
              gatehousectl ban remove 203.0.113.9
              gatehousectl ban set --guesses 10 --scans off
              gatehousectl ban spare 198.51.100.0/24
            """,
        subcommands: [List.self, Add.self, Remove.self, Set.self, Spare.self, Unspare.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Who is banned, and when a source is.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListBans()) { reply in
                var table = Table(
                    .text("SOURCE"), .text("FOR"), .text("SINCE", rank: 1), .text("UNTIL"), .number("TIMES", rank: 3),
                    .number("STOPPED"), .text("WHY", rank: 2))
                for ban in reply.bans {
                    table.add(
                        "\(ban.source.shown)", .init(ban.reason.shown), .init(localTime(ban.since)),
                        .init(ban.until.map(localTime) ?? "removed"), "\(ban.times)",
                        .init(ban.packets.map { "\($0)" } ?? "?"), .init(printable(ban.text)))
                }
                table.show()
                if !reply.isEnforced { print("The firewall is not enforced: a ban keeps nobody out.") }
                print("A source is banned by itself \(reply.terms).")
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ban a source, and end what it has under way.")

        @Argument(
            help: ArgumentHelp("An IPv4 address, or an address or a /64 of IPv6.", valueName: "source"),
            transform: Network.parse(argument:))
        var source: Network

        @OptionGroup var expiry: ExpiryOptions

        @Option(help: ArgumentHelp("What `ban list` shows as the reason.", valueName: "text"))
        var why: String?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(AddBan(source: source, text: why, until: expiry.end)) { reply in
                print("\(reply.source.shown) is banned.")
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a ban back.", aliases: ["rm"])

        @Argument(
            help: "As `ban list` shows it.", completion: .column(1, ofVerb: "ban", where: "$1 ~ /[.:]/"),
            transform: Network.parse(argument:))
        var source: Network

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(RemoveBan(source: source)) { print("\($0.source.shown) is no longer banned.") }
        }
    }

    struct Set: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "When a source is banned by itself, and for how long.",
            discussion: """
                What is not given stays as it is. `off`: nobody is banned for it.

                A beginning is a connection, or the first datagram between two ports. The rate of a source is twice the sessions \
                per second that `limit list` shows for a client; where that is none, nobody is banned for a flood.
                """)

        @Option(
            help: ArgumentHelp("Wrong passwords within a quarter of an hour, or off.", valueName: "number"),
            transform: Threshold.parse)
        var guesses: Threshold?

        @Option(
            help: ArgumentHelp(
                "From the internet: beginnings at ports that are shut, of which one a second is forgiven, or off.",
                valueName: "number"),
            transform: Threshold.parse)
        var scans: Threshold?

        @Option(
            help: ArgumentHelp(
                "From the internet: beginnings beyond the rate of their source, of which one a second is forgiven, or off.",
                valueName: "number"),
            transform: Threshold.parse)
        var floods: Threshold?

        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "How long the first ban of a source lasts: 90s, 30m, 2h or 7d; each that follows within a week lasts four times as long.",
                valueName: "time"),
            transform: Span.parse)
        var span: Span?

        @Option(
            help: ArgumentHelp("How long each ban of a device of the home lasts.", valueName: "time"),
            transform: Span.parse)
        var atHome: Span?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard guesses != nil || scans != nil || floods != nil || span != nil || atHome != nil else {
                throw ValidationError("Nothing to set: give --guesses, --scans, --floods, --for or --at-home.")
            }
        }

        func call(_ daemon: Daemon) throws -> SetBanTerms {
            SetBanTerms(
                guesses: guesses?.value, scans: scans?.value, floods: floods?.value, seconds: span?.seconds,
                secondsAtHome: atHome?.seconds)
        }
    }

    struct Spare: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Never ban anybody in a network.")

        @Argument(help: ArgumentHelp("The network.", valueName: "network"), transform: Network.parse(argument:))
        var network: Network

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SpareNetwork { SpareNetwork(network: network) }
    }

    struct Unspare: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Spare a network no longer.")

        @Argument(
            help: ArgumentHelp("As `ban list` shows it.", valueName: "network"),
            completion: .shellCommand(
                "gatehousectl ban list 2>/dev/null | sed -n 's/.*; never \\(.*\\)[.]$/\\1/p' | tr -d , | tr ' ' '\\n'"),
            transform: Network.parse(argument:))
        var network: Network

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> UnspareNetwork { UnspareNetwork(network: network) }
    }
}

/// How much leads to a ban, as the command line gives it.
enum Threshold: Sendable {
    case off
    case of(Int)

    /// As the daemon takes it.
    var value: Int { if case .of(let number) = self { number } else { 0 } }

    @Sendable static func parse(argument text: String) throws -> Self {
        if text == "off" { return .off }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), number > 0 else {
            throw Refusal("write a number, or off")
        }
        return .of(number)
    }
}

extension Network {
    /// A single address without its prefix.
    fileprivate var shown: String { prefix == 32 && !base.isIPv6 ? "\(base)" : "\(self)" }
}

extension Ban.Reason {
    fileprivate var shown: String {
        switch self {
        case .guesses: "wrong passwords"
        case .scan: "a scan"
        case .flood: "a flood"
        case .order: "your word"
        }
    }
}
