import Address
import Admin
import ArgumentParser
import Policy

struct RuleVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rule", abstract: "Who may go where through the proxies.",
        discussion: """
            Rules are tried in the order of their numbers; the first of which everything matches that it names decides, \
            and the default where none does. Behind all of them stands the built-in guard: loopback, link-local, multicast \
            and private networks and the gateway itself are denied, unless a rule allows the very network (--to).

            EXAMPLES:
              gatehousectl rule add allow --to 192.168.1.20 --port 443
              gatehousectl rule add deny --user kid --domain games.example
              gatehousectl rule add deny --from 192.168.1.128/25 --port 25
              gatehousectl rule default deny
              gatehousectl rule remove 1
            """,
        subcommands: [Add.self, Default.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Allow or deny something to somebody.",
            discussion: """
                The rule is about whatever matches all that is named here. It is tried after those that there are; its \
                number is never given again.

                EXAMPLES:
                  gatehousectl rule add allow --user alice --to 10.0.0.0/8
                  gatehousectl rule add deny --domain example.com       # and www.example.com, and all the others
                  gatehousectl rule add deny --port 6881-6889
                """)

        @Argument(help: "What to do about it.")
        var action: Rule.Action

        @Option(
            help: ArgumentHelp("Who asks, on a listener with passwords.", valueName: "name"),
            completion: .column(1, ofVerb: "user"))
        var user: String?

        @Option(
            name: .customLong("from"),
            help: ArgumentHelp("Where the client is: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var client: Network?

        @Option(
            name: .customLong("to"),
            help: ArgumentHelp("Where the destination is: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var destination: Network?

        @Option(
            help: ArgumentHelp(
                "The name asked for, or one above it; a client that looks names up by itself asks for addresses.",
                valueName: "domain"), transform: Domain.parse)
        var domain: Domain?

        @Option(
            name: .customLong("port"), help: ArgumentHelp("The destination's: PORT or PORT-PORT.", valueName: "port"),
            transform: PortRange.parse)
        var ports: PortRange?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard user != nil || client != nil || destination != nil || domain != nil || ports != nil else {
                throw ValidationError(
                    """
                    A rule is about something: give --user, --from, --to, --domain or --port. What holds where no rule \
                    matches is `gatehousectl rule default \(action.rawValue)`.
                    """)
            }
        }

        func run() throws {
            try Daemon(global).change(
                AddRule(
                    action: action, user: user, client: client, destination: destination, domain: domain?.name,
                    ports: ports))
        }
    }

    struct Default: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What holds where no rule matches.",
            discussion: "In the beginning it is allow, which leads to the internet and nowhere else.")

        @Argument(help: "What to do then.")
        var action: Rule.Action

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(SetDefault(action: action))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The rules, in the order in which they are tried, and what holds behind them.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListRules()) { reply in
                var table = Table(
                    .text("NUMBER"), .text("ACTION"), .text("USER"), .text("FROM"), .text("TO"), .text("DOMAIN"),
                    .text("PORT"))
                for rule in reply.rules {
                    table.add(
                        "\(rule.id)", cell(rule.action), .init(rule.user ?? "any"),
                        .init(rule.client?.description ?? "any"), .init(rule.destination?.description ?? "any"),
                        .init(rule.domain ?? "any"), .init(rule.ports?.description ?? "any"))
                }
                let rest = reply.rules.isEmpty ? "everything" : "everything else"
                table.add("default", cell(reply.defaultAction), "any", "any", .init(rest), "any", "any")
                table.add("built-in", cell(.deny), "any", "any", "no place on the internet", "any", "any")
                table.show()
                print()
                print(
                    "No place on the internet are loopback, link-local, multicast and private networks and the gateway itself;"
                )
                print("a rule that allows the very network (--to) opens it.")
            }
        }

        private func cell(_ action: Rule.Action) -> Table.Cell {
            .init(action.rawValue, action == .allow ? .good : .bad)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a rule.")

        @Argument(
            help: ArgumentHelp("As `rule list` shows it.", valueName: "number"),
            completion: .column(1, ofVerb: "rule", where: "$1 > 0"))
        var id: Int

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(RemoveRule(id: id))
        }
    }
}
