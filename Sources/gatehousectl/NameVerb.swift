import Admin
import ArgumentParser

struct NameVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "name", abstract: "Whose names may lead into the home.",
        discussion: """
            An answer from a name server outside that leads to a private address is refused in served zones: a web page could \
            otherwise have a browser of the home talk to a device of the home. Some services of good will answer so; they \
            are trusted by their domains.

            EXAMPLES:
              gatehousectl name trust plex.direct
              gatehousectl name list
              gatehousectl name distrust plex.direct
            """,
        subcommands: [Trust.self, Distrust.self, List.self])

    struct Trust: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Let answers about a domain, and all below it, lead into the home.")

        @Argument(help: "The domain.", transform: Domain.parse)
        var domain: Domain

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> TrustDomain { TrustDomain(domain: domain.name) }
    }

    struct Distrust: ChangeVerb {
        static let configuration = CommandConfiguration(abstract: "Refuse such answers about a domain again.")

        @Argument(help: "As `name list` shows it.", completion: .column(1, ofVerb: "name"), transform: Domain.parse)
        var domain: Domain

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> DistrustDomain { DistrustDomain(domain: domain.name) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The domains whose answers may lead into the home.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListTrustedDomains()) { reply in
                var table = Table(.text("DOMAIN"))
                for domain in reply.domains { table.add("\(domain)") }
                table.show()
            }
        }
    }
}
