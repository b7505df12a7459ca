import Address
import Admin
import ArgumentParser
import Policy

struct FirewallVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firewall", abstract: "What of this machine can be reached.",
        discussion: """
            Enforced, it lets in the listeners' ports, the openings that you make here, and what was asked for from \
            inside; nothing else, on any interface. The rules are one table of nftables, `inet gatehouse`; no other \
            table is touched. They stay in the kernel when gatehoused ends.

            EXAMPLES:
              gatehousectl firewall show
              gatehousectl firewall open ssh --tcp 22 --interface eth1
              gatehousectl firewall enforce
              gatehousectl firewall close ssh
            """,
        subcommands: [Show.self, Enforce.self, Observe.self, Open.self, Close.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The openings, and the ruleset that follows from the configuration.",
            discussion: """
                The output can be read by nft(8): `gatehousectl firewall show | nft --check -f -`.
                """)

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetFirewall(), present)
        }

        private func present(_ report: FirewallReport) {
            comment(summary(of: report))
            if !report.openings.isEmpty {
                comment("")
                var table = Table(.text("OPENING"), .text("WHAT"), .text("FROM"), .text("NETWORK"))
                for opening in report.openings {
                    table.add(
                        .init(opening.name), .init(opening.what), .init(opening.place.description),
                        .init(opening.source?.description ?? "any"))
                }
                table.show(prefix: "# ")
            }
            print()
            print(
                report.ruleset.isEmpty ? "# there is no ruleset: gatehoused runs with --firewall off" : ruleset(report))
        }

        private func summary(of report: FirewallReport) -> String {
            let door = report.door
            let isAsMeant = door.isHeld || door == .observing || door == .off
            return "\(report.mode)\(isAsMeant ? ":" : ", but") \(printable(door.description))"
        }

        private func comment(_ text: String) {
            print("# \(text)")
        }

        private func ruleset(_ report: FirewallReport) -> String {
            report.ruleset.last == "\n" ? String(report.ruleset.dropLast()) : report.ruleset
        }
    }

    struct Enforce: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put the ruleset into the kernel.",
            discussion: """
                If that would cut off a connection that now comes in, as yours over SSH, it is on trial: unless \
                `gatehousectl confirm` keeps it in time, nothing is filtered again.
                """)

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            try daemon.change(SetFirewallMode(mode: .enforce), manner)
        }
    }

    struct Observe: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the ruleset out of the kernel and only show it.",
            discussion: "Nothing is filtered then.")

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(SetFirewallMode(mode: .observe), manner)
        }
    }

    struct Open: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a port of this machine reachable.",
            discussion: """
                For what is not a listener of Gatehouse, which needs none of this.

                EXAMPLES:
                  gatehousectl firewall open ssh --tcp 22 --interface eth1
                  gatehousectl firewall open backup --tcp 22 --from 203.0.113.7
                  gatehousectl firewall open wireguard --udp 51820
                """)

        @Argument(help: "What to call it; `firewall close` takes the same.")
        var name: String

        @Option(help: ArgumentHelp("The TCP port.", valueName: "port"), transform: Port.parse)
        var tcp: Port?

        @Option(help: ArgumentHelp("The UDP port.", valueName: "port"), transform: Port.parse)
        var udp: Port?

        @Option(
            help: ArgumentHelp("On this interface only (default: on every one).", valueName: "interface"),
            completion: .interface)
        var interface: String?

        @Option(
            name: .customLong("from"),
            help: ArgumentHelp("For these addresses only: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var source: Network?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard (tcp == nil) != (udp == nil) else {
                throw ValidationError("An opening has one port: give either --tcp PORT or --udp PORT.")
            }
        }

        func run() throws {
            guard let port = tcp ?? udp, let ports = PortRange(port.number, port.number) else { return }
            try Daemon(global).change(
                Admin.Open(
                    opening: Opening(
                        name: name, .ports(tcp == nil ? .udp : .tcp, ports),
                        from: interface.map { .interface($0) } ?? .anywhere, source: source)), manner)
        }
    }

    struct Close: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an opening back.", discussion: "Connections that are established go on.")

        @Argument(help: "As `firewall show` shows it.")
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            try daemon.change(Admin.Close(name: name), manner)
        }
    }
}
