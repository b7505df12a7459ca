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
              gatehousectl listener remove 192.168.1.1:1080
            """,
        subcommands: [Add.self, List.self, Remove.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Accept clients on another port.",
            discussion: """
                Without --auth required everybody who can reach the port may use the proxy; a port that the internet \
                could reach is refused then. 0.0.0.0 or [::] is every address of this machine.

                EXAMPLES:
                  gatehousectl listener add socks5 127.0.0.1:1080
                  gatehousectl listener add socks5 192.168.1.1:1080 --interface eth1
                  gatehousectl listener add http 203.0.113.7:3128 --auth required
                """)

        @Argument(help: ArgumentHelp("The proxy.", valueName: "kind"))
        var kind: Listener.Kind

        @Argument(
            help: ArgumentHelp("Where: ADDRESS:PORT or [V6ADDRESS]:PORT.", valueName: "endpoint"),
            transform: Endpoint.parse)
        var endpoint: Endpoint

        @Option(name: .customLong("auth"), help: ArgumentHelp("Whether clients need a password.", valueName: "auth"))
        var authentication = Listener.Authentication.none

        @Option(
            help: ArgumentHelp(
                "Accept only what comes in here (default: whichever interface holds the address).",
                valueName: "interface"),
            completion: .interface)
        var interface: String?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(
                AddListener(
                    listener: Listener(
                        kind: kind, endpoint: endpoint, authentication: authentication, interface: interface)))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The listeners that there are.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListListeners()) { reply in
                guard !reply.listeners.isEmpty else {
                    return print("No listener yet: `gatehousectl listener add socks5|http ADDRESS:PORT`.")
                }
                var table = Table(.text("KIND"), .text("ENDPOINT"), .text("INTERFACE"), .text("PASSWORD"))
                for listener in reply.listeners {
                    table.add(
                        "\(listener.kind)", "\(listener.endpoint)", .init(listener.interface ?? "any"),
                        "\(listener.authentication)")
                }
                table.show()
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Accept no more clients there.", discussion: "Sessions that are open go on.")

        @Argument(
            help: ArgumentHelp("As `listener list` shows it.", valueName: "endpoint"),
            completion: .column(2, ofVerb: "listener"), transform: Endpoint.parse)
        var endpoint: Endpoint

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(RemoveListener(endpoint: endpoint))
        }
    }
}
