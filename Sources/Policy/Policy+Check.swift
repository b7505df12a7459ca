// What has to hold of a policy on this machine before anything of it takes effect.

package import Address

extension Policy {
    /// Throws the first thing that is wrong with the policy as a whole.
    package func check(in surroundings: Surroundings) throws(Refusal) {
        try checkInterfaces(in: surroundings)
        for (index, listener) in listeners.enumerated() {
            for other in listeners[..<index] where other.endpoint.collides(with: listener.endpoint) {
                throw Self.taken(listener, by: other)
            }
            try check(listener, in: surroundings)
        }
        for (index, user) in users.enumerated() {
            try Self.checkName(ofUser: user.name)
            guard PasswordHash(user.passwordHash) != nil else {
                throw Refusal(
                    "the password hash of user \(user.name) is malformed; set it with `gatehousectl user passwd`")
            }
            if users[..<index].contains(where: { $0.name == user.name }) {
                throw Refusal(
                    "user \(user.name) exists twice; `gatehousectl user remove \(user.name)` and add it again")
            }
        }
        for (index, rule) in rules.enumerated() {
            if rules[..<index].contains(where: { $0.id == rule.id }) {
                throw Refusal(
                    "two rules have the number \(rule.id); remove one with `gatehousectl rule remove \(rule.id)`")
            }
            try check(rule)
        }
        for (index, limit) in limits.enumerated() {
            if limits[..<index].contains(where: { $0.subject == limit.subject }) {
                throw Refusal(
                    "there are two limits for \(limit.subject); remove one with `gatehousectl limit remove "
                        + "\(limit.subject)`")
            }
            try check(limit)
        }
        for (index, opening) in openings.enumerated() {
            if openings[..<index].contains(where: { $0.name == opening.name }) { throw Self.nameTaken(opening) }
            try Self.check(opening, in: surroundings)
        }
    }

    /// Whether nobody but the gateway itself and the local network can reach the listener.
    package func isConfinedToLAN(_ listener: Listener, in surroundings: Surroundings) -> Bool {
        if listener.endpoint.address.unmapped.isLoopback { return true }
        if let interface = listener.interface { return lan.contains(interface) }
        let holders = surroundings.interfaces.filter { $0.holds(listener.endpoint.address.unmapped) }
        return !holders.isEmpty && holders.allSatisfy { lan.contains($0.name) }
    }

    func check(_ listener: Listener, in surroundings: Surroundings) throws(Refusal) {
        let endpoint = listener.endpoint
        guard endpoint.port != 0 else {
            throw Refusal("\(endpoint) has the port 0; give a port from 1 to 65535")
        }
        guard endpoint.address == endpoint.address.unmapped else {
            // A socket for it would have to be one of both IP versions, and no listener's is.
            throw Refusal(
                "\(endpoint) is IPv4; write \(Endpoint(address: endpoint.address.unmapped, port: endpoint.port))")
        }
        try checkSOCKS(listener)
        if let name = listener.interface { try Self.checkExists(name, in: surroundings) }
        try Self.checkHeld(endpoint.address.unmapped, by: listener.interface, in: surroundings)
        try checkClients(of: listener)
        // Networks that it serves are no confinement: a source address is easily forged.
        if listener.authentication == .none, !isConfinedToLAN(listener, in: surroundings) {
            throw Refusal(
                "\(listener.kind.rawValue) on \(endpoint) without a password could be used by anybody on the internet; "
                    + "add `--auth required`, or add the listener for a LAN interface, with `--interface` "
                    + (lan.isEmpty ? "(none is known yet: `gatehousectl setup --lan IF`)" : "(\(listed(lan)))"))
        }
    }

    private func checkInterfaces(in surroundings: Surroundings) throws(Refusal) {
        for name in zones.flatMap(\.interfaces) { try Self.checkExists(name, in: surroundings) }
        for (index, zone) in zones.enumerated() {
            for name in zone.interfaces {
                guard let other = zones[..<index].first(where: { $0.interfaces.contains(name) }) else { continue }
                throw Refusal(
                    "\(name) cannot be in the zones \(other.name) and \(zone.name) at once; give each its own interfaces"
                )
            }
        }
    }

    private static func checkHeld(
        _ address: IPAddress, by interface: String?, in surroundings: Surroundings
    ) throws(Refusal) {
        if address.special == .linkLocal {
            throw Refusal("\(address) is link-local and means nothing without its interface; use another address")
        }
        // The whole of 127.0.0.0/8 is the machine's own; the kernel lists one address of it.
        if address.isUnspecified || address.isLoopback && interface == nil { return }
        guard let interface else {
            if surroundings.interfaces.contains(where: { $0.holds(address) }) { return }
            let all = surroundings.interfaces.flatMap(\.addresses).map { "\($0.address)" }
            throw Refusal("no interface holds \(address); this machine has \(listed(all))")
        }
        guard let holder = surroundings.interfaces.first(where: { $0.name == interface }) else { return }
        guard holder.holds(address) else {
            let held = holder.addresses.map { "\($0.address)" }
            throw Refusal("\(interface) does not hold \(address); it has \(held.isEmpty ? "no address" : listed(held))")
        }
    }

    static func checkExists(_ interface: String, in surroundings: Surroundings) throws(Refusal) {
        guard surroundings.interfaces.contains(where: { $0.name == interface }) else {
            throw Refusal(
                "there is no interface \(interface); this machine has \(listed(surroundings.interfaces.map(\.name)))")
        }
    }

    /// RFC 1929 §2 (length) and RFC 7617 §2 (no colon, no control characters).
    package static func checkName(ofUser name: String) throws(Refusal) {
        guard (1...255).contains(name.utf8.count) else {
            throw Refusal("a user's name has 1 to 255 bytes, this one has \(name.utf8.count)")
        }
        guard !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: ":") }) else {
            throw Refusal("a user's name has no colon and no control character")
        }
    }

    /// What both protocols can carry: RFC 1929 §2 (length), RFC 7617 §2 (no control characters).
    package static func checkPassword(_ password: String) throws(Refusal) {
        guard (1...255).contains(password.utf8.count) else {
            throw Refusal("a password has 1 to 255 bytes, this one has \(password.utf8.count)")
        }
        guard !password.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw Refusal("a password has no control character")
        }
    }

    static func check(_ opening: Opening, in surroundings: Surroundings) throws(Refusal) {
        guard !opening.name.isEmpty, opening.name.utf8.count <= 32,
            opening.name.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw Refusal("an opening's name is 1 to 32 letters, digits or signs without a space, like `ssh`")
        }
        guard !opening.services.isEmpty else {
            throw Refusal("the opening \(opening.name) lets nothing in; name a port or a protocol")
        }
        if case .interface(let interface) = opening.place { try checkExists(interface, in: surroundings) }
    }

    static func taken(_ listener: Listener, by other: Listener) -> Refusal {
        let owner = other.endpoint == listener.endpoint ? "is taken by" : "is covered by"
        return Refusal(
            "\(listener.endpoint) \(owner) the \(other.kind.rawValue) listener on \(other.endpoint); choose another port, or "
                + "`gatehousectl listener remove \(other.endpoint)` first")
    }

    static func nameTaken(_ opening: Opening) -> Refusal {
        Refusal(
            "there is an opening \(opening.name) already; `gatehousectl firewall close \(opening.name)` first, or choose "
                + "another name")
    }
}

extension Endpoint {
    /// Whether the kernel would refuse to bind both (EADDRINUSE): the same port, and one address covers the other.
    package func collides(with other: Endpoint) -> Bool {
        guard port == other.port else { return false }
        let mine = address.unmapped
        let theirs = other.address.unmapped
        if mine == theirs { return true }
        switch (mine, theirs) {
        case (.v4, .v4), (.v6, .v6): return mine.isUnspecified || theirs.isUnspecified
        default: return false
        }
    }
}

/// `a, b and c`.
func listed(_ items: [String]) -> String {
    guard let last = items.last else { return "none" }
    return items.count == 1 ? last : items.dropLast().joined(separator: ", ") + " and " + last
}
