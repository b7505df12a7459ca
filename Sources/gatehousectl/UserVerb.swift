import Admin
import ArgumentParser
import Policy

struct UserVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Manage the users of the listeners that ask for a password.",
        discussion: """
            EXAMPLES:
              gatehousectl user add alice
              gatehousectl user passwd alice
              pass show gateway/bob | gatehousectl user add bob --password-stdin
            """,
        subcommands: [Add.self, Passwd.self, List.self, Remove.self])

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Add a user.",
            discussion: "Asks for the password twice, without showing it. Only a salted hash of it is kept.")

        @OptionGroup var account: Account

        @Option(
            help: ArgumentHelp(
                "In place of a password its hash, as `export --with-secrets` writes it.", valueName: "hash"))
        var hash: String?

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> AddUser {
            // Checked before the password is asked for.
            guard try !daemon.users().contains(account.name) else {
                throw Failure(
                    """
                    there is a user \(account.name) already; `gatehousectl user passwd \(account.name)` gives a new \
                    password
                    """)
            }
            if hash != nil { return try importedCall(daemon) }
            return AddUser(name: account.name, password: try account.password(), weak: account.weak)
        }

        /// Without a hash the user keeps the password that they have.
        func importedCall(_ daemon: Daemon) throws -> AddUser {
            guard !account.passwordStdin, !account.weak else {
                throw Failure("--password-stdin and --weak are for a password, and none is asked for here")
            }
            return AddUser(name: account.name, password: nil, hash: hash)
        }
    }

    struct Passwd: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Give a user a new password.",
            discussion: "Sessions that were opened with the old password end; new ones need the new one at once.")

        @OptionGroup var account: Account
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetPassword {
            guard try daemon.users().contains(account.name) else {
                throw Failure("no user \(account.name); `gatehousectl user list` shows who there is")
            }
            return SetPassword(name: account.name, password: try account.password(), weak: account.weak)
        }

        func importedCall(_ daemon: Daemon) throws -> SetPassword {
            throw Failure("nobody is asked for a password here; give its hash to `user add --hash`")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The users' names.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListUsers()) { reply in
                guard !reply.users.isEmpty else { return print("No user yet: `gatehousectl user add NAME`.") }
                var table = Table(.text("NAME"))
                for user in reply.users { table.add(.init(user.name)) }
                table.show()
            }
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Remove a user.", discussion: "The user's sessions end at once.", aliases: ["rm"])

        @Argument(help: "As `user list` shows it.", completion: .column(1, ofVerb: "user"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveUser {
            RemoveUser(name: name)
        }
    }

    /// A name and where its password comes from.
    struct Account: ParsableArguments {
        @Argument(help: "The user's name: 1 to 255 bytes without a colon.", transform: Account.parse)
        var name: String

        @Flag(help: "Read the password from standard input instead of asking for it.")
        var passwordStdin = false

        @Flag(help: "Take a password of less than 8 characters, too.")
        var weak = false

        func password() throws -> String {
            passwordStdin ? try Password.fromStandardInput() : try Password.ask(for: name)
        }

        @Sendable private static func parse(_ name: String) throws -> String {
            try Policy.checkName(ofUser: name)
            return name
        }
    }
}

extension Daemon {
    fileprivate func users() throws -> [String] {
        try ask(ListUsers()).users.map(\.name)
    }
}
