import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct TopVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Show the sessions live.",
        discussion: """
            Keys: r sorts by rate, b by bytes, a by age; space refreshes at once; q quits. Where standard output is no \
            terminal it prints one picture and ends.
            """)

    @Option(name: .customLong("sort"), help: ArgumentHelp("What comes first.", valueName: "order"))
    var order = SessionQuery.Order.rate

    @OptionGroup var which: SessionVerb.Which
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        guard !global.json, let screen = Screen.take() else { return try printOnce(daemon) }
        // Released here, whatever is thrown: the terminal is itself again before anything is printed.
        defer { withExtendedLifetime(screen) {} }
        try show(daemon, on: screen)
    }

    private func printOnce(_ daemon: Daemon) throws {
        let call = ListSessions(
            user: which.user, client: which.client, device: which.device, order: order, rates: true)
        guard !global.json else { return try daemon.show(call) { _ in } }
        _ = try daemon.ask(call)
        // Rates are of the time between two looks.
        usleep(1_000_000)
        let picture = Picture(
            status: try daemon.ask(GetStatus()), sessions: try daemon.ask(call), order: order, throughput: nil)
        for line in picture.lines(columns: .max, rows: .max) { print(line) }
    }

    private func show(_ daemon: Daemon, on screen: Screen) throws {
        var order = order
        var meter = Meter()
        while true {
            let began = milliseconds()
            let rows = screen.size.rows
            let call = ListSessions(
                user: which.user, client: which.client, device: which.device, order: order, limit: rows, rates: true)
            let sessions = try daemon.ask(call)
            let status = try daemon.ask(GetStatus())
            meter.take(status, at: sessions.time)
            var picture = Picture(status: status, sessions: sessions, order: order, throughput: meter.throughput)
            var isDue = false
            while !isDue {
                let size = screen.size
                screen.draw(picture.lines(columns: size.columns, rows: size.rows))
                // A daemon that takes long to answer is asked less often.
                let pause = max(1000, 4 * (milliseconds() - began) / 3)
                switch screen.next(within: began + pause - milliseconds()) {
                case .end, .key("q"), .key("Q"): return
                case .key("r"): order = .rate
                case .key("b"): order = .bytes
                case .key("a"): order = .age
                case .key(" "): isDue = true
                case .key, .redraw: isDue = milliseconds() - began >= pause
                }
                if picture.order != order {
                    picture.order = order
                    isDue = true
                }
            }
        }
    }

    private func milliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}

extension SessionQuery.Order: ExpressibleByArgument {}

/// Bytes per second of the whole gateway, from one look to the next.
private struct Meter {
    private var last: (time: Int, sent: Int, received: Int)?
    private(set) var throughput: (sent: Int, received: Int)?

    mutating func take(_ status: Status, at time: Int) {
        let sent = status.listeners.reduce(0) { $0 &+ $1.bytesIn }
        let received = status.listeners.reduce(0) { $0 &+ $1.bytesOut }
        if let last, time > last.time {
            // A listener that is gone takes its count along.
            throughput = (
                max(0, sent &- last.sent) &* 1000 / max(1, (time &- last.time) / 1000),
                max(0, received &- last.received) &* 1000 / max(1, (time &- last.time) / 1000)
            )
        }
        last = (time, sent, received)
    }
}

/// What the screen shows.
private struct Picture {
    let status: Status
    let sessions: ListSessions.Reply
    var order: SessionQuery.Order
    let throughput: (sent: Int, received: Int)?

    func lines(columns: Int, rows: Int) -> [String] {
        let doors = status.forwards.map { Output.standard.styled("forward \(printable("\($0)"))", .bad) }
        var lines = [head, summary] + doors + [""]
        var table = Table(
            .number("SESSION"), .text("KIND"), .text("CLIENT"), .text("USER"), .text("ORIGIN"), .number("SENT/s"),
            .number("RECEIVED/s"), .number("SENT"), .number("RECEIVED"), .number("AGE"))
        for session in sessions.sessions.prefix(max(0, rows - lines.count - 1)) {
            table.add(
                "\(session.id)", .init(session.manner), .init(session.device ?? "\(session.client.address)"),
                .init(session.user ?? "-"),
                .init(session.aim, session.origin == nil ? .dim : .plain), rate(session.sentRate),
                rate(session.receivedRate), .init(humanBytes(session.sent)), .init(humanBytes(session.received)),
                .init(humanDuration(seconds: session.age / 1000)))
        }
        lines += table.lines()
        if sessions.total == 0 { lines.append("No session is open.") }
        return lines.map { clipped($0, to: columns) }
    }

    private var head: String {
        let name = Output.standard.styled("Gatehouse \(printable(status.version))", .bold)
        let uptime = humanDuration(seconds: status.uptime)
        return "\(name), up \(uptime), by \(order.rawValue)"
    }

    private var summary: String {
        let all = sessions.total
        var line = Output.standard.styled(counted(all, "session"), .bold)
        if let throughput {
            line += "  ↑ \(humanBytes(throughput.sent))/s  ↓ \(humanBytes(throughput.received))/s"
        }
        let total = status.listeners.reduce(0) { $0 &+ $1.sessionsTotal }
        return line + "  \(total) since it started"
    }

    private func rate(_ bytes: Int?) -> Table.Cell {
        guard let bytes, bytes > 0 else { return .init("-", .dim) }
        return .init(humanBytes(bytes), .good)
    }

    /// The terminal would cut it as well, but not every one does.
    private func clipped(_ line: String, to columns: Int) -> String {
        var shown = 0
        var isSequence = false
        for index in line.indices {
            if line[index] == "\u{1b}" { isSequence = true }
            if !isSequence { shown += 1 }
            if isSequence, line[index] == "m" { isSequence = false }
            if shown > columns { return line[..<index] + (line.contains("\u{1b}") ? "\u{1b}[0m" : "") }
        }
        return line
    }
}
