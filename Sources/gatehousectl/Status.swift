import Address
import Admin
import ArgumentParser
import Policy

struct StatusVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "What runs, what listens, what the firewall does.",
        discussion: """
            Everybody who can reach the admin socket may look. Sessions and bytes are counted since gatehoused started; \
            RESTARTS says how often a process had to be started again.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        try Daemon(global).show(GetStatus(), present)
    }

    private func present(_ status: Status) {
        let output = Output.standard
        let name = output.styled("Gatehouse \(printable(status.version))", .bold)
        let uptime = humanDuration(seconds: status.uptime)
        print("\(name), up \(uptime), revision \(status.revision), \(counted(status.users, "user"))")
        print()
        present(status.roles)
        print()
        present(status.listeners)
        print()
        print("\(output.styled("FIREWALL", .dim))  \(Self.line(for: status.firewall, on: output))")
        if !status.warnings.isEmpty { print() }
        for warning in status.warnings { print("\(output.styled("!", .bad)) \(printable(warning))") }
    }

    private func present(_ roles: [RoleStatus]) {
        var table = Table(.text("ROLE"), .text("STATE"), .number("PID"), .number("RESTARTS"))
        for role in roles {
            let style: Output.Style =
                switch role.state {
                case "running": .good
                case "starting": .doubtful
                default: .bad
                }
            table.add(
                .init(role.name), .init(role.state, style), role.pid > 0 ? "\(role.pid)" : "-",
                .init("\(role.restarts)", role.restarts > 0 ? .doubtful : .plain))
        }
        table.show()
    }

    private func present(_ listeners: [ListenerStatus]) {
        guard !listeners.isEmpty else {
            print("No listener yet: `gatehousectl setup --lan IF` makes this machine a gateway.")
            return
        }
        var table = Table(
            .text("LISTENER"), .text("ENDPOINT"), .text("INTERFACE"), .text("PASSWORD"), .number("SESSIONS"),
            .number("TOTAL"), .number("SENT"), .number("RECEIVED"))
        for listener in listeners {
            table.add(
                "\(listener.kind)", "\(listener.endpoint)", .init(listener.interface ?? "any"),
                listener.authentication == .required ? "required" : "none",
                .init("\(listener.sessions)", listener.sessions > 0 ? .bold : .plain), "\(listener.sessionsTotal)",
                .init(humanBytes(listener.bytesIn)), .init(humanBytes(listener.bytesOut)))
        }
        table.show()
    }

    private static func line(for firewall: FirewallStatus, on output: Output) -> String {
        let mode = output.styled(firewall.mode.rawValue, firewall.mode == .enforce ? .good : .doubtful)
        let state = output.styled(printable(firewall.state), style(ofFirewall: firewall.state))
        // To observe is to be observing; any other state is news.
        return (firewall.state == "observing" ? mode : "\(mode), \(state)") + ": \(printable(firewall.detail))"
    }

    private static func style(ofFirewall state: String) -> Output.Style {
        switch state {
        case "held": .good
        case "observing", "off", "left", "starting": .doubtful
        default: .bad
        }
    }
}
