import Admin
import Glibc

/// The daemon at the other end of the admin socket, and how its replies are shown.
struct Daemon {
    let version: String
    private let client: Client
    private let printsJSON: Bool

    /// Connects, and warns if the daemon is of another version than this command.
    init(_ options: GlobalOptions) throws(ClientError) {
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

    func ask<C: Call>(_ call: C) throws(ClientError) -> C.Reply {
        try client.call(call)
    }

    /// Prints the reply: as it came with --json, else as `present` does.
    ///
    /// - Parameter check: throws where the reply is a failure, in either form.
    func show<C: Call>(
        _ call: C, check: (C.Reply) throws -> Void = { _ in }, _ present: (C.Reply) throws -> Void
    ) throws {
        guard printsJSON else {
            let reply = try client.call(call)
            try check(reply)
            return try present(reply)
        }
        // As it came, not as this version understands it: a newer daemon may say more.
        let reply = try client.callForJSON(call)
        print(String(decoding: JSON.encode(reply, pretty: true), as: UTF8.self))
        try check(JSON.decode(C.Reply.self, from: JSON.encode(reply)))
    }

    /// Makes a change and prints what came of it, then what `present` adds.
    func change<C: Call>(_ call: C, _ present: (C.Reply) throws -> Void = { _ in }) throws where C.Reply: Outcome {
        try show(call) { outcome in
            for change in outcome.changes { Output.standard.print(change: change) }
            let revision = Output.standard.styled("revision \(outcome.revision)", .bold)
            print(outcome.changes.isEmpty ? "nothing to change; \(revision) stays" : "\(revision) is in force")
            for warning in outcome.warnings { warn(warning) }
            try present(outcome)
        }
    }
}

/// What the replies to all changes have in common.
protocol Outcome {
    var revision: Int { get }
    var changes: [String] { get }
    var warnings: [String] { get }
}

extension Applied: Outcome {}
extension AppliedRule: Outcome {}

/// nil also for a variable that is set to nothing.
func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
