import Admin
import ArgumentParser
import Glibc
import Policy

struct ExportVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "The whole configuration, as the commands that make it.",
        discussion: """
            To be read, compared, kept in git, and given to `gatehousectl import` here or on another machine, where only \
            `zone set --interface` differs. The same configuration always reads the same. Certificates are no part of it: \
            `gatehousectl backup create` keeps them, and the history, too.

            Without --with-secrets no hash of a password is in it; an import leaves the users who are there the passwords \
            that they have. The names of blocklists are files of their own, which --lists writes.

            EXAMPLES:
              gatehousectl export > home.gatehouse
              gatehousectl export --with-secrets --lists lists > home.gatehouse
              gatehousectl export | diff home.gatehouse -
            """)

    @Flag(help: "With the salted hashes of the passwords.")
    var withSecrets = false

    @Option(
        help: ArgumentHelp(
            "Write the names of each blocklist into a file of this directory, which is made if it is missing.",
            valueName: "directory"), completion: .directory)
    var lists: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        try write(daemon.ask(GetPolicy()).policy.blocklists, daemon)
        try daemon.show(GetPolicy(secrets: withSecrets)) { present($0.policy) }
    }

    private func present(_ policy: Policy) {
        print("# The configuration of a Gatehouse gateway, as the commands that make it: `gatehousectl import FILE`.")
        if !withSecrets, !policy.users.isEmpty {
            print("# Without the passwords of the users, whose hashes --with-secrets writes.")
        }
        let things = Dictionary(grouping: policy.allThings, by: \.section)
        for section in Changes.Thing.Section.allCases {
            let lines = (things[section] ?? []).flatMap { $0.verbLines(lists: lists) }
            guard !lines.isEmpty else { continue }
            print()
            print("# \(section.title)")
            for line in lines { print(line.text) }
        }
    }

    private func write(_ blocklists: [Blocklist], _ daemon: Daemon) throws {
        guard let lists else {
            if !blocklists.isEmpty { warn("the names of the blocklists are not here; --lists DIRECTORY writes them") }
            return
        }
        guard mkdir(lists, 0o755) == 0 || errno == EEXIST else {
            throw Failure("\(lists) cannot be made: \(String(cString: strerror(errno)))")
        }
        for list in blocklists {
            var names: [String] = []
            repeat {
                let more = try daemon.ask(ListBlockedNames(blocklist: list.name, start: names.count)).names
                guard !more.isEmpty else { break }
                names += more
            } while names.count < list.count
            guard names.count == list.count else {
                throw Failure("of the \(list.count) names of the blocklist \(list.name) there are \(names.count)")
            }
            try TextFile.write(names.map { $0 + "\n" }.joined(), to: list.file(in: lists))
        }
    }
}
