import Address
import Admin
import ArgumentParser
import Glibc
import Policy

struct EgressVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "egress", abstract: "What programs of this machine itself may begin.",
        discussion: """
            What the gateway needs goes out in any case: the proxies, questions to its name servers, DHCP, the time, and \
            updates by root and apt. Everything else is noted as long as egress is observed, and refused and told \
            (`what-changed`) once it is strict, unless an exit lets it out. What a program has under way then ends; what came in from others goes on, \
            your own connection among it.

            EXAMPLES:
              gatehousectl egress learn --for 1h
              gatehousectl egress allow backup --user root --to 203.0.113.7 --tcp 22
              gatehousectl egress strict
            """,
        subcommands: [List.self, Allow.self, Remove.self, Learn.self, Observe.self, Strict.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The exits, and what was begun lately that nothing lets out.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetEgress()) { reply in
                print("Egress is \(reply.mode == .strict ? "strict" : "observed").")
                if !reply.exits.isEmpty {
                    print()
                    var table = Table(.text("EXIT"), .text("USER"), .text("TO"), .text("WHAT"), .number("BEGUN"))
                    for (index, exit) in reply.exits.enumerated() {
                        table.add(
                            .init(exit.name), .init(exit.user ?? "any"), .init(exit.destination?.description ?? "any"),
                            .init(
                                exit.services.isEmpty
                                    ? "anything" : exit.services.map(\.description).joined(separator: ", ")),
                            .init(reply.packets.map { "\($0[index])" } ?? "-"))
                    }
                    table.show()
                }
                guard !reply.sightings.isEmpty else { return }
                print()
                EgressVerb.table(reply.sightings, reply).show()
            }
        }
    }

    struct Allow: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Make an exit: let programs of this machine begin something.",
            discussion: """
                The exit is for what matches all that is given. A port is a number, a range, or a name of /etc/services.

                EXAMPLES:
                  gatehousectl egress allow mail --user postfix --tcp 25 --tcp 587
                  gatehousectl egress allow git --to 203.0.113.7 --tcp ssh
                """)

        @Argument(help: "What you call it.") var name: String

        @Option(
            help: ArgumentHelp("The account that the program runs as.", valueName: "account"))
        var user: String?

        @Option(
            name: .customLong("to"),
            help: ArgumentHelp("The destination's network: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var destination: Network?

        @OptionGroup var what: ServiceOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> AddExit {
            AddExit(exit: Exit(name: name, user: user, destination: destination, services: what.services))
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Remove an exit.",
            discussion: "Where egress is strict, what went out by it and is under way ends.",
            aliases: ["rm"])

        @Argument(help: "As `egress list` shows it.", completion: .names(under: "EXIT", ofVerb: "egress"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveExit { RemoveExit(name: name) }
    }

    struct Observe: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Let everything out, and note what no exit is for.")

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetEgress { SetEgress(mode: .observe) }
    }

    struct Strict: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Refuse what nothing lets out.",
            discussion: """
                What was noted until now and will be refused is shown; `egress learn` proposes the exits for it. What a program \
                has under way and could not begin then ends, so a tunnel that this machine keeps up needs its exit first. Where \
                there is anything that would end, the change is on trial, and `gatehousectl confirm --blind` ends it.
                """)

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetEgress { SetEgress(mode: .strict) }
        func run() throws {
            let daemon = try Daemon(global)
            let seen = try daemon.ask(GetEgress())
            if !global.json, seen.mode == .observe, !seen.sightings.isEmpty {
                Output.errors.print(
                    "From now on refused, though it was begun lately (`egress learn` proposes exits for it):")
                for sighting in seen.sightings.suffix(20) {
                    Output.errors.print("  \(EgressVerb.who(sighting, seen)) to \(sighting.departure)")
                }
            }
            try daemon.change(call(daemon), manner)
        }
    }

    struct Learn: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Propose the exits for what was begun and nothing lets out.",
            discussion: """
                The commands are printed and not carried out: strike out what should not go out. Without --for they are for \
                what was noted since the daemon started.
                """)

        @Option(
            name: .customLong("for"),
            help: ArgumentHelp("Wait so long, and propose exits for what is begun meanwhile.", valueName: "time"),
            transform: Span.parse)
        var span: Span?

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            let daemon = try Daemon(global)
            var before: Set<DepartureSighting> = []
            if let span {
                before = Set(try daemon.ask(GetEgress()).sightings)
                if !global.json {
                    Output.errors.print("Noting what is begun, until \(localTime(now() + span.seconds)).")
                }
                sleep(UInt32(span.seconds))
            }
            try daemon.show(GetEgress()) { reply in
                // One that was begun again has another count; the clock may be set meanwhile.
                let sightings = reply.sightings.filter { !before.contains($0) }
                guard !sightings.isEmpty else { return print("# nothing was begun but what goes out already") }
                for line in EgressVerb.proposals(for: sightings, reply) { print(line.text) }
            }
        }
    }

    static func who(_ sighting: DepartureSighting, _ reply: GetEgress.Reply) -> String {
        guard let user = sighting.departure.user else { return "the kernel" }
        return "user " + (reply.accounts.first { $0.number == user }?.name ?? "\(user)")
    }

    private static func table(_ sightings: [DepartureSighting], _ reply: GetEgress.Reply) -> Table {
        var table = Table(.text("NOTHING LETS OUT"), .text("TO"), .number("BEGUN"), .text("LAST"), .text("END"))
        for sighting in sightings.suffix(50) {
            table.add(
                .init(who(sighting, reply)), .init("\(sighting.departure)"), .init("\(sighting.count)"),
                .init(localTime(sighting.last)),
                sighting.isRefused ? .init("refused", .bad) : .init("went out", .doubtful))
        }
        return table
    }

    /// An exit for each account and service, for all of its destinations where they are many.
    static func proposals(for sightings: [DepartureSighting], _ reply: GetEgress.Reply) -> [VerbLine] {
        struct Kind: Hashable {
            var user: UInt32?
            var transport: IPProtocol
            var port: UInt16?
        }
        let kinds = Dictionary(grouping: sightings.map(\.departure)) {
            Kind(user: $0.user, transport: $0.transport, port: $0.port)
        }
        var names = Set(reply.exits.map(\.name))
        return kinds.sorted { ($0.key.user ?? 0, $0.key.port ?? 0) < ($1.key.user ?? 0, $1.key.port ?? 0) }.flatMap {
            kind, departures -> [VerbLine] in
            let account = kind.user.flatMap { user in reply.accounts.first { $0.number == user }?.name }
            let service: Opening.Service =
                switch (kind.transport, kind.port.flatMap { PortRange($0, $0) }) {
                case (.tcp, let port?): .ports(.tcp, port)
                case (.udp, let port?): .ports(.udp, port)
                default: .other(kind.transport)
                }
            let destinations = Set(departures.map(\.destination)).sorted { "\($0)" < "\($1)" }
            let networks: [Network?] = destinations.count > 4 ? [nil] : destinations.map { Network($0, prefix: 128) }
            return networks.map { network in
                var (name, number) = ("\(account ?? "kernel")-\(kind.port.map { "\($0)" } ?? "\(kind.transport)")", 1)
                let stem = name
                while !names.insert(name).inserted {
                    number += 1
                    name = "\(stem)-\(number)"
                }
                return Exit(name: name, user: account, destination: network, services: [service]).verbLine
            }
        }
    }
}
