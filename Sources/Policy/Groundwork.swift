package import Address

/// What the machine itself has to be like, beside its table, so that a policy can be carried out.
package struct Groundwork: Hashable, Sendable {
    /// A value under /proc/sys.
    package struct Setting: Hashable, Sendable {
        /// Its path there.
        package var name: String
        package var wish: Wish

        package init(_ name: String, _ wish: Wish) {
            self.name = name
            self.wish = wish
        }
    }

    package enum Wish: Hashable, Sendable {
        case exactly(Int)
        /// What is higher already stays.
        case atLeast(Int)
        /// Only where it is `value`.
        case replacing(_ value: Int, with: Int)

        /// What takes the place of `value`; nil: it is as it is to be.
        package func successor(of value: Int) -> Int? {
            switch self {
            case .exactly(let wanted): value == wanted ? nil : wanted
            case .atLeast(let wanted): value >= wanted ? nil : wanted
            case .replacing(let former, let wanted): value == former ? wanted : nil
            }
        }
    }

    /// An address that the gateway gives to an interface.
    package struct Assignment: Hashable, Sendable, Codable {
        package var interface: String
        package var address: InterfaceAddress

        package init(interface: String, address: InterfaceAddress) {
            self.interface = interface
            self.address = address
        }
    }

    /// In the order in which they are made; they are taken back in the opposite one.
    package var settings: [Setting] = []
    package var assignments: [Assignment] = []

    package init() {}
}

extension Surroundings {
    /// The machine without the addresses that `former` gives, and with those that `latter` gives.
    package mutating func exchange(_ former: [Groundwork.Assignment], for latter: [Groundwork.Assignment]) {
        for index in interfaces.indices {
            let name = interfaces[index].name
            func given(_ assignments: [Groundwork.Assignment]) -> [InterfaceAddress] {
                assignments.filter { $0.interface == name }.map(\.address)
            }
            let (old, new) = (given(former), given(latter))
            interfaces[index].addresses.removeAll { old.contains($0) && !new.contains($0) }
            interfaces[index].addresses += new.filter { !interfaces[index].addresses.contains($0) }
        }
    }
}

extension Policy {
    /// What the machine has to be like for this policy.
    ///
    /// - Parameter isEnforced: the kernel holds the ruleset; without it nothing is passed on, and nothing is set for that.
    package func groundwork(in surroundings: Surroundings, isEnforced: Bool) -> Groundwork {
        var work = Groundwork()
        for zone in zones {
            guard let interface = zone.interfaces.first, surroundings.interface(named: interface) != nil else {
                continue
            }
            work.assignments += zone.addresses.map { .init(interface: interface, address: $0) }
        }
        // A router's own advertisements come back to it, and where nothing is passed on the kernel takes addresses by them: so it
        // kept a prefix alive that the provider had taken away.
        let advertising = Set(
            zones.filter { $0.name != Zone.internet && $0.service?.dhcp == true }.flatMap(\.interfaces).filter {
                surroundings.interface(named: $0) != nil
            })
        work.settings += advertising.sorted().map { .init("net/ipv6/conf/\($0)/accept_ra", .exactly(0)) }
        guard isEnforced else { return work }
        // The relays learn from a connection's mark which device it is (tcp_fwmark_accept, ip-sysctl).
        work.settings.append(.init("net/ipv4/tcp_fwmark_accept", .exactly(1)))
        guard isRouter else { return work }
        let present = zones.map { zone in
            (zone, zone.interfaces.filter { surroundings.interface(named: $0) != nil })
        }
        // An interface of a router takes no router advertisements unless it says 2, and the kernel drops the routes it has by
        // them when forwarding is switched on: so this comes first. 0 stays: the network manager does it all itself.
        for name in present.filter({ $0.0.name == Zone.internet }).flatMap(\.1) {
            work.settings.append(.init("net/ipv6/conf/\(name)/accept_ra", .replacing(1, with: 2)))
        }
        for name in present.filter({ $0.0.name != Zone.internet }).flatMap(\.1) {
            // Nobody in the home is our router.
            if !advertising.contains(name) {
                work.settings.append(.init("net/ipv6/conf/\(name)/accept_ra", .exactly(0)))
            }
            work.settings.append(.init("net/ipv4/conf/\(name)/rp_filter", .exactly(1)))
        }
        work.settings += [
            .init("net/netfilter/nf_conntrack_acct", .exactly(1)),
            .init("net/netfilter/nf_conntrack_timestamp", .exactly(1)),
            .init("net/netfilter/nf_conntrack_max", .atLeast(65_536)),
        ]
        // IPv4 is passed on only between interfaces of zones; IPv6 knows one switch for all (ip-sysctl, forwarding).
        for name in present.flatMap(\.1) {
            work.settings.append(.init("net/ipv4/conf/\(name)/forwarding", .exactly(1)))
        }
        work.settings.append(.init("net/ipv6/conf/all/forwarding", .exactly(1)))
        return work
    }
}
