import Address
import Admin
import ArgumentParser
import Policy

struct SetupVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "setup",
        abstract: "Make this machine a gateway in one step.",
        discussion: """
            Puts a SOCKS5 proxy (port 1080) and an HTTP proxy (port 3128) on the LAN interface's address and enforces the \
            firewall: from then on nothing else of this machine can be reached, on any interface. Running it again is \
            harmless; after the LAN's address has changed it moves the proxies along.

            Over SSH it refuses to shut out the session that it runs in: --allow-ssh keeps port 22 open on the LAN \
            interface, `gatehousectl firewall open` any other one.

            EXAMPLES:
              gatehousectl setup --lan eth1 --wan eth0
              gatehousectl setup --lan eth1 --allow-ssh
            """)

    @Option(
        help: ArgumentHelp("The interface behind which the home is.", valueName: "interface"), completion: .interface)
    var lan: String

    @Option(
        help: ArgumentHelp("The interface that leads to the internet (default: as before).", valueName: "interface"),
        completion: .interface)
    var wan: String?

    @Flag(name: .customLong("allow-ssh"), help: "Keep SSH (TCP port 22) open on the LAN interface.")
    var allowsSSH = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        if let session = SSHSession.current() { try checkAdmission(of: session, daemon) }
        try daemon.change(Setup(lan: lan, wan: wan, allowSSH: allowsSSH)) { _ in
            let own = try daemon.ask(ListListeners()).listeners.filter { $0.zone == Zone.home || $0.interface == lan }
            let offers = own.map { "\($0.kind.title) at \($0.endpoint)" }
            print()
            print("Behind \(lan) there is now \(offers.joined(separator: " and ")).")
            if let script = try daemon.ask(GetClientSetup()).autoConfiguration {
                print("Devices set themselves up from \(printable(script));")
                print("`gatehousectl client-setup` tells where to enter that, or what else.")
            }
            print("`gatehousectl status` shows how they are doing.")
        }
        try SSHSession.warnIfShutOut(by: daemon)
    }

    private func checkAdmission(of session: SSHSession, _ daemon: Daemon) throws {
        let report = try daemon.ask(GetFirewall())
        var after = Policy(zones: report.zones)
        let openings = report.openings.map { $0.moved(insteadOf: after.lan) }
        after.lan = [lan]
        if session.isAdmitted(by: openings, of: after) { return }
        // What --allow-ssh does beyond that: nothing if there is an opening of that name.
        let isNameTaken = openings.contains { $0.name == "ssh" }
        let ssh = Opening(name: "ssh", .ssh)
        let doesFlagHelp = !isNameTaken && session.isAdmitted(by: [ssh], of: after)
        if allowsSSH && doesFlagHelp { return }
        if doesFlagHelp {
            throw Failure("\(session) would be shut out for good; add --allow-ssh")
        }
        let excuse =
            allowsSSH
            ? isNameTaken
                ? "--allow-ssh adds nothing to the opening ssh that there is"
                : "--allow-ssh opens port 22 on \(lan) only"
            : "nothing admits it"
        throw Failure(
            """
            \(session) would be shut out for good: \(excuse); first run \
            `\(session.remedy(besides: openings))`, then this again
            """)
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
        }
    }
}
