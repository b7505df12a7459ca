import Address
import Admin
import ArgumentParser
import Policy

struct ClientSetupVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client-setup",
        abstract: "Show what to enter on the devices of the home.",
        discussion: """
            Computed from the listeners that are open, with the addresses at which the home reaches them. Without a device: \
            the proxies, the PAC file that sets up most devices by itself, and the gateway's own page, on which a device \
            reads what it has to be told; on a terminal the page's address is also a QR code for the camera of a phone.

            EXAMPLES:
              gatehousectl client-setup
              gatehousectl client-setup ios
              gatehousectl client-setup linux --no-qr
            """)

    @Argument(help: ArgumentHelp("What to set up (default: the addresses alone).", valueName: "device"))
    var device: ClientDevice?

    @Flag(name: .customLong("no-qr"), help: "No QR code.")
    var hasNoQR = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        let daemon = try Daemon(global)
        let check = { (reply: GetClientSetup.Reply) in
            guard !ClientSettings(reply.offers).isEmpty else {
                throw Failure(
                    "no listener is open that a device of the home could use; `gatehousectl setup` makes two")
            }
        }
        try daemon.show(GetClientSetup(), check: check) { reply in
            let settings = ClientSettings(reply.offers)
            if let device { try present(device, settings) } else { Self.present(settings) }
            if !hasNoQR, device?.hasCamera ?? true { Self.presentCode(of: settings) }
            for hint in settings.hints(for: device) {
                print()
                print(hint)
            }
        }
    }

    private func present(_ device: ClientDevice, _ settings: ClientSettings) throws {
        let ways = device.ways(with: settings)
        guard !ways.isEmpty else {
            throw Failure(
                """
                \(device.title) can be set up for an HTTP proxy only, and no such listener is open; \
                `gatehousectl listener add http ADDRESS:PORT` makes one
                """)
        }
        print(Output.standard.styled(device.title, .bold))
        for way in ways {
            print()
            for line in way.lines() { print(line) }
        }
        guard settings.https != nil, let trust = device.trust else { return }
        print()
        print("The gateway's own authority, which its HTTPS proxy wants trusted:")
        for line in trust.lines() { print(line) }
    }

    /// Without a device.
    static func present(_ settings: ClientSettings) {
        var table = Table(.text("PROXY"), .text("ADDRESS"), .number("PORT"), .text("PASSWORD"))
        for offer in settings.offers {
            table.add(
                .init(offer.kind.name), "\(offer.endpoint.address)", .init("\(offer.endpoint.port)", .bold),
                "\(offer.authentication)")
        }
        table.show()
        guard let script = settings.script, let page = settings.page else { return }
        print()
        print("On a device, this page says what to enter there:")
        print("  \(Output.standard.styled(printable(page), .bold))")
        print()
        print("Most devices set themselves up from this address, as `automatic proxy configuration`:")
        print("  \(Output.standard.styled(printable(script), .bold))")
        print("A DHCP server can tell it to Windows as option 252.")
        print()
        let devices = ClientDevice.allCases.map(\.rawValue).joined(separator: "|")
        print("Where to enter it: `gatehousectl client-setup \(devices)`")
    }

    static func presentCode(of settings: ClientSettings) {
        let output = Output.standard
        guard output.isTerminal, let text = settings.page ?? settings.socks?.url,
            let code = QRCode(text)
        else { return }
        print()
        for line in code.lines(isColoured: output.isColoured) { print(line) }
        print(output.styled("for the camera of a phone: \(printable(text))", .dim))
    }
}

extension Listener.Kind {
    /// As in a table.
    fileprivate var name: String {
        switch self {
        case .socks5: "SOCKS5"
        case .http: "HTTP"
        case .https: "HTTPS"
        case .mixed: "HTTP and SOCKS5"
        case .dns: "DNS"
        }
    }
}
