import Admin
import ArgumentParser

struct ConfirmVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm", abstract: "Keep a change that is on trial.",
        discussion: """
            A change that would cut off a connection which comes in to this machine is on trial: it holds, and is taken back \
            when its time is up. It is kept if somebody has come in anew since, for each such connection from the same \
            address to the same port: open another SSH session, and run this in there. At the machine's own screen or \
            serial line it is kept without that.
            """)

    @Flag(help: "Keep it though nobody has come in anew.")
    var blind = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        try Daemon(global).show(Confirm(blind: blind)) { reply in
            print("\(Output.standard.styled("revision \(reply.revision)", .bold)) is kept")
            for warning in reply.warnings { warn(warning) }
        }
    }
}
