// What has to hold of a policy before anything of it takes effect.

package import Address

extension Policy {
    /// Throws the first thing that is wrong with the policy and was not wrong with `former` already: a change answers for what
    /// it adds or alters, and nothing else may keep it from being made.
    ///
    /// What the machine lacks at the moment (an interface, an address) is no fault of a policy: `warnings(in:)` tells it.
    ///
    /// - Parameters:
    ///   - former: the policy in force; nil: everything is new.
    ///   - isNew: somebody asks for this now, so that it has to be sure who can reach what. False: it may be the way back to a
    ///     policy that was in force, which what the machine lacks or has since must not shut.
    package func check(in surroundings: Surroundings, since former: Policy? = nil, isNew: Bool? = nil) throws(Refusal) {
        let isNew = isNew ?? (former == nil)
        let faults = faults(in: surroundings, isNew: isNew, beyond: former)
        // Most policies have none, and the former one need not be looked through then.
        if faults.isEmpty { return }
        let known = Set(former?.faults(in: surroundings, isNew: isNew) ?? [])
        if let fault = faults.first(where: { !known.contains($0) }) { throw fault }
    }

    /// Everything that is wrong with the policy. The same fault reads the same in every policy that has it.
    ///
    /// - Parameter former: a policy whose faults do not matter; nil: all do.
    private func faults(in surroundings: Surroundings, isNew: Bool, beyond former: Policy? = nil) -> [Refusal] {
        var faults: [Refusal] = []
        func note(_ check: () throws(Refusal) -> Void) {
            do throws(Refusal) { try check() } catch { faults.append(error) }
        }
        for (index, zone) in zones.enumerated() {
            note { () throws(Refusal) in try check(zone, after: zones[..<index]) }
            note { () throws(Refusal) in try checkAddresses(of: zone, in: surroundings) }
            note { () throws(Refusal) in try checkService(of: zone) }
        }
        for (index, device) in devices.enumerated() {
            note { () throws(Refusal) in try checkFixedAddress(of: device, after: devices[..<index]) }
        }
        for (index, listener) in listeners.enumerated() {
            for other in listeners[..<index] where other.collides(with: listener) {
                faults.append(Self.taken(listener, by: other))
            }
            note { () throws(Refusal) in try check(listener, in: surroundings, isNew: isNew) }
        }
        var names: Set<String> = []
        // A user's hash takes a while to read, and nothing else decides whether it is a good one.
        for user in users.trimmed(against: former?.users ?? []).mine {
            note { () throws(Refusal) in try Self.check(user) }
        }
        for user in users {
            if !names.insert(user.name).inserted {
                faults.append(
                    Refusal("user \(user.name) exists twice; `gatehousectl user remove \(user.name)` and add it again"))
            }
        }
        var numbers: Set<Int> = []
        for rule in rules {
            if !numbers.insert(rule.id).inserted {
                faults.append(
                    Refusal(
                        "two rules have the number \(rule.id); remove one with `gatehousectl rule remove \(rule.id)`"))
            }
            note { () throws(Refusal) in try check(rule) }
        }
        var subjects: Set<Limit.Subject> = []
        for limit in limits {
            if !subjects.insert(limit.subject).inserted {
                faults.append(
                    Refusal(
                        "there are two limits for \(limit.subject); remove one with `gatehousectl limit remove "
                            + "\(limit.subject)`"))
            }
            note { () throws(Refusal) in try check(limit) }
        }
        for list in blocklists { note { () throws(Refusal) in try check(list) } }
        let namesakes = Dictionary(grouping: devices, by: \.name)
        for device in devices {
            note { () throws(Refusal) in try check(device, among: namesakes[device.name] ?? []) }
        }
        names = []
        for opening in openings {
            if !names.insert(opening.name).inserted { faults.append(Self.nameTaken(opening)) }
            note { () throws(Refusal) in try check(opening) }
        }
        for passage in passages { note { () throws(Refusal) in try check(passage) } }
        names = []
        for exit in exits {
            if !names.insert(exit.name).inserted { faults.append(Refusal("there are two exits \(exit.name)")) }
            note { () throws(Refusal) in try check(exit) }
        }
        for forward in forwards {
            note { () throws(Refusal) in try check(forward) }
            note { () throws(Refusal) in try checkIsFree(forward, in: surroundings) }
        }
        return faults
    }

    /// Throws what is wrong with the listener, wherever its address is at the moment.
    func check(_ listener: Listener, in surroundings: Surroundings, isNew: Bool = true) throws(Refusal) {
        let endpoint = listener.endpoint
        guard listener.kind.isProxy else {
            throw Refusal(
                "a listener for names follows from a zone that is served; `gatehousectl zone set home --serve` makes one for "
                    + "each address of the zone")
        }
        guard endpoint.port != 0 else {
            throw Refusal("\(endpoint) has the port 0; give a port from 1 to 65535")
        }
        guard endpoint.address == endpoint.address.unmapped else {
            // A socket for it would have to be one of both IP versions, and no listener's is.
            throw Refusal(
                "\(endpoint) is IPv4; write \(Endpoint(address: endpoint.address.unmapped, port: endpoint.port))")
        }
        guard endpoint.address.special != .linkLocal else {
            throw Refusal(
                "\(endpoint.address) is link-local and means nothing without its interface; use another address")
        }
        guard listener.interface == nil || listener.zone == nil else {
            throw Refusal("\(endpoint) is for one interface or for one zone; give either `--interface` or `--from`")
        }
        if let zone = listener.zone { try checkExists(zone: zone) }
        try checkSOCKS(listener)
        try checkClients(of: listener)
        // Networks that it serves are no confinement: a source address is easily forged.
        if listener.authentication == .none, !isConfined(listener, in: surroundings, isNew: isNew) {
            throw Refusal(
                "\(listener.kind.rawValue) on \(endpoint) without a password could be used by anybody on the internet; "
                    + "add `--auth required`, or say where its clients are, with `--from home`")
        }
    }

    /// Whether nobody but the gateway itself and zones other than the internet can reach the listener. An interface that is in
    /// no zone is not trusted to lead anywhere else.
    ///
    /// - Parameter isNew: false: an address that is nowhere, or on an interface in no zone, confines as well, for there nothing
    ///   is opened without a password (`interfaces(of:in:)`).
    package func isConfined(_ listener: Listener, in surroundings: Surroundings, isNew: Bool = true) -> Bool {
        if listener.endpoint.address.unmapped.isLoopback { return true }
        if let zone = listener.zone { return zone != Zone.internet && self.zone(named: zone) != nil }
        guard let interfaces = holders(of: listener, in: surroundings) else { return false }
        let isSpared = !isNew && listener.place == .anywhere && !lan.isEmpty
        if interfaces.isEmpty { return isSpared }
        return interfaces.allSatisfy { name in
            if name == "lo" { return true }
            guard let zone = zone(of: name) else { return isSpared }
            return zone.name != Zone.internet
        }
    }

    /// An opening or a listener that names an interface stays with it. Where that comes into another zone, it would be open to
    /// others than it was made for. Asked of a change of zones, not of the way back to a policy that was in force.
    func checkMoves(since former: Policy) throws(Refusal) {
        for (name, was, now) in moves(since: former) where was != Zone.internet && now != Zone.home {
            if let opening = openings.first(where: { $0.place == .interface(name) && former.openings.contains($0) }) {
                throw Refusal(
                    "\(name) moves from \(was) to \(now), and the opening \(opening.name) names it, which would then be one "
                        + "to \(now); first `gatehousectl firewall close \(opening.name)`, and open it again with "
                        + "`--from \(was)`")
            }
            if let listener = listeners.first(where: { $0.interface == name && former.listeners.contains($0) }) {
                throw Refusal(
                    "\(name) moves from \(was) to \(now), and the \(listener.kind.rawValue) listener on "
                        + "\(listener.endpoint) names it, which would then be one for \(now); first "
                        + "`gatehousectl listener set \(listener.endpoint) --from \(was)`")
            }
        }
    }

    /// The interfaces that were in a zone and are in another one now.
    private func moves(since former: Policy) -> [(interface: String, was: String, now: String)] {
        former.zones.flatMap { zone in
            zone.interfaces.compactMap { name in
                guard let now = self.zone(of: name), now.name != zone.name else { return nil }
                return (name, zone.name, now.name)
            }
        }
    }

    // MARK: what a new thing must find on this machine

    /// Throws if the machine does not have what the listener names. Asked of a new one: later it is a warning.
    func checkIsThere(_ listener: Listener, in surroundings: Surroundings) throws(Refusal) {
        let address = listener.endpoint.address
        if let name = listener.interface { try Self.checkExists(name, in: surroundings) }
        // The whole of 127.0.0.0/8 is the machine's own; the kernel lists one address of it.
        if address.isUnspecified || address.isLoopback && (listener.interface ?? "lo") == "lo" { return }
        guard let name = listener.interface else {
            if surroundings.interface(holding: address) != nil { return }
            let all = surroundings.interfaces.flatMap(\.addresses).map { "\($0.address)" }
            throw Refusal("no interface holds \(address); this machine has \(listed(all))")
        }
        guard let holder = surroundings.interface(named: name), !holder.holds(address) else { return }
        let held = holder.addresses.map { "\($0.address)" }
        throw Refusal("\(name) does not hold \(address); it has \(held.isEmpty ? "no address" : listed(held))")
    }

    static func checkExists(_ interface: String, in surroundings: Surroundings) throws(Refusal) {
        guard surroundings.interface(named: interface) != nil else {
            throw Refusal(
                "there is no interface \(interface.isEmpty ? "without a name" : interface); this machine has "
                    + "\(listed(surroundings.interfaces.map(\.name)))")
        }
    }

    // MARK: the single things

    private func check(_ zone: Zone, after others: ArraySlice<Zone>) throws(Refusal) {
        try Self.checkName(ofZone: zone.name)
        guard !others.contains(where: { $0.name == zone.name }) else {
            throw Refusal("there are two zones \(zone.name); remove one with `gatehousectl zone remove \(zone.name)`")
        }
        for name in zone.interfaces {
            // dev_valid_name in the kernel; and `lo` is the gateway itself.
            guard (1...15).contains(name.utf8.count), name.utf8.allSatisfy({ (0x21...0x7e).contains($0) }),
                !name.contains("/"), !name.contains(":"), name != "." && name != ".."
            else { throw Refusal("\(name.isEmpty ? "an empty text" : name) is no name of an interface") }
            guard name != "lo" else {
                throw Refusal("lo leads nowhere but to the gateway itself, and is in no zone; leave it out")
            }
            guard let other = others.first(where: { $0.interfaces.contains(name) }) else { continue }
            throw Refusal(
                "\(name) cannot be in the zones \(other.name) and \(zone.name) at once; take it from one of them with "
                    + "`gatehousectl zone set \(other.name)` first")
        }
    }

    /// A zone's name is never taken for anything else that says from where.
    static func checkName(ofZone name: String) throws(Refusal) {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let isName =
            name.utf8.first.map(letters.contains) == true && name.utf8.count <= 32
            && name.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == 0x2d || $0 == 0x5f }
        guard isName, !["anywhere", "any", "none", "all", "lo"].contains(name) else {
            throw Refusal(
                "\(name.isEmpty ? "an empty text" : name) is no name for a zone: a letter, then letters, digits, `-` and "
                    + "`_`, like `guest`")
        }
    }

    func checkExists(zone name: String) throws(Refusal) {
        guard zone(named: name) != nil else {
            throw Refusal("there is no zone \(name); the zones are \(listed(zones.map(\.name)))")
        }
    }

    private static func check(_ user: User) throws(Refusal) {
        try checkName(ofUser: user.name)
        guard PasswordHash(user.passwordHash) != nil else {
            throw Refusal(
                "the password hash of user \(user.name) is malformed; set it with `gatehousectl user passwd`")
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
        // One with a right-to-left override looks like another's wherever it is shown (Unicode Technical Report 36 §2).
        if let invisible = name.unicodeScalars.first(where: { $0.properties.generalCategory == .format }) {
            let number = String(invisible.value, radix: 16, uppercase: true)
            throw Refusal(
                "a user's name has no character that cannot be seen, and this one has U+\(number); leave it out")
        }
    }

    /// What both protocols can carry: RFC 1929 §2 (length), RFC 7617 §2 (no control characters); and what nobody guesses soon, as far as
    /// a length can say that (NIST SP 800-63B §5.1.1.1).
    ///
    /// - Parameter isWeak: the operator wants it, however short it is.
    package static func checkPassword(_ password: String, isWeak: Bool = false) throws(Refusal) {
        guard isWeak || password.count >= 8 || password.isEmpty else {
            throw Refusal(
                "the password has \(password.count) character\(password.count == 1 ? "" : "s"), and 8 are the least that "
                    + "is not soon guessed; choose a longer one, or insist with `--weak`")
        }
        guard (1...255).contains(password.utf8.count) else {
            throw Refusal("a password has 1 to 255 bytes, this one has \(password.utf8.count)")
        }
        guard !password.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw Refusal("a password has no control character")
        }
    }

    func check(_ opening: Opening) throws(Refusal) {
        guard !opening.name.isEmpty, opening.name.utf8.count <= 32,
            opening.name.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else {
            throw Refusal("an opening's name is 1 to 32 letters, digits or signs without a space, like `ssh`")
        }
        guard !opening.services.isEmpty else {
            throw Refusal("the opening \(opening.name) lets nothing in; name a port or a protocol")
        }
        for (index, service) in opening.services.enumerated() {
            if opening.services[..<index].contains(service) {
                throw Refusal("the opening \(opening.name) names \(service) twice")
            }
            guard case .other(let number) = service else { continue }
            switch number.number {
            case 6, 17:
                throw Refusal("\(number) has ports; name them with `--\(number) PORT` (1-65535 are all of them)")
            case 1, 58:
                throw Refusal("\(number) is let in as IP needs it, and beyond that in no opening")
            default: break
            }
        }
        if case .zone(let name) = opening.place { try checkExists(zone: name) }
        if let source = opening.source { try Self.checkMatches(source) }
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

extension Listener {
    /// Whether the kernel would refuse to bind both (EADDRINUSE): the same port, one address that covers the other, and no two
    /// interfaces that keep them apart (SO_BINDTODEVICE, socket(7)).
    package func collides(with other: Listener) -> Bool {
        // The endpoint is what a listener is known by.
        if endpoint != other.endpoint, let interface, let its = other.interface, interface != its { return false }
        return endpoint.collides(with: other.endpoint)
    }
}

extension Endpoint {
    /// The same port, and one address covers the other.
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
