import Address
import Admin
import ArgumentParser
import Policy

struct DeviceVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "device", abstract: "The devices of the home: what they are called and how they are carried.",
        discussion: """
            A device is a network card, known by its hardware address. It is called as it calls itself until you name it, and \
            carried as its zone says until you say otherwise. Each verb takes a device by its name, its hardware address, or \
            an address that it has now.

            EXAMPLES:
              gatehousectl device list
              gatehousectl device name 192.168.1.20 tv
              gatehousectl device way tv proxy
              gatehousectl device pause kid --for 1h
              gatehousectl device schedule kid --allow "mon-fri 07:00-21:00,sat-sun 09:00-22:00"
              gatehousectl device learn camera --for 7d
              gatehousectl device hold camera
            """,
        subcommands: [
            List.self, Show.self, Rename.self, Carry.self, Reserve.self, Stop.self, Resume.self, Hours.self, Learn.self,
            Hold.self, Release.self, Forget.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The devices that were seen, and those about which something is decided.",
            discussion: """
                STATE says whether a device is there, or why it gets nothing. A hardware address with a * is made up by the \
                device, as phones do, which may take another one tomorrow. Of a device that learns or is held `device show` tells \
                where it goes.
                """, aliases: ["ls"])

        @OptionGroup(title: "Global options") var global: GlobalOptions

        func run() throws {
            try Daemon(global).show(ListDevices(), present)
        }

        private func present(_ reply: ListDevices.Reply) {
            guard !reply.devices.isEmpty else { return print("No device was seen yet.") }
            var table = Table(
                .text("NAME"), .text("WAY"), .text("STATE"), .text("ADDRESSES", rank: 1), .text("HARDWARE", rank: 3),
                .text("ZONE", rank: 4), .text("LAST SEEN", rank: 2), .text("SCHEDULE", rank: 7),
                .number("SENT/s", rank: 6),
                .number("RECEIVED/s", rank: 6), .number("SENT TODAY", rank: 5), .number("RECEIVED TODAY", rank: 5))
            for device in reply.devices {
                let addresses = device.addresses.map(\.description).joined(separator: " ")
                table.add(
                    .init(device.name, device.isNamed ? .bold : .plain),
                    .init(device.way.map { $0.rawValue } ?? "-", device.ownWay == nil ? .dim : .plain),
                    state(of: device),
                    .init(addresses.isEmpty ? device.fixedAddress.map { "(\($0))" } ?? "-" : addresses),
                    .init("\(device.hardware)\(device.isRandomised ? "*" : "")"), .init(device.zone ?? "-"),
                    .init(device.lastSeen.map(localTime) ?? "never"), .init(device.schedule?.description ?? "-"),
                    bytes(device.sentRate), bytes(device.receivedRate), bytes(device.sentToday),
                    bytes(device.receivedToday))
            }
            table.show()
            if reply.turnedAway > 0 {
                warn(
                    "\(counted(reply.turnedAway, "more device")) could not be taken down: somebody in the home makes hardware "
                        + "addresses up")
            }
        }

        private func bytes(_ count: Int) -> Table.Cell { count > 0 ? .init(humanBytes(count)) : .init("-", .dim) }

        private func state(of device: DeviceStatus) -> Table.Cell {
            switch device.stop {
            case .blocked: .init("blocked", .bad)
            case .paused:
                .init(device.pause?.end.map { "paused until \(localTime($0))" } ?? "paused", .doubtful)
            case .outOfHours: .init("out of hours", .doubtful)
            case nil:
                .init(
                    (device.isPresent ? "there" : "away") + (device.learnsUntil == nil ? "" : ", learns")
                        + (device.isHeld ? ", held" : ""), device.isPresent ? .good : .dim)
            }
        }
    }

    struct Rename: ChangeVerb {
        static let configuration = CommandConfiguration(
            commandName: "name", abstract: "Call a device otherwise.",
            discussion:
                "Rules, limits and forwards that name it go on to do so. The home's other devices find it by this name."
        )

        @OptionGroup var which: Which

        @Argument(help: ArgumentHelp("Letters, digits and -, in lower case.", valueName: "new-name"))
        var name: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.name = name
            return call
        }
    }

    struct Carry: ChangeVerb {
        static let configuration = CommandConfiguration(
            commandName: "way", abstract: "Say how a device is carried.",
            discussion: """
                routed: by the kernel, wherever its zone may go. proxy: through the proxies or not at all. blocked: not at all, \
                at once, and what it has under way ends. default: as its zone has it.
                """)

        @OptionGroup var which: Which

        @Argument(
            help: "routed, proxy, blocked, or default.", completion: .list(["routed", "proxy", "blocked", "default"]))
        var way: String

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            _ = try choice()
        }

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.way = try choice()
            return call
        }

        private func choice() throws -> Choice<Way> {
            if way == "default" { return .any }
            guard let way = Way(way) else {
                throw ValidationError("The value '\(way)' is invalid: write routed, proxy, blocked, or default")
            }
            return .one(way)
        }
    }

    struct Reserve: ChangeVerb {
        static let configuration = CommandConfiguration(
            commandName: "address", abstract: "Give a device the same IPv4 address always.",
            discussion: "It gets it when it asks for one the next time.")

        @OptionGroup var which: Which

        @Argument(help: "The address, or none: whichever is free.", transform: Self.parse)
        var address: Choice<IPAddress>

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.fixedAddress = address
            return call
        }

        @Sendable private static func parse(_ text: String) throws -> Choice<IPAddress> {
            text == "none" ? .any : .one(try IPAddress.parse(argument: text))
        }
    }

    struct Stop: ChangeVerb {
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Stop a device: it gets nothing, and what it has under way ends at once.",
            discussion: """
                EXAMPLES:
                  gatehousectl device pause kid --for 1h
                  gatehousectl device pause tv
                """)

        @OptionGroup var which: Which

        @OptionGroup var expiry: ExpiryOptions
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.pause = .one(expiry.end.map { .until($0) } ?? .forever)
            return call
        }
    }

    struct Resume: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "End a device's pause.", discussion: "Its schedule holds again, if it has one.")

        @OptionGroup var which: Which
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.pause = .any
            return call
        }
    }

    struct Hours: ChangeVerb {
        static let configuration = CommandConfiguration(
            commandName: "schedule", abstract: "Allow a device at some hours of the week only.",
            discussion: """
                By the clock on the wall, daylight saving included; out of its hours a device gets nothing. Hours may end on \
                the day after.

                EXAMPLES:
                  gatehousectl device schedule kid --allow "mon-fri 07:00-21:00,sat-sun 09:00-22:00"
                  gatehousectl device schedule kid --allow "fri-sat 18:00-01:00"
                  gatehousectl device schedule kid --none
                """)

        @OptionGroup var which: Which

        @Option(
            help: ArgumentHelp(
                "The hours: days and two times, with commas between several.", valueName: "hours"),
            transform: { try Schedule(parsing: $0) })
        var allow: Schedule?

        @Flag(name: .customLong("none"), help: "It is allowed at all hours again.")
        var isAllowedAlways = false

        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func validate() throws {
            guard (allow == nil) == isAllowedAlways else {
                throw ValidationError("Give the hours with --allow, or --none.")
            }
        }

        func call(_ daemon: Daemon) throws -> SetDevice {
            var call = SetDevice(device: which.device)
            call.schedule = allow.map { .one($0) } ?? .any
            return call
        }
    }

    struct Forget: ChangeVerb {
        static let configuration = CommandConfiguration(
            abstract: "Take back all that was decided about a device.",
            discussion: "One that shows itself later is new again.")

        @OptionGroup var which: Which
        @OptionGroup(title: "Change options") var manner: ChangeOptions
        @OptionGroup(title: "Global options") var global: GlobalOptions

        func call(_ daemon: Daemon) throws -> ForgetDevice {
            ForgetDevice(device: which.device)
        }
    }

    struct Which: ParsableArguments {
        @Argument(
            help: ArgumentHelp("Its name, its hardware address, or an address that it has now.", valueName: "device"),
            completion: .column(1, ofVerb: "device"))
        var device: String
    }
}
