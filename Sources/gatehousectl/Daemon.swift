import Admin
import Glibc

/// The daemon at the other end of the admin socket, and how its replies are shown.
struct Daemon {
    let version: String
    private let client: Client
    private let printsJSON: Bool

    /// Connects, and warns if the daemon is of another version than this command.
    init(_ options: GlobalOptions) throws {
        client = try Client(path: options.socket ?? environment("GATEHOUSE_SOCKET") ?? defaultSocketPath)
        printsJSON = options.json
        version = try client.call(GetVersion()).version
        if version != gatehouseVersion {
            warn(
                """
                this is gatehousectl \(gatehouseVersion), and gatehoused is \(version); after an upgrade \
                `systemctl restart gatehouse` makes them the same
                """)
        }
    }

    /// - Parameter manner: for a call that makes a change.
    func ask<C: Call>(_ call: C, _ manner: Manner? = nil) throws -> C.Reply {
        try explained { () throws(ClientError) in try client.call(call, manner) }
    }

    /// What a change would do.
    func preview<C: Call>(_ call: C) throws -> C.Reply where C.Reply: Outcome {
        try ask(call, Manner(dryRun: true))
    }

    /// Replaces the daemon's denial, which names a method, by one that names the command and the remedy.
    private func explained<Value>(_ body: () throws(ClientError) -> Value) throws -> Value {
        do throws(ClientError) {
            return try body()
        } catch .admin(.permissionDenied) {
            throw Failure(denial(at: client.path), status: .permissionDenied)
        }
    }

    /// Prints the reply: as it came with --json, else as `present` does.
    ///
    /// - Parameters:
    ///   - manner: for a call that makes a change.
    ///   - check: throws where the reply is a failure, in either form.
    func show<C: Call>(
        _ call: C, manner: Manner? = nil, check: (C.Reply) throws -> Void = { _ in },
        _ present: (C.Reply) throws -> Void
    ) throws {
        guard printsJSON else {
            let reply = try ask(call, manner)
            try check(reply)
            return try present(reply)
        }
        // As the daemon sent it: a newer one may have members that this version does not know.
        let reply = try explained { () throws(ClientError) in try client.callForJSON(call, manner) }
        print(String(decoding: JSON.encode(reply, pretty: true), as: UTF8.self))
        try check(JSON.decode(C.Reply.self, from: JSON.encode(reply)))
    }

    /// Makes a change and prints its outcome, then calls `present`.
    ///
    /// - Parameter check: as in `show`.
    func change<C: Call>(
        _ call: C, _ options: ChangeOptions, check: (C.Reply) throws -> Void = { _ in },
        _ present: (C.Reply) throws -> Void = { _ in }
    ) throws where C.Reply: Outcome {
        try show(call, manner: options.manner, check: check) { outcome in
            for change in outcome.changes { Output.standard.print(change: change) }
            let revision = Output.standard.styled("revision \(outcome.revision)", .bold)
            if outcome.changes.isEmpty {
                print("nothing to change; \(revision) stays")
            } else if options.dryRun {
                outcome.consequences?.present()
                print("nothing was changed; without --dry-run that would be done")
            } else if let trial = outcome.trial {
                print("\(revision) is on trial for \(trial.seconds) s")
                trial.present()
            } else {
                print("\(revision) is in force")
            }
            for warning in outcome.warnings { warn(warning) }
            try present(outcome)
        }
    }
}

/// A variable of the environment; nil: it is not set, or empty.
func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

/// The text for a command that the caller may not run, with the remedy.
private func denial(at path: String) -> String {
    let command = "gatehousectl " + CommandLine.arguments.dropFirst().joined(separator: " ")
    let user = getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(getuid())"
    var status = stat()
    guard stat(path, &status) == 0, status.st_gid != 0,
        let group = getgrgid(status.st_gid).map({ String(cString: $0.pointee.gr_name) })
    else { return "\(user) may not do this, which takes root: `sudo \(command)`" }
    return """
        \(user) may not do this, which takes root or a member of the group \(group): `sudo \(command)`; or once \
        `sudo adduser \(user) \(group)`, and log in again
        """
}
