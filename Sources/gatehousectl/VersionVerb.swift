import Admin
import ArgumentParser

struct VersionVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "The versions of this command and of the daemon.",
        discussion: """
            With --json the daemon's alone; `gatehousectl --version` tells that of this command, and so does this one while \
            the daemon is down.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        if !global.json { print("gatehousectl \(gatehouseVersion)") }
        do {
            try Daemon(global).show(GetVersion()) { print("gatehoused   \(printable($0.version))") }
        } catch let error as ClientError where !global.json {
            print("gatehoused   unknown: \(printable(error.description))")
        }
    }
}
