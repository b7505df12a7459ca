import Address
import Admin
import ArgumentParser
import Policy

struct SessionLogVerb: ChangeVerb {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "What came of what clients wanted, and why it came to nothing.",
        discussion: """
            The proxies remember the last thousand or so of what was allowed, and of what was not: a rule, a limit, a wrong \
            password, a name that does not exist, a server that does not answer. The latest comes last. After a restart \
            they begin anew.

            With --journal on each is a line in the daemon's log as well, with the fields CLIENT, DEVICE, USER, TARGET, VERDICT, \
            REASON and RULE where that is the journal; without it nobody's ways are written down.

            EXAMPLES:
              gatehousectl session log --denied
              gatehousectl session log --client 192.168.1.20
              gatehousectl session log --journal on
              journalctl -u gatehouse VERDICT=denied
            """)

    enum Switch: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    @Flag(help: "Only what came to nothing.")
    var denied = false

    @Option(
        help: ArgumentHelp("Only clients in this network: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
        transform: Network.parse)
    var client: Network?

    @Option(
        help: ArgumentHelp(
            "Only this device: its name, its hardware address, or an address that it has now.", valueName: "device"),
        completion: .column(1, ofVerb: "device"))
    var device: String?

    @Option(help: ArgumentHelp("At most so many, the latest.", valueName: "number"))
    var limit: Int = 100

    @Option(help: ArgumentHelp("Tell the daemon's log, or no longer: on or off.", valueName: "switch"))
    var journal: Switch?

    @OptionGroup(title: "Change options") var manner: ChangeOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("The value '\(limit)' is invalid: --limit is 1 or more") }
        guard journal == nil || !denied && client == nil && device == nil else {
            throw ValidationError("--journal is about all sessions: leave --denied, --client and --device away.")
        }
    }

    func call(_ daemon: Daemon) throws -> SetSessionLogging {
        guard let journal else { throw Failure("without --journal it shows something and changes nothing") }
        return SetSessionLogging(logging: journal == .on ? .journal : .quiet)
    }

    func run() throws {
        let daemon = try Daemon(global)
        guard journal == nil else { return try daemon.change(call(daemon), manner) }
        try daemon.show(ListSessionLog(denied: denied, client: client, device: device, limit: limit)) { reply in
            guard !reply.entries.isEmpty else {
                return print(denied ? "Nothing has come to nothing." : "Nobody has wanted anything yet.")
            }
            var table = Table(
                .text("TIME"), .text("CLIENT"), .text("DEVICE", rank: 1), .text("USER"), .text("TARGET"),
                .text("VERDICT"), .text("REASON"))
            for entry in reply.entries {
                table.add(
                    .init(localTime(entry.time / 1000)), "\(entry.client)", .init(entry.device ?? "-"),
                    .init(entry.user ?? "-"),
                    .init(entry.target ?? "-"), .init(entry.verdict.rawValue), .init(entry.reason ?? "-"))
            }
            table.show()
        }
    }
}
