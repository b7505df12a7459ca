import ArgumentParser
import Policy

/// What may come in or pass, as `firewall open` and `zone allow` take it.
struct ServiceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("TCP: PORT, PORT-PORT or SERVICE. May be given several times.", valueName: "port"),
        transform: Ports.parse(.tcp))
    var tcp: [Ports] = []

    @Option(
        help: ArgumentHelp("UDP: PORT, PORT-PORT or SERVICE. May be given several times.", valueName: "port"),
        transform: Ports.parse(.udp))
    var udp: [Ports] = []

    @Option(
        name: .customLong("proto"),
        help: ArgumentHelp(
            "Everything of another IP protocol, by name (gre, esp, ipv6) or number. May be given several times.",
            valueName: "protocol"), transform: IPProtocol.parse)
    var protocols: [IPProtocol] = []

    /// Empty: nothing was given.
    var services: [Opening.Service] { tcp.map(\.service) + udp.map(\.service) + protocols.map { .other($0) } }
}
