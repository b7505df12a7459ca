import Admin
import Glibc
import Policy

/// A change on trial, as a person sees it: a line that counts the seconds, until the change is kept or taken back.
struct Countdown {
    enum End {
        case kept, reverted
    }

    let daemon: Daemon
    let revision: Int

    /// Shows the line, and asks for the change to be kept when Enter is pressed.
    func run() throws -> End {
        var said = ""
        defer { if !said.isEmpty { print() } }
        while let trial = try daemon.ask(GetTrial()).trial, trial.revision == revision {
            let line = "On trial for \(trial.seconds) s more. Enter: keep it, from here. Ctrl-C: leave it running. "
            // From the line's beginning, over what was there before.
            Output.standard.write("\r\(line)\u{1b}[K")
            said = line
            guard isEnterPressed(within: 1000) else { continue }
            do {
                _ = try daemon.ask(Confirm())
                return .kept
            } catch ClientError.admin(let refusal) {
                said = ""
                warn(refusal.reason)
            }
        }
        let state = try daemon.ask(GetRevision(id: revision)).revision.state
        return state == .reverted ? .reverted : .kept
    }

    private func isEnterPressed(within milliseconds: Int32) -> Bool {
        var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) > 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        // A terminal that is gone answers at once, for ever.
        if count <= 0 { sleep(1) }
        return count > 0 && bytes[..<count].contains(UInt8(ascii: "\n"))
    }
}
