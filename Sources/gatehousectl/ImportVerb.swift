import Admin
import ArgumentParser

struct ImportVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make the configuration what a file says.",
        discussion: """
            The file has a gatehousectl command in each line that makes a change, as `gatehousectl export` writes them; a \
            comment begins with #. Together they are the whole configuration: what is there and not in the file goes. Every \
            line that is wrong is told, and nothing is changed if there is one. The change is one revision, on trial if it \
            would cut off a connection that now comes in.

            A rule keeps its number as long as it and those before it stay as they are. A user without --hash keeps the \
            password that they have here.

            EXAMPLES:
              gatehousectl import home.gatehouse --dry-run
              gatehousectl import home.gatehouse
              ssh old-gateway gatehousectl export --with-secrets | gatehousectl import -
            """)

    @Argument(help: "The file; - is standard input.", completion: .file())
    var file: String

    @OptionGroup(title: "Change options") var manner: ChangeOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        var steps: [Import.Step] = []
        var refusals: [Import.Refused] = []
        for (index, text) in try TextFile.lines(file).enumerated() {
            do {
                if let line = try VerbLine(reading: text) { steps.append(try step(index + 1, line, daemon)) }
            } catch {
                refusals.append(Import.Refused(line: index + 1, reason: reason(of: error)))
            }
        }
        guard steps.count + refusals.count > 0 else { throw Failure("\(file) has no command; nothing was changed") }
        guard refusals.isEmpty else {
            // What the daemon has to say about the other lines is told at once, too.
            let others = try? daemon.ask(Import(steps: steps), Manner(dryRun: true)).refusals
            return try check(refusals + (others ?? []))
        }
        try daemon.change(Import(steps: steps), manner, check: { try check($0.refusals) })
    }

    private func step(_ number: Int, _ line: VerbLine, _ daemon: Daemon) throws -> Import.Step {
        if let hint = Suggestion.hint(for: line.words) { throw Failure(hint) }
        guard let verb = try Gatehousectl.parseAsRoot(line.words) as? any ChangeVerb else {
            throw Failure("`\(line.words.prefix(2).joined(separator: " "))` is no part of a configuration")
        }
        return try verb.step(line: number, daemon)
    }

    private func reason(of error: any Error) -> String {
        switch error {
        case let failure as Failure: failure.reason
        case let error as ClientError: error.description
        case let error as VerbLine.Unreadable: error.description
        default: Gatehousectl.message(for: error)
        }
    }

    /// - Throws: there is one. All of them have been told.
    private func check(_ refusals: [Import.Refused]) throws {
        guard !refusals.isEmpty else { return }
        let name = file == "-" ? "standard input" : file
        for refusal in refusals.sorted(by: { $0.line < $1.line }) {
            complain("\(name), line \(refusal.line): \(refusal.reason)", .refused)
        }
        let count = Set(refusals.map(\.line)).count
        throw Failure("\(counted(count, "line")) of \(name) \(count == 1 ? "is" : "are") refused; nothing was changed")
    }
}
