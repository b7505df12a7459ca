import Address
import Admin
import ArgumentParser
import Policy

struct FirewallVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firewall", abstract: "What of this machine can be reached.",
        discussion: """
            Enforced, it lets in the listeners' ports, the openings that you make here, and what was asked for from \
            inside; nothing else, on any interface. The rules are one table of nftables, `inet gatehouse`; no other \
            table is touched. They stay in the kernel when gatehoused ends.

            EXAMPLES:
              gatehousectl firewall show
              gatehousectl firewall open ssh
              gatehousectl firewall enforce
              gatehousectl firewall close ssh
            """,
        subcommands: [Show.self, Enforce.self, Observe.self, List.self, Open.self, Close.self, Log.self])

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The openings, and the ruleset that follows from the configuration.",
            discussion: """
                The output can be read by nft(8): `gatehousectl firewall show | nft --check -f -`.
                """)

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(GetFirewall(), present)
        }

        private func present(_ report: FirewallReport) {
            comment(summary(of: report))
            if !report.openings.isEmpty {
                comment("")
                var table = Table(.text("OPENING"), .text("WHAT"), .text("FROM"), .text("NETWORK"))
                for opening in report.openings {
                    table.add(
                        .init(opening.name), .init(opening.what), .init(opening.place.shown),
                        .init(opening.source?.description ?? "any"))
                }
                table.show(prefix: "# ")
            }
            print()
            print(
                report.ruleset.isEmpty ? "# there is no ruleset: gatehoused runs with --firewall off" : ruleset(report))
        }

        private func summary(of report: FirewallReport) -> String {
            let door = report.door
            let isAsMeant = door.isHeld || door == .observing || door == .off
            return "\(report.mode)\(isAsMeant ? ":" : ", but") \(printable(door.description))"
        }

        private func comment(_ text: String) {
            print("# \(text)")
        }

        private func ruleset(_ report: FirewallReport) -> String {
            report.ruleset.last == "\n" ? String(report.ruleset.dropLast()) : report.ruleset
        }
    }

    struct Enforce: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Put the ruleset into the kernel.",
            discussion: """
                A change that would cut off a connection to this machine, such as your SSH session, is on trial: unless \
                `gatehousectl confirm` keeps it in time, the firewall goes back to observing.
                """)

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetFirewallMode {
            SetFirewallMode(mode: .enforce)
        }
    }

    struct Observe: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Take the ruleset out of the kernel and only show it.",
            discussion: "The firewall filters nothing then.")

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetFirewallMode {
            SetFirewallMode(mode: .observe)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the openings, with the packets that each has let in.",
            discussion: "Packets and bytes are counted while the firewall is enforced.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListOpenings()) { reply in
                guard !reply.openings.isEmpty else {
                    return print("No opening yet: `gatehousectl firewall open NAME --tcp PORT` makes one.")
                }
                var table = Table(
                    .text("NAME"), .text("WHAT"), .text("FROM"), .text("SINCE/UNTIL"), .number("PACKETS"),
                    .number("BYTES"))
                for status in reply.openings {
                    let opening = status.opening
                    let source = opening.source.map { " \($0)" } ?? ""
                    table.add(
                        .init(opening.name), .init(opening.what),
                        .init(opening.place.shown + source, status.isOpenToInternet ? .doubtful : .plain),
                        .init(time(of: status)), .init(status.packets.map { "\($0)" } ?? "-"),
                        .init(status.bytes.map(humanBytes) ?? "-"))
                }
                table.show()
            }
        }

        private func time(of status: OpeningStatus) -> String {
            if let until = status.opening.until { return "until \(localTime(until))" }
            return status.since.map { "since \(localTime($0))" } ?? "-"
        }
    }

    struct Log: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What was neither let in nor through, and what for.",
            discussion: """
                The firewall remembers the last thousand or so packets that it stopped, and of each source no more than a few at \
                once and then one a second, so that a flood hides nobody else. The latest comes last. Of what a blocklist, a \
                ban or a forged source stops the last fifty are kept beside them. Below stand the packets that each rule has \
                stopped since it is there.

                EXAMPLES:
                  gatehousectl firewall log
                  gatehousectl firewall log --device camera
                """)

        @Option(
            help: ArgumentHelp(
                "Only what this device sent or what was for it: its name, its hardware address, or an address that it has now.",
                valueName: "device"), completion: .column(1, ofVerb: "device"))
        var device: String?

        @Option(help: ArgumentHelp("At most so many, the latest.", valueName: "number"))
        var limit: Int = 100

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard limit > 0 else { throw ValidationError("The value '\(limit)' is invalid: --limit is 1 or more") }
        }

        func run() throws {
            try Daemon(global).show(ListDroppedPackets(device: device, limit: limit)) { reply in
                guard !reply.packets.isEmpty else {
                    guard !reply.totals.isEmpty else { return print("Nothing was stopped lately.") }
                    print("No packet is remembered that was stopped lately.\n")
                    return totals(reply).show()
                }
                var table = Table(
                    .text("TIME"), .text("BY"), .text("FROM"), .text("DEVICE", rank: 1), .text("TO"), .text("REASON"))
                for packet in reply.packets {
                    let place =
                        packet.port.map { "\(Endpoint(address: packet.destination, port: $0))" }
                        ?? "\(packet.destination)"
                    table.add(
                        .init(localTime(packet.time)),
                        .init(packet.interface + (packet.output.map { " > \($0)" } ?? "")),
                        "\(packet.source)", .init(packet.device ?? "-"), .init("\(place) (\(packet.transport))"),
                        .init(packet.reason))
                }
                table.show()
                guard !reply.totals.isEmpty else { return }
                print()
                totals(reply).show()
            }
        }

        private func totals(_ reply: ListDroppedPackets.Reply) -> Table {
            var totals = Table(.text("STOPPED BY"), .number("PACKETS"))
            for total in reply.totals { totals.add(.init(total.reason), "\(total.packets)") }
            return totals
        }
    }

    struct Open: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Make a service of this machine reachable.",
            discussion: """
                For services other than Gatehouse's own listeners, which have their openings by themselves. The home can reach \
                the service, unless --from names others. A port is a number, a range, or a name of /etc/services; without \
                --tcp, --udp and --proto the opening's own name is looked up there.

                EXAMPLES:
                  gatehousectl firewall open ssh
                  gatehousectl firewall open dns --tcp domain --udp domain
                  gatehousectl firewall open games --udp 27000-27100 --for 2h
                  gatehousectl firewall open backup --tcp 22 --from 203.0.113.7
                  gatehousectl firewall open wireguard --udp 51820 --from internet
                  gatehousectl firewall open tunnel --proto ipv6 --from internet
                """)

        @Argument(help: "The opening's name, by which `firewall close` removes it.")
        var name: String

        @OptionGroup var what: ServiceOptions

        @Option(
            help: ArgumentHelp(
                "The side that can reach it: home (the default), internet, another zone, an interface, anywhere, or a network "
                    + "(ADDRESS or ADDRESS/PREFIX). A network may stand beside one of the others.",
                valueName: "whence"), transform: Whence.parse)
        var from: [Whence] = []

        @Option(
            help: ArgumentHelp("The same as `--from` with an interface.", valueName: "interface"),
            completion: .interface)
        var interface: String?

        @OptionGroup var expiry: ExpiryOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        private var networks: [Network] { from.compactMap(\.network) }
        private var places: [Place] { from.compactMap(\.place) + (interface.map { [.interface($0)] } ?? []) }

        func validate() throws {
            guard networks.count < 2, places.count < 2 else {
                throw ValidationError("An opening is for one place and one network: make another one for the other.")
            }
        }

        func call(_ daemon: Daemon) throws -> Admin.Open {
            var services = what.services
            if services.isEmpty { services = try Services.named(name) }
            let isAnyPlace = networks.isEmpty && !from.contains(.any)
            return Admin.Open(
                opening: Opening(
                    name: name, services: services,
                    place: places.first ?? (isAnyPlace ? .zone(Zone.home) : .anywhere), source: networks.first,
                    until: expiry.end))
        }
    }

    struct Close: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Remove an opening.", discussion: "What came in by it and is under way is ended.")

        @Argument(help: "As `firewall list` shows it.", completion: .column(1, ofVerb: "firewall"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> Admin.Close {
            Admin.Close(name: name)
        }
    }
}
