import Admin
import ArgumentParser
import Policy

struct RuleVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rule", abstract: "Where the proxies may lead.",
        discussion: """
            The proxies lead to the internet and nowhere else: loopback, link-local, multicast and private networks and \
            the gateway itself are denied. A rule opens or shuts destinations ahead of that. Rules are tried in the order \
            of their numbers; the first that matches decides.

            EXAMPLES:
              gatehousectl rule add allow --to 192.168.1.20
              gatehousectl rule add deny --to 2001:db8::/32
              gatehousectl rule remove 1
            """,
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Open or shut destinations.",
            discussion: "The rule is tried after those that there are; its number is never given again.")

        @Argument(help: "What to do with them.")
        var action: Rule.Action

        @Option(
            name: .customLong("to"), help: ArgumentHelp("ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var destination: Network

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(AddRule(action: action, destination: destination))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The rules, in the order in which they are tried.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListRules()) { reply in
                guard !reply.rules.isEmpty else {
                    return print(
                        "No rule: the built-in guard decides. `gatehousectl rule add allow|deny --to NETWORK`.")
                }
                var table = Table(.number("NUMBER"), .text("ACTION"), .text("TO"))
                for rule in reply.rules {
                    table.add(
                        "\(rule.id)", .init(rule.action.rawValue, rule.action == .allow ? .good : .bad),
                        rule.destination.map { "\($0)" } ?? "any")
                }
                table.show()
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a rule.")

        @Argument(
            help: ArgumentHelp("As `rule list` shows it.", valueName: "number"), completion: .column(1, ofVerb: "rule"))
        var id: Int

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(RemoveRule(id: id))
        }
    }
}
