import Address
import Admin
import ArgumentParser
import Policy

struct SetupVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Make this machine a gateway.",
        discussion: """
            Puts the box between the home and the internet: devices of the home are routed and hidden behind its address. \
            A SOCKS5 proxy (port 1080) and an HTTP proxy (port 3128) listen on the address of the home's interface, and the \
            firewall is enforced: of everything else that listens on this machine only what you open can be reached from \
            then on, on any interface. Running it again is harmless; after the home's address has changed it moves the \
            proxies along.

            On a terminal it shows the interfaces and proposes which is which, lists what would be cut off, asks, and puts \
            the change on trial: unless it is confirmed in time, everything is as before. With --yes, or without a \
            terminal, it asks nothing, and the change is on trial only if it would cut off a connection that now comes in.

            A home's interface without an address is given one (--address names it, else one of a network that is free). With \
            --serve the home's devices get their addresses and names from the gateway; another DHCP server in the home has \
            to be switched off then.

            A machine with one interface, which is both the home's and the way out, is set up without --internet.

            EXAMPLES:
              gatehousectl setup
              gatehousectl setup --home eth1 --internet eth0 --allow-ssh
              gatehousectl setup --home eth1 --internet eth0 --address 192.168.10.1/24 --serve
              gatehousectl setup --home eth1 --internet eth0 --dry-run
            """)

    @Option(
        name: [.customLong("home"), .customLong("lan")],
        help: ArgumentHelp("The interface behind which the home is.", valueName: "interface"), completion: .interface)
    var home: String?

    @Option(
        name: [.customLong("internet"), .customLong("wan")],
        help: ArgumentHelp(
            "The interface that leads to the internet (default: as before, or the one with the default route).",
            valueName: "interface"),
        completion: .interface)
    var internet: String?

    @Flag(name: .customLong("allow-ssh"), help: "Keep SSH (TCP port 22) open from the home.")
    var allowsSSH = false

    @Option(
        name: .customLong("ssh-from"),
        help: ArgumentHelp(
            "Keep SSH open for these addresses, wherever they come from (may be repeated).", valueName: "network"),
        transform: Network.parse)
    var sshSources: [Network] = []

    @Option(
        help: ArgumentHelp(
            "The address that the gateway gives to the home's interface, with its prefix (192.168.10.1/24).",
            valueName: "address"), transform: InterfaceAddress.parse(argument:))
    var address: InterfaceAddress?

    @Flag(
        inversion: .prefixedNo, help: "Give the home's devices addresses and names (DHCP, router advertisements, DNS).")
    var serve: Bool?

    @Flag(help: "Take interfaces that look swapped, or are none for a home.")
    var force = false

    @Flag(name: .shortAndLong, help: "Ask nothing.")
    var yes = false

    @OptionGroup(title: "Change options") var manner: ChangeOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        guard !yes, !manner.dryRun, !global.json, Question.isPossible else {
            return try daemon.change(try request(daemon), manner) { outcome in
                if !manner.dryRun { try presentOffers(daemon) }
            }
        }
        try SetupDialogue(daemon: daemon, verb: self).run()
    }

    /// As the command line has it; what it leaves out is as the machine proposes.
    private func request(_ daemon: Daemon) throws -> Setup {
        var home = home
        var internet = internet
        if home == nil {
            guard let proposal = try daemon.ask(GetMachine()).proposal else { throw SetupDialogue.noHome }
            home = proposal.home
            internet = internet ?? proposal.internet
        }
        return Setup(
            home: home ?? "", internet: internet, allowSSH: allowsSSH,
            sshSources: sshSources.isEmpty ? nil : sshSources,
            force: force ? true : nil, address: address, serve: serve)
    }

    private func presentOffers(_ daemon: Daemon) throws {
        print()
        let setup = try daemon.ask(GetClientSetup())
        for offer in setup.offers { print("There is now \(offer.kind.title) at \(offer.endpoint).") }
        if let page = setup.page, let script = setup.autoConfiguration {
            print("Open \(printable(page)) on a device: it says what to enter there.")
            print("Devices set themselves up from \(printable(script));")
            print("`gatehousectl client-setup` tells where to enter that, or what else.")
        }
        print("`gatehousectl status` shows how they are doing.")
        try SetupDialogue(daemon: daemon, verb: self).presentIPv6()
    }
}

extension Listener.Kind {
    /// As in a sentence.
    var title: String {
        switch self {
        case .socks5: "a SOCKS5 proxy"
        case .http: "an HTTP proxy"
        case .https: "an HTTP proxy inside TLS"
        case .mixed: "a SOCKS5 and HTTP proxy"
        case .dns: "a name server"
        }
    }
}
