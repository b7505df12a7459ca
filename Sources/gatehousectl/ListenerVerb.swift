import Address
import Admin
import ArgumentParser
import Policy

struct ListenerVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "listener", abstract: "The ports on which the proxies accept clients.",
        discussion: """
            A listener has its opening in the firewall: it comes and goes with the listener, in the same revision.

            EXAMPLES:
              gatehousectl listener add socks5 192.168.1.1:1080 --interface eth1
              gatehousectl listener add http '[::1]:3128'
              gatehousectl listener set 192.168.1.1:1080 --from 192.168.1.0/25
              gatehousectl listener remove 192.168.1.1:1080
            """,
        subcommands: [Add.self, Set.self, List.self, Remove.self])

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Accept clients on another port.",
            discussion: """
                Without --auth required the proxy serves everybody who can reach the port, and a port that the internet could \
                reach is refused. 0.0.0.0 is every IPv4 address of this machine, [::] every IPv6 one. Firewall and proxy let in \
                the clients that --from names, and nobody else.

                EXAMPLES:
                  gatehousectl listener add socks5 127.0.0.1:1080
                  gatehousectl listener add mixed 192.168.1.1:8080 --from home
                  gatehousectl listener add https 192.168.1.1:3129
                  gatehousectl listener add http 203.0.113.7:3128 --auth required --user alice --user bob
                  gatehousectl listener add http 192.168.1.1:3129 --from 192.168.1.128/25
                """)

        @Argument(
            help: ArgumentHelp(
                "The proxy; https is HTTP inside TLS, mixed is SOCKS5 and HTTP on one port.", valueName: "kind"))
        var kind: Listener.Kind

        @Argument(
            help: ArgumentHelp("Where: ADDRESS:PORT or [V6ADDRESS]:PORT.", valueName: "endpoint"),
            transform: Endpoint.parse)
        var endpoint: Endpoint

        @Option(
            help: ArgumentHelp(
                "Accept only clients of this interface (default: of the interface that holds the address).",
                valueName: "interface"),
            completion: .interface)
        var interface: String?

        @OptionGroup var options: ListenerOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> AddListener {
            var listener = Listener(kind: kind, endpoint: endpoint, interface: interface)
            options.change(of: endpoint).change(&listener)
            return AddListener(listener: listener)
        }
    }

    struct Set: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Change the clients and users of a listener, and how it serves them.",
            discussion: """
                Options that are not given leave their part as it is; --from and --user replace the former lists. The port stays \
                open meanwhile. Sessions that are still allowed go on, the others are ended.

                EXAMPLES:
                  gatehousectl listener set 192.168.1.1:1080 --auth required --user alice
                  gatehousectl listener set 192.168.1.1:1080 --all-users --from any
                """)

        @Argument(
            help: ArgumentHelp("As `listener list` shows it.", valueName: "endpoint"),
            completion: .column(2, ofVerb: "listener"), transform: Endpoint.parse)
        var endpoint: Endpoint

        @OptionGroup var options: ListenerOptions

        @Flag(help: "Let every user in.")
        var allUsers = false

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard !allUsers || options.users.isEmpty else {
                throw ValidationError("Either --all-users or --user NAME, not both.")
            }
            guard change != ChangeListener(endpoint: endpoint) else {
                throw ValidationError("Nothing to change: give at least one option.")
            }
        }

        private var change: ChangeListener {
            var change = options.change(of: endpoint)
            if allUsers { change.users = [] }
            return change
        }

        func call(_ daemon: Daemon) throws -> ChangeListener { change }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the listeners.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            try daemon.show(ListListeners()) { reply in
                guard !reply.listeners.isEmpty else {
                    return print("No listener yet: `gatehousectl listener add socks5|http|https|mixed ADDRESS:PORT`.")
                }
                var table = Table(
                    .text("KIND"), .text("ENDPOINT"), .text("FOR"), .text("INTERFACE", rank: 1), .text("PASSWORD"),
                    .text("FROM"), .text("USERS"), .text("SOCKS"))
                // Where a listener is reached is not what its options say alone: it is where its address is, too.
                let status = try daemon.ask(GetStatus()).listeners
                for listener in reply.listeners {
                    let interface = status.first { $0.endpoint == listener.endpoint }?.interface
                    let networks = listener.clients.map(\.description).joined(separator: " ")
                    let users = listener.users.joined(separator: " ")
                    table.add(
                        "\(listener.kind)", "\(listener.endpoint)", .init(listener.place.shown),
                        .init(interface ?? "any"), "\(listener.authentication)",
                        .init(networks.isEmpty ? "any" : networks),
                        .init(users.isEmpty ? "any" : users), .init(listener.socks.summary))
                }
                table.show()
            }
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Remove a listener, and its port from the firewall.", discussion: "Its sessions are ended.",
            aliases: ["rm"])

        @Argument(
            help: ArgumentHelp("As `listener list` shows it.", valueName: "endpoint"),
            completion: .column(2, ofVerb: "listener"), transform: Endpoint.parse)
        var endpoint: Endpoint

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveListener {
            RemoveListener(endpoint: endpoint)
        }
    }
}
