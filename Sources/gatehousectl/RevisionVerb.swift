import Admin
import ArgumentParser
import Glibc
import Policy

struct RevisionVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revision", abstract: "Who changed what, and the way back.",
        discussion: """
            Every change is a revision with a number. Going back to one is a change as well, so nothing is ever lost.

            EXAMPLES:
              gatehousectl revision list
              gatehousectl revision show 7
              gatehousectl revision rollback 6
            """,
        subcommands: [List.self, Show.self, Rollback.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The newest revisions, newest first.", aliases: ["ls"])

        @Option(help: ArgumentHelp("How many at most.", valueName: "count"))
        var limit = 20

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard limit > 0 else { throw ValidationError("--limit \(limit): give a number from 1 on.") }
        }

        func run() throws {
            try Daemon(global).show(ListRevisions(limit: limit)) { reply in
                guard !reply.revisions.isEmpty else { return print("No revision yet: nothing was ever changed.") }
                var table = Table(.number("REVISION"), .text("TIME"), .text("BY"), .text("WHAT"))
                for revision in reply.revisions {
                    table.add(
                        "\(revision.id)", .init(localTime(revision.time)), .init(revision.author.name),
                        .init(revision.summary))
                }
                table.show()
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What a revision changed.")

        @OptionGroup var which: Number
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetRevision(id: which.id)) { reply in
                let revision = reply.revision
                let title = Output.standard.styled("revision \(revision.id)", .bold)
                let author = "\(printable(revision.author.name)) (uid \(revision.author.uid))"
                print("\(title), \(localTime(revision.time)), by \(author)")
                print(printable(revision.summary))
                print()
                for change in reply.changes { Output.standard.print(change: change) }
            }
        }
    }

    struct Rollback: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make everything as it was at a revision.", discussion: "Passwords, too.")

        @OptionGroup var which: Number
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            try daemon.change(Admin.Rollback(id: which.id))
            try SSHSession.warnIfShutOut(by: daemon)
        }
    }

    struct Number: ParsableArguments {
        @Argument(
            help: ArgumentHelp("As `revision list` shows it.", valueName: "number"),
            completion: .column(1, ofVerb: "revision"))
        var id: Int
    }
}
