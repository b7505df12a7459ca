import Admin
import ArgumentParser
import Glibc
import Policy

struct WhatChangedVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "what-changed", abstract: "What was changed and what happened, on one time line.",
        discussion: """
            Revisions, roles that ended, addresses and cables, new devices, ports that began to listen, guessed passwords, names \
            that a rule denies to a device: what changed before it broke. The latest 5000 events are kept.

            EXAMPLES:
              gatehousectl what-changed
              gatehousectl what-changed --since 21:00
              gatehousectl what-changed --since 3d
              gatehousectl what-changed --since "2026-11-23 07:00"
            """)

    @Option(
        help: ArgumentHelp(
            "From then on: a time of today or yesterday (21:00), a day and a time, or how long ago (90s, 30m, 2h, 7d). Default: 1d.",
            valueName: "time"), transform: Moment.parse(argument:))
    var since: Moment?

    @Option(help: ArgumentHelp("How many events and revisions at most, the latest.", valueName: "count"))
    var limit = 500

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit \(limit): give a number from 1 on.") }
    }

    func run() throws {
        try Daemon(global).show(ListEvents(since: since?.time, limit: limit), present)
    }

    private struct Line {
        var time: Int
        var kind: String
        var text: String
        var style = Output.Style.plain
        var details: [String] = []
    }

    private func present(_ reply: ListEvents.Reply) {
        // Of one second, what was changed stands before what came of it.
        var lines = reply.revisions.map { entry in
            let revision = entry.revision
            let state = revision.state == .kept ? "" : " (\(revision.state.rawValue))"
            return Line(
                time: revision.time, kind: "revision \(revision.id)",
                text: "\(revision.author.name): \(revision.summary)\(state)", style: .bold, details: entry.changes)
        }
        lines += reply.events.map { event in
            Line(time: event.time, kind: event.kind.rawValue, text: event.text, style: Self.style(of: event.kind))
        }
        guard !lines.isEmpty else { return print("Nothing changed, and nothing happened.") }
        lines = lines.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
        let width = lines.map(\.kind.count).max() ?? 0
        for line in lines {
            let kind = line.kind + String(repeating: " ", count: width - line.kind.count)
            print(
                "\(Output.standard.styled(localTime(line.time), .dim))  \(Output.standard.styled(kind, line.style))  "
                    + printable(line.text))
            for detail in line.details {
                Output.standard.write(String(repeating: " ", count: 19 + 4 + width))
                Output.standard.print(change: detail)
            }
        }
    }

    private static func style(of kind: ChronicleEntry.Kind) -> Output.Style {
        switch kind {
        case .daemon, .device, .address: .plain
        case .port, .login, .ban, .name: .doubtful
        case .role, .firewall, .egress: .bad
        }
    }
}

/// A point in time, as a person writes it.
struct Moment: Sendable {
    /// Seconds since 1970, UTC.
    let time: Int

    @Sendable static func parse(argument text: String) throws -> Moment { try parse(text, at: now()) }

    static func parse(_ text: String, at now: Int) throws -> Moment {
        if let span = try? Span.parse(argument: text) { return Moment(time: now - span.seconds) }
        var time = time_t(now)
        var parts = tm()
        localtime_r(&time, &parts)
        if let match = text.wholeMatch(of: #/(\d{1,2}):(\d{2})/#), let hour = Int32(match.1),
            let minute = Int32(match.2),
            hour < 24, minute < 60
        {
            (parts.tm_hour, parts.tm_min, parts.tm_sec, parts.tm_isdst) = (hour, minute, 0, -1)
            let then = mktime(&parts)
            guard then > now else { return Moment(time: then) }
            parts.tm_mday -= 1
            parts.tm_isdst = -1
            return Moment(time: mktime(&parts))
        }
        if let match = text.wholeMatch(of: #/(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2}))?/#),
            let year = Int32(match.1), let month = Int32(match.2), let day = Int32(match.3)
        {
            parts = tm()
            (parts.tm_year, parts.tm_mon, parts.tm_mday, parts.tm_isdst) = (year - 1900, month - 1, day, -1)
            parts.tm_hour = match.4.flatMap { Int32($0) } ?? 0
            parts.tm_min = match.5.flatMap { Int32($0) } ?? 0
            return Moment(time: mktime(&parts))
        }
        throw Refusal("write 21:00, 2026-11-23, \"2026-11-23 07:00\", or how long ago: 90s, 30m, 2h or 7d")
    }
}
