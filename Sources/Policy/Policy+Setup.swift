package import Address

extension Policy {
    /// Makes this machine a gateway in one step: both proxies on the home interface's address, for the home, and everything
    /// else shut. Doing it again changes nothing; doing it after the home's address or interface changed moves all
    /// listeners of the old address along.
    ///
    /// - Parameters:
    ///   - wan: nil leaves what is known of the internet as it is.
    ///   - allowSSH: opens TCP port 22, to the home only.
    ///   - given: the address that the gateway is to give to the home's interface; nil: the one that it has, or has from the
    ///     gateway already, and else one of a network that is free.
    ///   - serves: whether the home's devices are given addresses and names; nil: as it is.
    ///   - isForced: takes the sides as they are given, against what the default route says.
    package mutating func setup(
        lan interface: String, wan: String?, allowSSH: Bool, address given: InterfaceAddress? = nil,
        serves: Bool? = nil, isForced: Bool = false, surroundings: Surroundings
    ) throws(Refusal) {
        try Self.checkSides(lan: interface, wan: wan, isForced: isForced, in: surroundings)
        var changed = self
        changed.bind(interface, to: Zone.home)
        if let wan { changed.bind(wan, to: Zone.internet) }
        let former = zone(named: Zone.home)?.addresses ?? []
        let address = try changed.placeHome(on: interface, given, serves: serves, in: surroundings)
        changed.firewall = .enforce
        // Addresses that the gateway gives no longer are still there, and go with the change.
        let gone = former.filter { changed.zone(named: Zone.home)?.addresses.contains($0) == false }
        var later = surroundings
        for index in later.interfaces.indices { later.interfaces[index].addresses.removeAll(where: gone.contains) }
        changed.moveListeners(to: address, on: interface, from: lan, in: later)
        for (kind, port) in [(Listener.Kind.socks5, UInt16(1080)), (.http, 3128)] {
            let listener = Listener(kind: kind, endpoint: Endpoint(address: address, port: port), zone: Zone.home)
            if let other = changed.listeners.first(where: { $0.collides(with: listener) }) {
                guard other.kind == kind, other.endpoint == listener.endpoint else {
                    throw Self.taken(listener, by: other)
                }
            } else {
                changed.listeners.append(listener)
            }
        }
        try changed.placeSSH(on: interface, insteadOf: lan, isWanted: allowSSH, in: surroundings)
        try changed.check(in: surroundings, since: self, isNew: true)
        try changed.checkMoves(since: self)
        self = changed
    }

    /// Gives the home its address and its service.
    ///
    /// - Returns: the address for the proxies.
    private mutating func placeHome(
        on interface: String, _ given: InterfaceAddress?, serves: Bool?, in surroundings: Surroundings
    ) throws(Refusal) -> IPAddress {
        guard let index = zones.firstIndex(where: { $0.name == Zone.home }) else {
            throw Refusal("there is no zone home")
        }
        let present = surroundings.interface(named: interface)?.ownAddress
        // Of a box with one interface the network that it is in is the router's, and no other would lead anywhere.
        if wan.isEmpty, given != nil || present == nil {
            throw Refusal("\(interface) has no address yet; give it one, then run `gatehousectl setup` again")
        }
        if let given {
            zones[index].addresses.removeAll { $0.address.isIPv6 == given.address.isIPv6 }
            zones[index].addresses.insert(given, at: 0)
        } else if present == nil, zones[index].addresses.isEmpty {
            zones[index].addresses = [surroundings.freeNetwork]
        }
        switch serves {
        case true?:
            // A range and the like are kept.
            zones[index].service = zones[index].service ?? Zone.Service()
            zones[index].service?.dhcp = true
            zones[index].service?.names = true
        case false?: zones[index].service = nil
        case nil: break
        }
        return given?.address ?? present ?? zones[index].addresses[0].address
    }

    /// Throws if the home can hardly be behind `lan`, or the internet behind `wan`.
    private static func checkSides(
        lan: String, wan: String?, isForced: Bool, in surroundings: Surroundings
    ) throws(Refusal) {
        for name in [lan, wan].compactMap(\.self) {
            try checkExists(name, in: surroundings)
            guard name != "lo", surroundings.interface(named: name)?.isLoopback != true else {
                throw Refusal(
                    "\(name) leads to nobody but this machine itself; name the interface behind which the home is")
            }
        }
        guard lan != wan else {
            throw Refusal("\(lan) cannot be LAN and WAN at once; give `--lan` and `--wan` two different interfaces")
        }
        guard !isForced, let other = surroundings.internetInstead(of: lan, wan: wan) else { return }
        throw Refusal(
            "\(lan) carries the default route, so the internet is behind it and not the home, it seems: "
                + "`gatehousectl setup --home \(other) --internet \(lan)`; if the sides are right all the same, add `--force`"
        )
    }

    /// Puts `interface` into a zone and takes it from any other. A zone that has it already keeps its others; one that has
    /// not gives them up, since a machine that is set up anew has other interfaces.
    private mutating func bind(_ interface: String, to zone: String) {
        for index in zones.indices where zones[index].name != zone {
            zones[index].interfaces.removeAll { $0 == interface }
        }
        guard !interfaces(of: zone).contains(interface) else { return }
        setInterfaces([interface], of: zone)
    }

    /// Moves every listener on an address that an earlier setup used and that no interface of the home has any more, whoever
    /// added it. Each keeps whom it serves and how.
    private mutating func moveListeners(
        to address: IPAddress, on interface: String, from former: [String], in surroundings: Surroundings
    ) {
        let isEarlier = { (listener: Listener) in
            listener.isMade(bySetup: .socks5, 1080, of: former + [interface])
                || listener.isMade(bySetup: .http, 3128, of: former + [interface])
        }
        let home = surroundings.interfaces.filter { interfaces(of: Zone.home).contains($0.name) }
        let old = Set(listeners.filter(isEarlier).map(\.endpoint.address)).filter { address in
            !home.contains { $0.holds(address) }
        }
        for index in listeners.indices {
            let listener = listeners[index]
            let isOld = old.contains(listener.endpoint.address)
            if isOld { listeners[index].endpoint.address = address }
            if isEarlier(listener), isOld || listener.endpoint.address == address {
                listeners[index].interface = nil
                listeners[index].zone = Zone.home
            } else if isOld, let name = listener.interface, former.contains(name) {
                listeners[index].interface = interface
            }
        }
    }

    /// Moves the opening that an earlier setup made, or makes one.
    private mutating func placeSSH(
        on interface: String, insteadOf formerLAN: [String], isWanted: Bool, in surroundings: Surroundings
    ) throws(Refusal) {
        guard let index = openings.firstIndex(where: { $0.name == "ssh" }) else {
            guard isWanted else { return }
            return try open(Opening(name: "ssh", .ssh, from: .zone(Zone.home)), in: surroundings)
        }
        openings[index] = openings[index].moved(insteadOf: formerLAN)
        let there = openings[index]
        if isWanted, !there.isSSH || interfaces(at: there.place)?.contains(interface) == false {
            throw Refusal(
                "the opening ssh is for \(there.what) from \(there.place), and does not let SSH in on \(interface); "
                    + "`gatehousectl firewall close ssh`, then run `gatehousectl setup` again")
        }
    }
}

extension Listener {
    /// Whether a setup made it, for one of these interfaces or for the home.
    fileprivate func isMade(bySetup kind: Kind, _ port: UInt16, of interfaces: [String]) -> Bool {
        guard self.kind == kind, endpoint.port == port else { return false }
        return zone == Zone.home || interface.map(interfaces.contains) == true
    }
}

extension Opening {
    fileprivate var isSSH: Bool { services == [.ssh] }

    /// What a setup makes of it: the opening `ssh` on an interface that was the home's becomes one for the home. Left behind, it
    /// might be one to the internet.
    package func moved(insteadOf formerLAN: [String]) -> Opening {
        guard name == "ssh", isSSH, case .interface(let former) = place, formerLAN.contains(former) else { return self }
        var moved = self
        moved.place = .zone(Zone.home)
        return moved
    }
}

extension Surroundings {
    /// Where the home rather is, if `lan` leads to the internet, it seems: an interface without the default route, while `lan`
    /// has it. nil if the sides may be as they are given.
    package func internetInstead(of lan: String, wan: String?) -> String? {
        guard interface(named: lan)?.hasDefaultRoute == true else { return nil }
        if let wan { return interface(named: wan)?.hasDefaultRoute == true ? nil : wan }
        return interfaces.first { $0.name != lan && $0.isOwnDoor && $0.hasCarrier && !$0.hasDefaultRoute }?.name
    }
}

extension Surroundings.Interface {
    /// The address on which the proxies listen: the first IPv4 one, which every device can use; without it an IPv6 one, first
    /// of the home's own kind (RFC 4193), since the provider's may change. nil: all there are mean nothing beyond one link.
    package var ownAddress: IPAddress? {
        let usable = addresses.map(\.address).filter { $0.special != .linkLocal }
        return usable.first { if case .v4 = $0 { true } else { false } } ?? usable.first { $0.special == .privateRange }
            ?? usable.first
    }
}
