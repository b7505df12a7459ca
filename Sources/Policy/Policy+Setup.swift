package import Address

extension Policy {
    /// Makes this machine a gateway in one step: both proxies on the LAN interface's IPv4 address, everything else shut.
    /// Doing it again changes nothing; doing it after the LAN's address or interface changed moves the two listeners
    /// along, and the opening `ssh`.
    ///
    /// - Parameters:
    ///   - wan: nil leaves what is known of the WAN as it is.
    ///   - allowSSH: opens TCP port 22, on the LAN interface only.
    package mutating func setup(
        lan interface: String, wan: String?, allowSSH: Bool, surroundings: Surroundings
    ) throws(Refusal) {
        try Self.checkExists(interface, in: surroundings)
        if let wan { try Self.checkExists(wan, in: surroundings) }
        guard interface != wan else {
            throw Refusal(
                "\(interface) cannot be LAN and WAN at once; give `--lan` and `--wan` two different interfaces")
        }
        guard let address = surroundings.interfaces.first(where: { $0.name == interface })?.firstIPv4 else {
            throw Refusal("\(interface) has no IPv4 address yet; give it one, then run `gatehousectl setup` again")
        }
        var changed = self
        changed.lan = [interface]
        changed.wan = wan.map { [$0] } ?? self.wan.filter { $0 != interface }
        changed.firewall = .enforce
        for (kind, port) in [(Listener.Kind.socks5, UInt16(1080)), (.http, 3128)] {
            let endpoint = Endpoint(address: address, port: port)
            try changed.place(
                Listener(kind: kind, endpoint: endpoint, interface: interface), insteadOf: Set(lan + [interface]))
        }
        try changed.placeSSH(on: interface, insteadOf: lan, isWanted: allowSSH, in: surroundings)
        try changed.check(in: surroundings)
        self = changed
    }

    /// Moves the opening that an earlier setup made, or makes one. Left behind, it might be one to the WAN.
    private mutating func placeSSH(
        on interface: String, insteadOf formerLAN: [String], isWanted: Bool, in surroundings: Surroundings
    ) throws(Refusal) {
        guard let index = openings.firstIndex(where: { $0.name == "ssh" }) else {
            guard isWanted else { return }
            return try open(Opening(name: "ssh", .ssh, from: .interface(interface)), in: surroundings)
        }
        openings[index] = openings[index].moved(to: interface, insteadOf: formerLAN)
        let there = openings[index]
        if isWanted, !there.isSSH || self.interfaces(at: there.place)?.contains(interface) == false {
            throw Refusal(
                "the opening ssh is for \(there.what) from \(there.place), and does not let SSH in on \(interface); "
                    + "`gatehousectl firewall close ssh`, then run `gatehousectl setup` again")
        }
    }

    /// Puts a listener in the place of the one that an earlier setup made, which keeps whom it serves and
    /// how: moved, it must not be open to more people than before.
    private mutating func place(_ listener: Listener, insteadOf interfaces: Set<String>) throws(Refusal) {
        var listener = listener
        if let there = listeners.first(where: { $0.endpoint == listener.endpoint && $0.kind == listener.kind }),
            there.interface == listener.interface
        {
            return
        }
        let isEarlier = { (other: Listener) in
            other.kind == listener.kind && other.endpoint.port == listener.endpoint.port
                && other.interface.map(interfaces.contains) == true
        }
        if let earlier = listeners.first(where: isEarlier) {
            let (endpoint, interface) = (listener.endpoint, listener.interface)
            listener = earlier
            listener.endpoint = endpoint
            listener.interface = interface
        }
        listeners.removeAll(where: isEarlier)
        for other in listeners where other.endpoint.collides(with: listener.endpoint) {
            throw Self.taken(listener, by: other)
        }
        listeners.append(listener)
    }
}

extension Opening {
    fileprivate var isSSH: Bool { services == [.ssh] }

    /// What becomes of it when a setup makes `interface` the LAN: the opening `ssh` on a former one moves along.
    package func moved(to interface: String, insteadOf formerLAN: [String]) -> Opening {
        guard name == "ssh", isSSH, case .interface(let former) = place, formerLAN.contains(former) else { return self }
        var moved = self
        moved.place = .interface(interface)
        return moved
    }
}

extension Surroundings.Interface {
    /// The interface's first IPv4 address that is not link-local.
    package var firstIPv4: IPAddress? {
        addresses.lazy.map(\.address).first {
            if case .v4 = $0 { $0.special != .linkLocal } else { false }
        }
    }
}
