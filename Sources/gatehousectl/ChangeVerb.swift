import Admin
import ArgumentParser

/// A verb that makes a change, alone or as a line of `gatehousectl import`.
protocol ChangeVerb: ParsableCommand {
    associatedtype Change: Call where Change.Reply: Outcome

    var manner: ChangeOptions { get }
    var global: GlobalOptions { get }

    /// What the daemon is asked for.
    ///
    /// - Parameter daemon: takes what does not fit into the call.
    func call(_ daemon: Daemon) throws -> Change

    /// The same, as a line of an import: nobody is asked anything.
    func importedCall(_ daemon: Daemon) throws -> Change
}

extension ChangeVerb {
    func importedCall(_ daemon: Daemon) throws -> Change { try call(daemon) }

    func run() throws {
        let daemon = try Daemon(global)
        try daemon.change(call(daemon), manner)
    }

    /// As a step of an import.
    func step(line: Int, _ daemon: Daemon) throws -> Import.Step {
        guard manner.manner == Manner(), global.socket == nil, !global.json else {
            throw Failure("--trial, --no-trial, --dry-run, --socket and --json are for the import as a whole")
        }
        return try Import.Step(line: line, importedCall(daemon))
    }
}
