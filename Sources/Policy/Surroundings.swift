package import Address

/// The facts about the machine on which decisions depend, as the supervisor read them from the kernel.
package struct Surroundings: Codable, Hashable, Sendable {
    package struct Interface: Codable, Hashable, Sendable {
        package var name: String
        /// Each address with the prefix of its network. Not the network alone: the address's host bits are kept.
        package var addresses: [InterfaceAddress]
        /// nil: it has none, like a loopback, PPP or WireGuard interface.
        package var hardware: HardwareAddress?
        package var isLoopback: Bool
        /// Whether it is switched on (IFF_UP, netdevice(7)).
        package var isUp: Bool
        /// Whether there is somebody at its other end: a cable, an access point (IFF_RUNNING, netdevice(7)).
        package var hasCarrier: Bool
        /// Whether packets for everywhere leave by it, in either IP version.
        package var hasDefaultRoute: Bool
        /// Whether packets of IPv6 do.
        package var leadsOutByIPv6: Bool
        /// The longest packet that it carries, in bytes; nil: not known.
        package var mtu: Int?
        /// `bridge`, `wireguard`, `veth`; nil: a card of its own.
        package var driver: String?

        package init(
            name: String, addresses: [InterfaceAddress], hardware: HardwareAddress? = nil, isLoopback: Bool = false,
            isUp: Bool = true, hasCarrier: Bool = true, hasDefaultRoute: Bool = false,
            leadsOutByIPv6: Bool = false, mtu: Int? = nil, driver: String? = nil
        ) {
            self.name = name
            self.addresses = addresses
            self.hardware = hardware
            self.isLoopback = isLoopback
            self.isUp = isUp
            self.hasCarrier = hasCarrier
            self.hasDefaultRoute = hasDefaultRoute
            self.leadsOutByIPv6 = leadsOutByIPv6
            self.mtu = mtu
            self.driver = driver
        }
    }

    package var interfaces: [Interface]
    /// The devices that were seen in the zones.
    package var household: Household
    /// The clock on the wall.
    package var clock: LocalClock
    /// The accounts on which the machine's programs run.
    package var accounts: LocalAccounts
    /// Whom the machine's programs ask for names.
    package var nameServers: [IPAddress]
    /// How many sessions a proxy of this machine has the memory for; nil: not known.
    package var capacity: Int?

    package init(
        interfaces: [Interface] = [], household: Household = Household(), clock: LocalClock = .utc,
        accounts: LocalAccounts = LocalAccounts(), nameServers: [IPAddress] = [],
        capacity: Int? = nil
    ) {
        self.interfaces = interfaces
        self.household = household
        self.clock = clock
        self.accounts = accounts
        self.nameServers = nameServers
        self.capacity = capacity
    }

    package func interface(named name: String) -> Interface? {
        interfaces.first { $0.name == name }
    }

    /// The interface that holds `address`.
    package func interface(holding address: IPAddress) -> Interface? {
        interfaces.first { $0.holds(address) }
    }

    /// The networks on which `interfaces` are, those of link-local addresses left out.
    package func networks(of interfaces: [String]) -> [Network] {
        self.interfaces.filter { interfaces.contains($0.name) }.flatMap(\.addresses)
            .filter { $0.address.special != .linkLocal }
            .map(\.network)
    }
}

extension Surroundings.Interface {
    package func holds(_ address: IPAddress) -> Bool { addresses.contains { $0.address == address } }

    /// Whether a cable or a radio could be behind it, and with it the internet or a home. A bridge or a tunnel made on this
    /// machine (Docker's, libvirt's, a VPN's) leads nowhere by itself.
    package var isOwnDoor: Bool {
        !isLoopback && !["bridge", "tun", "wireguard", "dummy", "ifb"].contains(driver ?? "")
    }
}
