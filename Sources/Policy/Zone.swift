package import Address

/// A part of the world that the gateway tells apart by the network interfaces that lead there. An interface is in one zone at
/// most; one that is in none gets nothing.
package struct Zone: Codable, Hashable, Sendable {
    /// The zone of the home's own devices. It is always there, perhaps without an interface.
    package static let home = "home"
    /// The zone of everybody else. It is always there, perhaps without an interface.
    package static let internet = "internet"
    /// The zones of a policy that nobody has changed.
    package static let builtIn = [Zone(name: home), Zone(name: internet)]

    /// Unique: a letter, then letters, digits, `-` and `_`, all in lower case; 32 at most.
    package var name: String
    /// The interfaces by name, whether the machine has them at the moment or not.
    package var interfaces: [String]
    /// The addresses that the gateway itself gives to the first interface; empty: somebody else does.
    package var addresses: [InterfaceAddress]
    /// How devices are carried that have no way of their own. Of no meaning for the internet.
    package var way: Way
    /// How devices are carried about which nothing was decided; nil: like the others.
    package var newDevices: Way?
    /// What the gateway does for the zone's devices; nil: nothing.
    package var service: Service?

    /// Addresses and names for the devices of a zone.
    package struct Service: Codable, Hashable, Sendable {
        /// Whether devices are given addresses (DHCP, router advertisements).
        package var dhcp: Bool
        /// Whether the gateway answers their questions for names (DNS).
        package var names: Bool
        /// The IPv4 addresses that are given out; nil: worked out from the zone's own address.
        package var range: AddressRange?
        /// What becomes of questions that they ask other name servers.
        package var strayNames: StrayNames

        package init(
            dhcp: Bool = true, names: Bool = true, range: AddressRange? = nil, strayNames: StrayNames = .answered
        ) {
            self.dhcp = dhcp
            self.names = names
            self.range = range
            self.strayNames = strayNames
        }
    }

    /// What becomes of a question that a device of a served zone asks a name server elsewhere (port 53).
    package enum StrayNames: String, Codable, Hashable, Sendable, CaseIterable {
        /// The gateway answers in its place.
        case answered
        case refused
        case allowed
    }

    package init(
        name: String, interfaces: [String] = [], addresses: [InterfaceAddress] = [], way: Way = .routed,
        newDevices: Way? = nil, service: Service? = nil
    ) {
        self.name = name
        self.interfaces = interfaces
        self.addresses = addresses
        self.way = way
        self.newDevices = newDevices
        self.service = service
    }

    /// A copy that a version before kept has a zone from which nothing is routed.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        interfaces = try container.decode([String].self, forKey: .interfaces)
        addresses = try container.decodeIfPresent([InterfaceAddress].self, forKey: .addresses) ?? []
        way = try container.decodeIfPresent(Way.self, forKey: .way) ?? (name == Self.internet ? .routed : .proxy)
        newDevices = try container.decodeIfPresent(Way.self, forKey: .newDevices)
        service = try container.decodeIfPresent(Service.self, forKey: .service)
    }

    package var isBuiltIn: Bool { name == Self.home || name == Self.internet }
}

extension Zone.Service: CustomStringConvertible, LosslessStringConvertible {
    /// `dhcp, names, range 192.168.10.100-192.168.10.199, stray names refused`; what is as usual is left out.
    package init?(_ description: String) {
        self.init(dhcp: false, names: false)
        for part in description.split(separator: ",") {
            let words = part.split(separator: " ").map(String.init)
            switch words.first {
            case "dhcp" where words.count == 1: dhcp = true
            case "names" where words.count == 1: names = true
            case "range" where words.count == 2:
                guard let range = AddressRange(words[1]) else { return nil }
                self.range = range
            case "stray" where words.count == 3 && words[1] == "names":
                guard let stray = Zone.StrayNames(rawValue: words[2]) else { return nil }
                strayNames = stray
            default: return nil
            }
        }
    }

    package var description: String {
        let parts: [String?] = [
            dhcp ? "dhcp" : nil, names ? "names" : nil, range.map { "range \($0)" },
            strayNames == .answered ? nil : "stray names \(strayNames.rawValue)",
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

/// Where an opening or a listener is reachable from. Which interfaces that means is found out when a ruleset is made: a
/// zone without interfaces, or an interface that is missing, gives no rule.
package enum Place: Hashable, Sendable {
    /// Every interface.
    case anywhere
    /// The interfaces of the zone of that name.
    case zone(String)
    case interface(String)
}

extension Place: CustomStringConvertible, LosslessStringConvertible, Codable {
    /// `anywhere`, `interface:NAME`, or the name of a zone.
    package init?(_ description: String) {
        let prefix = "interface:"
        if description.hasPrefix(prefix) {
            let name = String(description.dropFirst(prefix.count))
            guard !name.isEmpty else { return nil }
            self = .interface(name)
        } else {
            guard !description.isEmpty, !description.contains(where: \.isWhitespace) else { return nil }
            self = description == "anywhere" ? .anywhere : .zone(description)
        }
    }

    package var description: String {
        switch self {
        case .anywhere: "anywhere"
        case .zone(let name): name
        case .interface(let name): "interface:\(name)"
        }
    }

    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}

extension Policy {
    /// The interfaces of the home.
    package var lan: [String] {
        get { interfaces(of: Zone.home) }
        set { setInterfaces(newValue, of: Zone.home) }
    }

    /// The interfaces that lead to the internet.
    package var wan: [String] {
        get { interfaces(of: Zone.internet) }
        set { setInterfaces(newValue, of: Zone.internet) }
    }

    package func zone(named name: String) -> Zone? { zones.first { $0.name == name } }

    /// The zone that `interface` is in; nil: none.
    package func zone(of interface: String) -> Zone? { zones.first { $0.interfaces.contains(interface) } }

    /// None if there is no such zone.
    package func interfaces(of zone: String) -> [String] { self.zone(named: zone)?.interfaces ?? [] }

    mutating func setInterfaces(_ interfaces: [String], of zone: String) {
        if let index = zones.firstIndex(where: { $0.name == zone }) {
            zones[index].interfaces = interfaces
        } else {
            zones.append(Zone(name: zone, interfaces: interfaces))
        }
    }

    /// The interfaces that `place` means; nil: every one there is.
    package func interfaces(at place: Place) -> [String]? {
        switch place {
        case .anywhere: nil
        case .zone(let name): interfaces(of: name)
        case .interface(let name): [name]
        }
    }

    /// The interfaces by which clients reach `listener`; nil: every one there is.
    ///
    /// Without a password a listener is never for the internet, and not for an interface that is in no zone, wherever its
    /// address turns up. Before anybody has told where the home is, no interface is in a zone yet.
    package func interfaces(of listener: Listener, in surroundings: Surroundings) -> [String]? {
        let interfaces = holders(of: listener, in: surroundings)
        if listener.authentication == .required || listener.place != .anywhere { return interfaces }
        return interfaces?.filter { name in
            guard let zone = zone(of: name) else { return name == "lo" || lan.isEmpty }
            return zone.name != Zone.internet
        }
    }

    /// Linux answers for an address on every interface (ip-sysctl, arp_filter: the weak host model), so an address alone is
    /// no place: a listener on one is for the interfaces that hold it.
    func holders(of listener: Listener, in surroundings: Surroundings) -> [String]? {
        let address = listener.endpoint.address.unmapped
        if listener.place == .anywhere, address.isLoopback { return ["lo"] }
        if listener.place == .anywhere, !address.isUnspecified {
            return surroundings.interfaces.filter { $0.holds(address) }.map(\.name)
        }
        return interfaces(at: listener.place)
    }

    /// The interface that the listener's socket is bound to (SO_BINDTODEVICE, socket(7)); nil: to none.
    ///
    /// Without a password a listener is bound wherever one interface is all that it is for, so that nobody reaches it by
    /// another while the firewall only observes.
    package func device(of listener: Listener, in surroundings: Surroundings) -> String? {
        if let interface = listener.interface { return interface }
        guard listener.authentication == .none, !listener.endpoint.address.unmapped.isLoopback,
            let interfaces = interfaces(of: listener, in: surroundings), interfaces.count < 2
        else { return nil }
        // For nobody, because its address is on the internet's side alone: for the machine itself.
        return interfaces.first ?? "lo"
    }

    /// Whether somebody on the internet could reach the opening.
    package func isOpenToInternet(_ opening: Opening) -> Bool {
        switch opening.place {
        case .anywhere: true
        case .zone(let name): name == Zone.internet
        case .interface(let name): zone(of: name)?.name == Zone.internet
        }
    }
}
