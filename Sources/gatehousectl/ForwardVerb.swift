import Address
import Admin
import ArgumentParser
import Policy

struct ForwardVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Doors from the internet to devices of the home.",
        discussion: """
            Whoever is on the internet can begin a conversation with the device through such a door. Programs cannot ask \
            for one (UPnP): the one that asks most is the malware.

            EXAMPLES:
              gatehousectl forward add web tcp 443 to nas
              gatehousectl forward add ssh tcp 2222 to nas:22 --from 203.0.113.0/24
              gatehousectl forward add game udp 27015 to console --for 2h
              gatehousectl forward remove web
            """,
        subcommands: [List.self, Add.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The doors, with the conversations that began by each.", aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListForwards()) { reply in
                guard !reply.forwards.isEmpty else { return print("No door leads from the internet to a device.") }
                var table = Table(
                    .text("NAME"), .text("PORT"), .text("TO"), .text("FROM"), .text("UNTIL"), .text("STATE"),
                    .number("BEGUN"))
                for status in reply.forwards {
                    let forward = status.forward
                    table.add(
                        .init(forward.name), .init("\(forward.transport.rawValue) \(forward.port)"),
                        .init(forward.target), .init(forward.source?.description ?? "everybody", .doubtful),
                        .init(forward.until.map(localTime) ?? "-"),
                        status.isReachable ? .init("open", .doubtful) : .init("no address", .dim),
                        .init(status.packets.map { "\($0)" } ?? "-"))
                }
                table.show()
            }
        }
    }

    struct Add: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Make a door to a device.",
            discussion: """
                In IPv4 the port of the gateway leads to the device, from within as well. In IPv6 the device's own addresses \
                can be reached at that port.
                """)

        @Argument(help: "What you call it.") var name: String
        @Argument(help: "tcp or udp.") var transport: Opening.Transport
        @Argument(help: "The port by which the internet comes in.") var port: UInt16
        @Argument(help: ArgumentHelp("The word `to`.", valueName: "to")) var word: String
        @Argument(help: ArgumentHelp("The device, and its port if that is another one.", valueName: "device[:port]"))
        var target: String

        @Option(
            help: ArgumentHelp("The network that may come in: ADDRESS or ADDRESS/PREFIX.", valueName: "network"),
            transform: Network.parse)
        var from: Network?

        @OptionGroup var expiry: ExpiryOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard word == "to", parts != nil else {
                throw ValidationError(
                    "Say it like this: forward add \(name) \(transport) \(port) to DEVICE or DEVICE:PORT.")
            }
        }

        /// A hardware address has colons of its own, five of them.
        private var parts: (device: String, port: UInt16?)? {
            let parts = target.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            if parts.count == 1 || parts.count == 6 { return (target, nil) }
            guard parts.count == 2 || parts.count == 7, let port = UInt16(parts[parts.count - 1]), port > 0 else {
                return nil
            }
            return (parts.dropLast().joined(separator: ":"), port)
        }

        func call(_ daemon: Daemon) throws -> AddForward {
            guard let parts else { throw ValidationError("\(target) is no device") }
            return AddForward(
                forward: Forward(
                    name: name, transport: transport, port: port, device: parts.device, devicePort: parts.port,
                    source: from, until: expiry.end))
        }
    }

    struct Remove: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Shut a door, and end what came in by it.", aliases: ["rm"])

        @Argument(help: "As `forward list` shows it.", completion: .column(1, ofVerb: "forward"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> RemoveForward {
            RemoveForward(name: name)
        }
    }
}

extension Opening.Transport: ExpressibleByArgument {}
