import Address
import Admin
import ArgumentParser
import Policy

/// What a zone is, as `zone add` and `zone set` take it. What is not given is nil.
struct ZoneOptions: ParsableArguments {
    @Option(
        name: .customLong("interface"),
        help: ArgumentHelp(
            "Its interfaces, with commas between them; none: no interface. May be given several times.",
            valueName: "interfaces"), completion: .interface)
    var interfaces: [String] = []

    @Option(
        name: .customLong("address"),
        help: ArgumentHelp(
            "The address that the gateway gives to the first interface, with its prefix (192.168.10.1/24); none: something "
                + "else does. May be given several times.",
            valueName: "address"), transform: { $0 == "none" ? nil : try InterfaceAddress.parse(argument: $0) })
    var addresses: [InterfaceAddress?] = []

    @Option(
        help: ArgumentHelp(
            "How devices are carried that have no way of their own: routed, proxy or blocked.", valueName: "way"))
    var way: Way?

    @Option(
        help: ArgumentHelp(
            "How devices are carried about which you said nothing yet: routed, proxy, blocked; any: like the others.",
            valueName: "way"), transform: Choice.parse(Way.parse(argument:)))
    var newDevices: Choice<Way>?

    @Flag(inversion: .prefixedNo, help: "Give its devices addresses and names (DHCP, router advertisements, DNS).")
    var serve: Bool?

    @Flag(inversion: .prefixedNo, help: "Give its devices addresses.")
    var dhcp: Bool?

    @Flag(inversion: .prefixedNo, help: "Answer its devices' questions for names.")
    var dns: Bool?

    @Option(
        help: ArgumentHelp(
            "The addresses to give out, FIRST-LAST; any: worked out from the zone's own.", valueName: "range"),
        transform: Choice.parse(AddressRange.parse(argument:)))
    var range: Choice<AddressRange>?

    @Option(
        help: ArgumentHelp(
            "What becomes of questions for names that its devices ask elsewhere: answered (by the gateway), refused, allowed.",
            valueName: "what"))
    var strayDns: Zone.StrayNames?

    /// What is given, for the zone of that name.
    func change(of zone: String) -> SetZone {
        var change = SetZone(name: zone)
        if !interfaces.isEmpty {
            change.interfaces = interfaces.flatMap { $0.split(separator: ",") }.map(String.init).filter { $0 != "none" }
        }
        if !addresses.isEmpty { change.addresses = addresses.compactMap(\.self) }
        change.way = way
        change.newDevices = newDevices
        change.dhcp = dhcp ?? serve
        change.names = dns ?? serve
        change.range = range
        change.strayNames = strayDns
        return change
    }
}

extension Way: ExpressibleByArgument {}
extension Zone.StrayNames: ExpressibleByArgument {}
