import Admin
import ArgumentParser

struct VersionVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "The versions of this command and of the daemon.",
        discussion: "With --json the daemon's alone; `gatehousectl --version` tells that of this command.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        if !global.json { print("gatehousectl \(gatehouseVersion)") }
        try Daemon(global).show(GetVersion()) { print("gatehoused   \(printable($0.version))") }
    }
}
