import Address
import Admin
import ArgumentParser
import Policy

struct ZoneVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zone", abstract: "Which network interface leads where.",
        discussion: """
            Openings and listeners are for a zone: the home, the internet, or one that you make. An interface is in one \
            zone at most; one that is in none gets nothing. One that is missing, or not there yet, keeps its place.

            EXAMPLES:
              gatehousectl zone list
              gatehousectl zone set home --interface eth1,wlan0
              gatehousectl zone set home --address 192.168.10.1/24 --serve
              gatehousectl zone add guest --interface wlan1 --way proxy
              gatehousectl zone set home --new-devices blocked
              gatehousectl zone allow guest to printers --tcp 631
              gatehousectl firewall open print --tcp 631 --from guest
            """,
        subcommands: [List.self, Add.self, Set.self, Remove.self, Allow.self, Deny.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The zones with their interfaces, and the interfaces that are in none.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListZones(), present)
        }

        private func present(_ reply: ListZones.Reply) {
            var table = Table(
                .text("ZONE"), .text("WAY", rank: 1), .text("SERVES", rank: 2), .text("INTERFACE"), .text("STATE"),
                .text("HARDWARE", rank: 3), .text("ADDRESSES"))
            for zone in reply.zones where zone.interfaces.isEmpty {
                table.add(.init(zone.name), .init(way(of: zone)), .init(service(of: zone)), "-", "-", "-", "-")
            }
            for interface in reply.interfaces {
                let state: Table.Cell =
                    if !interface.isPresent {
                        .init("missing", .bad)
                    } else if interface.hasCarrier {
                        .init("up", .good)
                    } else {
                        .init("no cable", .doubtful)
                    }
                let addresses = interface.addresses.map(\.description).joined(separator: " ")
                let zone = reply.zones.first { $0.name == interface.zone }
                table.add(
                    .init(interface.zone ?? "none", interface.zone == nil ? .dim : .plain),
                    .init(zone.map(way) ?? "-"), .init(zone.map(service) ?? "-"), .init(interface.name),
                    state,
                    .init(interface.hardware?.description ?? "-"), .init(addresses.isEmpty ? "-" : addresses))
            }
            table.show()
            for passage in reply.passages { print("allowed: \(passage)") }
        }

        private func way(of zone: Zone) -> String {
            if zone.name == Zone.internet { return "-" }
            return zone.way.rawValue + (zone.newDevices.map { ", new ones \($0.rawValue)" } ?? "")
        }

        private func service(of zone: Zone) -> String { zone.service.map { "\($0)" } ?? "-" }
    }

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Make a zone.",
            discussion: "Nothing of this machine can be reached from it until something is for it.")

        @OptionGroup var which: Name
        @OptionGroup var options: ZoneOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> AddZone {
            var zone = Zone(name: which.name)
            options.change(of: which.name).change(&zone)
            return AddZone(zone: zone)
        }
    }

    struct Set: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Change what a zone is.", discussion: "What is not given stays as it is.")

        @OptionGroup var which: Name
        @OptionGroup var options: ZoneOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard options.change(of: which.name) != SetZone(name: which.name) else {
                throw ValidationError(
                    "Say what is to change: --interface eth1,wlan0, --address 192.168.10.1/24, --way proxy, --serve.")
            }
        }

        func call(_ daemon: Daemon) throws -> SetZone {
            options.change(of: which.name)
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Take a zone away.", discussion: "Its interfaces are in none then.", aliases: ["rm"])

        @OptionGroup var which: Name
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveZone {
            RemoveZone(name: which.name)
        }
    }

    struct Allow: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Let devices of one zone begin conversations with another one.",
            discussion: """
                Without --tcp, --udp and --proto everything passes. What passes already goes on passing.

                EXAMPLES:
                  gatehousectl zone allow guest to printers --tcp 631
                  gatehousectl zone allow home to things
                """)

        @OptionGroup var ends: Ends

        @OptionGroup var what: ServiceOptions

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> AllowPassage {
            AllowPassage(
                from: ends.from, to: ends.to,
                services: what.services)
        }
    }

    struct Deny: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Take back all that one zone may begin with another one, and end it.")

        @OptionGroup var ends: Ends
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> DenyPassage {
            DenyPassage(from: ends.from, to: ends.to)
        }
    }

    /// `guest to printers`.
    struct Ends: ParsableArguments {
        @Argument(help: "The zone of those who begin.", completion: .column(1, ofVerb: "zone")) var from: String
        @Argument(help: ArgumentHelp("The word `to`.", valueName: "to")) var word: String
        @Argument(help: "The zone of those who answer.", completion: .column(1, ofVerb: "zone")) var to: String

        func validate() throws {
            guard word == "to" else { throw ValidationError("Say it like this: zone allow guest to printers.") }
        }
    }

    struct Name: ParsableArguments {
        @Argument(
            help: ArgumentHelp("home, internet, or what you call it.", valueName: "zone"),
            completion: .column(1, ofVerb: "zone"))
        var name: String
    }
}
