import Admin
import ArgumentParser

struct Gatehousectl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gatehousectl",
        abstract: "Look at and change a Gatehouse home gateway.",
        discussion: """
            Gatehouse is a SOCKS5 proxy, an HTTP proxy and a firewall that are one thing. This command talks to its \
            daemon, gatehoused, over the admin socket. Every change is checked first, then made in all parts of the \
            gateway or in none, and kept as a numbered revision that `revision rollback` goes back to.

            EXAMPLES:
              A gateway between eth1, the home, and eth0, the internet:
                gatehousectl setup
                gatehousectl client-setup
                gatehousectl status

              A proxy that asks for a password:
                gatehousectl listener add http 192.168.1.1:8080 --auth required
                gatehousectl user add alice

              What changed last, and back:
                gatehousectl revision list
                gatehousectl revision rollback 3

            EXIT STATUS:
              0  done
              1  refused or failed; nothing was changed, standard error says why
              2  the command line makes no sense
              3  gatehoused cannot be reached
              4  permission denied

            ENVIRONMENT:
              GATEHOUSE_SOCKET  the admin socket, unless --socket names it
              NO_COLOR          if set, no colours on a terminal
            """,
        version: gatehouseVersion,
        subcommands: [
            StatusVerb.self, SetupVerb.self, ClientSetupVerb.self, ListenerVerb.self, TLSVerb.self, UserVerb.self,
            RuleVerb.self, BlocklistVerb.self, NameVerb.self, LimitVerb.self, BanVerb.self, FirewallVerb.self,
            ZoneVerb.self,
            DeviceVerb.self,
            ForwardVerb.self, EgressVerb.self, SessionVerb.self, TopVerb.self,
            RevisionVerb.self, ConfirmVerb.self, RevertVerb.self, ExportVerb.self, ImportVerb.self, BackupVerb.self,
            DoctorVerb.self, WhyVerb.self, WhatChangedVerb.self, AuditVerb.self, BugreportVerb.self,
            VersionVerb.self,
        ])

    /// Here too, so that they may stand before the verb.
    @OptionGroup(title: "Global options") var global: GlobalOptions
}

struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The admin socket (default: $GATEHOUSE_SOCKET, or \(defaultSocketPath)).", valueName: "path"),
        completion: .file())
    var socket: String?

    @Flag(help: "Print the daemon's reply as JSON.")
    var json = false
}
