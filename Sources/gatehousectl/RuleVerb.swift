import Address
import Admin
import ArgumentParser
import Policy

struct RuleVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rule", abstract: "Who may go where, through the proxies and routed by the kernel.",
        discussion: """
            Rules are tried in the order of their numbers. The first rule whose conditions all match decides; if none \
            matches, the default does. After them comes the built-in guard: it denies loopback, link-local, multicast and \
            private networks and the gateway itself, unless a rule allows that network by name (--to).

            The same rules hold for what a device sends past the proxies where its way is routed, and so does the guard, but \
            for the network behind the interface of the internet that the gateway's own router is in. Between zones nothing \
            passes but what `zone allow` and `forward add` let pass, and of that nothing that a rule denies. A rule about a \
            user is about the proxies alone, as the kernel knows no users.

            EXAMPLES:
              gatehousectl rule add allow --to 192.168.1.20 --port 443
              gatehousectl rule add deny --device kid --domain games.example
              gatehousectl rule add deny --from 192.168.1.128/25 --port 25
              gatehousectl rule add allow --device tv --protocol udp --port 123
              gatehousectl rule default deny
              gatehousectl rule remove 1
            """,
        subcommands: [Add.self, Default.self, List.self, Remove.self])

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Add a rule, which is tried after those that there are.",
            discussion: """
                The rule matches a request that fulfils all conditions given here. Its number is never given to another \
                rule.

                EXAMPLES:
                  gatehousectl rule add allow --user alice --to 10.0.0.0/8
                  gatehousectl rule add deny --domain example.com       # and www.example.com, and all the others
                  gatehousectl rule add deny --port 6881-6889
                """)

        @Argument(help: "What the rule does with a request that it matches.")
        var action: Rule.Action

        @Option(
            help: ArgumentHelp(
                "The device: its name, its hardware address, or an address that it has now.", valueName: "device"),
            completion: .column(1, ofVerb: "device"))
        var device: String?

        @Option(
            help: ArgumentHelp("The user, on a listener that asks for a password.", valueName: "name"),
            completion: .column(1, ofVerb: "user"))
        var user: String?

        @Option(
            name: .customLong("from"),
            help: ArgumentHelp("The client's network: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var client: Network?

        @Option(
            name: .customLong("to"),
            help: ArgumentHelp("The destination's network: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var destination: Network?

        @Option(
            help: ArgumentHelp(
                "The name asked for, or a parent of it. A client that looks names up by itself is not told the name if its zone is "
                    + "served (`zone set --dns`); otherwise the rule never matches such a client.",
                valueName: "domain"), transform: Domain.parse)
        var domain: Domain?

        @Option(
            name: .customLong("protocol"),
            help: ArgumentHelp(
                "What carries it: tcp, udp, icmp (of either IP version), another name or a number. Only tcp and udp pass the proxies.",
                valueName: "protocol"), completion: .list(["tcp", "udp", "icmp"]),
            transform: IPProtocol.parse)
        var transport: IPProtocol?

        @Option(
            name: .customLong("port"),
            help: ArgumentHelp("The destination's port, of TCP and UDP: PORT or PORT-PORT.", valueName: "port"),
            transform: PortRange.parse)
        var ports: PortRange?

        @Flag(
            name: .customLong("hold"),
            help: "The rule belongs to the hold of its device (`device hold`): `device release` takes it away.")
        var isOfHold = false

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard
                device != nil || user != nil || client != nil || destination != nil || domain != nil || ports != nil
                    || transport != nil
            else {
                throw ValidationError(
                    """
                    A rule needs a condition: give --device, --user, --from, --to, --domain, --protocol or --port. For requests that no rule matches \
                    there is `gatehousectl rule default \(action.rawValue)`.
                    """)
            }
        }

        func call(_ daemon: Daemon) throws -> AddRule {
            AddRule(
                action: action, device: device, user: user, client: client, destination: destination,
                domain: domain?.name, transport: transport, ports: ports, origin: isOfHold ? .hold : nil)
        }
    }

    struct Default: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Choose what happens to a request that no rule matches.",
            discussion: """
                A new gateway begins with allow, which leads to the internet and nowhere else. With deny a device reaches \
                nothing on the internet but what a rule allows, through the proxies or routed. What the gateway itself offers \
                to the home (names, addresses, its own openings), and what `zone allow` and `forward add` let pass, stays as \
                it is.
                """)

        @Argument(help: "Allow or deny it.")
        var action: Rule.Action

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetDefault {
            SetDefault(action: action)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The rules, in the order in which they are tried, and what holds behind them.",
            discussion: """
                REFUSED is how often the proxies have refused something by the rule since they began. What the firewall has stopped \
                by it of routed devices is counted by `firewall log`, in packets.
                """, aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListRules()) { reply in
                var table = Table(
                    .text("NUMBER"), .text("ACTION"), .text("USER"), .text("FROM"), .text("TO"), .text("DOMAIN"),
                    .text("PORT"), .text("DEVICE"), .text("PROTOCOL"), .number("REFUSED"), .text("OF", rank: 1))
                func refused(_ rule: Int) -> Table.Cell {
                    reply.refusals.first { $0.rule == rule }.map { .init("\($0.count)") } ?? .init("-", .dim)
                }
                for rule in reply.rules {
                    table.add(
                        "\(rule.id)", cell(rule.action), .init(rule.user ?? "any"),
                        .init(rule.client?.description ?? "any"), .init(rule.destination?.description ?? "any"),
                        .init(rule.domain ?? "any"), .init(rule.ports?.description ?? "any"),
                        .init(rule.device ?? "any"), .init(rule.transport?.description ?? "any"), refused(rule.id),
                        .init(rule.origin == .hold ? "a hold" : "-", .dim))
                }
                let rest = reply.rules.isEmpty ? "everything" : "everything else"
                table.add(
                    "default", cell(reply.defaultAction), "any", "any", .init(rest), "any", "any", "any", "any",
                    refused(0), "-")
                table.add(
                    "built-in", cell(.deny), "any", "any", "not on the internet", "any", "any", "any", "any", "-", "-")
                table.show()
                print()
                print("These are not on the internet: loopback, link-local, multicast and private networks, and the")
                print("gateway itself. A rule that allows such a network by name (--to) opens it.")
            }
        }

        private func cell(_ action: Rule.Action) -> Table.Cell {
            .init(action.rawValue, action == .allow ? .good : .bad)
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Remove a rule.", aliases: ["rm"])

        @Argument(
            help: ArgumentHelp("As `rule list` shows it.", valueName: "number"),
            completion: .column(1, ofVerb: "rule", where: "$1 ~ /^[0-9]+$/"))
        var id: Int

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveRule {
            RemoveRule(id: id)
        }
    }
}
