import Admin
import ArgumentParser

struct RevertVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Take back a change that is on trial.",
        discussion: "For a change that was kept there is `gatehousectl revision undo`.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        try Daemon(global).show(Revert()) { reply in
            for change in reply.changes { Output.standard.print(change: change) }
            print(
                "everything is as it was before; \(Output.standard.styled("revision \(reply.revision)", .bold)) says so"
            )
            for warning in reply.warnings { warn(warning) }
        }
    }
}
