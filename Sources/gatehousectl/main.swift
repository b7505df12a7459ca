// gatehousectl: the operator's command, one verb per file, on the client of the admin socket.
//
// It asks, prints and turns the answer into an exit status. It must never decide about the policy: that is the daemon's.
import Admin
import ArgumentParser
import Glibc

do {
    var verb = try Gatehousectl.parseAsRoot()
    try verb.run()
} catch {
    leave(error)
}

/// Prints why it ended, help included, and exits with the status that ExitStatus gives to the reason.
func leave(_ error: any Error) -> Never {
    let status: ExitStatus
    switch error {
    case let error as ClientError:
        status = ExitStatus(error)
        complain(error.description, status)
    case let failure as Failure:
        status = failure.status
        complain(failure.reason, status)
    default:
        status = Gatehousectl.exitCode(for: error).isSuccess ? .done : .usage
        let message = Gatehousectl.fullMessage(for: error)
        if status == .done {
            print(message)
        } else if let hint = Suggestion.hint(for: Array(CommandLine.arguments.dropFirst())) {
            complain(hint, status)
        } else if Output.isJSON {
            complain(Gatehousectl.message(for: error), status)
        } else {
            Output.errors.print(message)
        }
    }
    exit(status.rawValue)
}
