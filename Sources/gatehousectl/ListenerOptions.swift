import Address
import Admin
import ArgumentParser
import Policy

/// Whom a listener serves and how, as `listener add` and `listener set` take it. What is not given is nil.
struct ListenerOptions: ParsableArguments {
    @Option(
        name: .customLong("auth"),
        help: ArgumentHelp("Whether clients need a password: none or required.", valueName: "auth"))
    var authentication: Listener.Authentication?

    @Option(
        name: .customLong("from"),
        help: ArgumentHelp(
            "Serve only clients of this zone, of this interface, or with these addresses (ADDRESS or ADDRESS/PREFIX); "
                + "any: with any address; anywhere: wherever they are. May be given several times.",
            valueName: "whence"), transform: Whence.parse)
    var whence: [Whence] = []

    @Option(
        name: .customLong("user"),
        help: ArgumentHelp("Let only this user in. May be given several times.", valueName: "name"),
        completion: .column(1, ofVerb: "user"))
    var users: [String] = []

    @Flag(inversion: .prefixedNo, help: "Speak SOCKS4 and SOCKS4a too, which know no password.")
    var socks4: Bool?

    @Option(
        help: ArgumentHelp(
            "What UDP clients are told to send to, for a gateway behind NAT; any: the socket's own address.",
            valueName: "address"), transform: Choice.parse(IPAddress.parse))
    var advertise: Choice<IPAddress>?

    @Option(
        help: ArgumentHelp(
            "Receive the datagrams of UDP clients here: PORT, PORT-PORT, or any.", valueName: "ports"),
        transform: Choice.parse(PortRange.parse))
    var udpPorts: Choice<PortRange>?

    @Option(
        help: ArgumentHelp(
            "Accept for BIND here, open to the outside meanwhile: PORT, PORT-PORT, or any.", valueName: "ports"),
        transform: Choice.parse(PortRange.parse))
    var bindPorts: Choice<PortRange>?

    func validate() throws {
        guard !whence.contains(.any) || networks.isEmpty else {
            throw ValidationError("`--from any` is everybody; no other network can stand beside it.")
        }
        guard places.count < 2 else {
            throw ValidationError("A listener is for one zone or one interface: `--from` names \(places.count).")
        }
    }

    private var networks: [Network] { whence.compactMap(\.network) }
    private var places: [Place] { whence.compactMap(\.place) }

    /// What is given, for the listener on `endpoint`.
    func change(of endpoint: Endpoint) -> ChangeListener {
        var change = ChangeListener(endpoint: endpoint)
        change.authentication = authentication
        if let place = places.first { change.place = place }
        if !networks.isEmpty || whence.contains(.any) { change.clients = networks }
        if !users.isEmpty { change.users = users }
        change.allowsVersion4 = socks4
        change.advertisedAddress = advertise
        change.udpPorts = udpPorts
        change.bindPorts = bindPorts
        return change
    }
}

extension Listener.SOCKSOptions {
    /// As `listener list` shows them, in the words that `listener add` takes.
    var summary: String {
        var words: [String] = []
        if allowsVersion4 { words.append("socks4") }
        if let advertisedAddress { words.append("advertise \(advertisedAddress)") }
        if let udpPorts { words.append("udp-ports \(udpPorts)") }
        if let bindPorts { words.append("bind-ports \(bindPorts)") }
        return words.isEmpty ? "–" : words.joined(separator: ", ")
    }
}
