import Address
import Admin
import ArgumentParser
import Policy

struct StatusVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show processes, listeners and the firewall.",
        discussion: """
            Everybody who can reach the admin socket may look; what the warnings are, operators alone are told. Sessions and bytes are counted since gatehoused started; \
            RESTARTS says how often a process had to be started again.

            With --check it is an answer for monitoring: the exit status is 0 if all is well, and 1 if not.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    @Flag(
        help:
            "End with status 1 if something is wrong: a warning, a process that does not run, a door not as it is to be."
    )
    var check = false

    func run() throws {
        var fault: String?
        try Daemon(global).show(GetStatus(), check: { fault = $0.fault }, present)
        if check, let fault { throw Failure(fault) }
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
        if status.devices > 0 { print("\(output.styled("DEVICES", .dim))   \(Self.line(for: status))") }
        for forward in status.forwards {
            print("\(output.styled("FORWARD", .dim))   \(output.styled(printable("\(forward)"), .bad))")
        }
        if status.bans > 0 {
            print(
                "\(output.styled("BANS", .dim))      \(counted(status.bans, "source")); `gatehousectl ban list` says who"
            )
        }
        if let worst = status.worst {
            let text = output.styled(
                printable("\(worst.subject): \(worst.text)"), worst.grade == .bad ? .bad : .doubtful)
            print("\(output.styled("DOCTOR", .dim))    \(text); `gatehousectl doctor` says what to do")
        }
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
            print("No listener yet: `gatehousectl setup` makes this machine a gateway.")
            return
        }
        var table = Table(
            .text("LISTENER"), .text("ENDPOINT"), .text("INTERFACE", rank: 2), .text("PASSWORD", rank: 1),
            .number("SESSIONS"), .number("TOTAL", rank: 3), .number("SENT"), .number("RECEIVED"))
        for listener in listeners {
            table.add(
                "\(listener.kind)", "\(listener.endpoint)", .init(listener.interface ?? "any"),
                listener.kind == .dns ? "-" : listener.authentication == .required ? "required" : "none",
                .init("\(listener.sessions)", listener.sessions > 0 ? .bold : .plain), "\(listener.sessionsTotal)",
                .init(humanBytes(listener.bytesIn)), .init(humanBytes(listener.bytesOut)))
        }
        table.show()
    }

    /// `12 seen; new since yesterday: tv, anna-phone and 3 more`.
    private static func line(for status: Status) -> String {
        let shown = status.newDevices.prefix(5).map(printable).joined(separator: ", ")
        let rest = status.newDevices.count > 5 ? " and \(status.newDevices.count - 5) more" : ""
        return "\(status.devices) seen" + (shown.isEmpty ? "" : "; new since yesterday: \(shown)\(rest)")
    }

    private static func line(for firewall: FirewallStatus, on output: Output) -> String {
        let mode = output.styled(firewall.mode.rawValue, firewall.mode == .enforce ? .good : .doubtful)
        let door = firewall.door
        let state = output.styled(door.name.rawValue, style(of: door))
        // To observe is to be observing; any other state is news.
        return (door == .observing ? mode : "\(mode), \(state)") + ": \(printable(short(door.description)))"
            + end(of: door)
    }

    /// When a trial falls back.
    private static func end(of door: DoorState) -> String {
        if case .trial(let until) = door { "; it falls back at \(localTime(until))" } else { "" }
    }

    private static func style(of door: DoorState) -> Output.Style {
        switch door {
        case .enforced: .good
        case .observing, .off, .left, .unknown, .starting, .trial: .doubtful
        case .fallback, .refused: .bad
        }
    }
}

extension Status {
    /// The first thing that somebody has to look after; nil: all is well.
    fileprivate var fault: String? {
        if firewall.door.isFault { return "the firewall is not as it is to be: \(firewall.door)" }
        if let role = roles.first(where: { $0.state != "running" }) {
            return "the \(role.name) role does not run: \(role.state)"
        }
        return warnings.first
    }
}

/// What a line of the terminal can carry of a reason; --json has all of it.
private func short(_ reason: String) -> String {
    reason.count > 600 ? reason.prefix(600) + "…" : reason
}
