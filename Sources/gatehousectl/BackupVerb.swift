import Admin
import ArgumentParser
import Policy

struct BackupVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "The store with its history, the certificates and the lists, in one file.",
        discussion: """
            The gateway makes a backup every day by itself and keeps seven. Each is opened once it is made, and again before it \
            is taken. When the store turns out to be damaged at a start, that of the last good backup takes its place; what \
            was in force last comes from a copy beside it. The files are in /var/lib/gatehouse/backups, for root alone, for \
            they have keys and passwords' hashes in them: copy them to another machine.

            EXAMPLES:
              gatehousectl backup create
              gatehousectl backup list
              gatehousectl backup restore daily-2026-11-29T031500Z.backup
            """,
        subcommands: [Create.self, List.self, Restore.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a backup now.", discussion: "It stays until you remove the file.")

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(CreateBackup()) { reply in
                print("\(reply.path): revision \(reply.backup.revision ?? 0), \(humanBytes(reply.backup.size))")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The backups that there are, and whether they are good.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListBackups()) { reply in
                guard !reply.backups.isEmpty else { return print("No backup yet in \(reply.directory).") }
                var table = Table(
                    .text("NAME"), .text("MADE"), .number("REVISION"), .number("SIZE"), .text("STATE", rank: 1))
                for backup in reply.backups {
                    table.add(
                        .init(backup.name), .init(backup.time.map(localTime) ?? "-"),
                        .init(backup.revision.map { "\($0)" } ?? "-"), .init(humanBytes(backup.size)),
                        backup.fault == nil ? .init("good", .good) : .init("damaged", .bad))
                }
                table.show()
                print("in \(reply.directory)")
            }
        }
    }

    struct Restore: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Make the configuration that of a backup.",
            discussion: """
                The change is one revision, on trial if it would cut off a connection that now comes in; the history stays. The \
                certificates become those of the backup as well, for good. Where the store cannot be read, that of the backup takes \
                its place with its history. A backup of another machine has to be put into the directory that `backup list` \
                shows.
                """)

        @Argument(
            help: "As `backup list` shows it.", completion: .column(1, ofVerb: "backup", where: "$1 ~ /[.]backup$/"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RestoreBackup { RestoreBackup(name: name) }

        func importedCall(_ daemon: Daemon) throws -> RestoreBackup {
            throw Failure("a backup is a whole configuration, and no part of one")
        }
    }
}
