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
              gatehousectl revision undo 7
              gatehousectl revision rollback 6 --dry-run
            """,
        subcommands: [List.self, Show.self, Diff.self, Undo.self, Rollback.self])

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
                var table = Table(.number("REVISION"), .text("TIME"), .text("BY"), .text("STATE"), .text("WHAT"))
                for revision in reply.revisions {
                    let state: Table.Cell =
                        switch revision.state {
                        case .kept: "kept"
                        case .trial: .init("trial", .doubtful)
                        case .reverted: .init("reverted", .dim)
                        }
                    table.add(
                        "\(revision.id)", .init(localTime(revision.time)), .init(revision.author.name), state,
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
                switch revision.state {
                case .kept: break
                case .trial:
                    let end = revision.deadline.map { " until \(localTime($0))" } ?? ""
                    print("on trial\(end); `gatehousectl confirm` keeps it, `gatehousectl revert` takes it back")
                case .reverted: print("taken back: it was on trial and was not confirmed")
                }
                print()
                for change in reply.changes { Output.standard.print(change: change) }
            }
        }
    }

    struct Diff: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What is different in one revision from another.")

        @Argument(
            help: ArgumentHelp("The one to begin with.", valueName: "number"),
            completion: .column(1, ofVerb: "revision"))
        var from: Int

        @Argument(
            help: ArgumentHelp("The other one (default: the newest).", valueName: "number"),
            completion: .column(1, ofVerb: "revision"))
        var to: Int?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(CompareRevisions(from: from, to: to)) { reply in
                guard !reply.changes.isEmpty else { return print("No difference.") }
                for change in reply.changes { Output.standard.print(change: change) }
            }
        }
    }

    struct Undo: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take back what one revision did.",
            discussion: """
                What came after it stays. It is refused where something that it touched has been changed again since.
                """)

        @OptionGroup var which: Number
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(Admin.Undo(id: which.id), manner)
        }
    }

    struct Rollback: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make everything as it was at a revision.",
            discussion: """
                Passwords stay as they are now, users who were removed since stay removed, and the firewall's mode stays, \
                unless --all says otherwise. --dry-run shows what it would do.
                """)

        @OptionGroup var which: Number

        @Flag(help: "Passwords, removed users and the firewall's mode, too.")
        var all = false

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).change(Admin.Rollback(id: which.id, all: all), manner)
        }
    }

    struct Number: ParsableArguments {
        @Argument(
            help: ArgumentHelp("As `revision list` shows it.", valueName: "number"),
            completion: .column(1, ofVerb: "revision"))
        var id: Int
    }
}
