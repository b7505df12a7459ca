// What the operator can do to a policy. Each either changes it or throws a refusal and leaves it as it was; whether the
// result as a whole holds on this machine is `check(in:)`'s to say.

package import Address

extension Policy {
    package mutating func add(_ listener: Listener, in surroundings: Surroundings) throws(Refusal) {
        for other in listeners where other.collides(with: listener) { throw Self.taken(listener, by: other) }
        try checkIsThere(listener, in: surroundings)
        try check(listener, in: surroundings)
        listeners.append(listener)
    }

    /// Does what `edit` does to the listener there, which stays where it is.
    package mutating func changeListener(
        on endpoint: Endpoint, in surroundings: Surroundings, _ edit: (inout Listener) -> Void
    ) throws(Refusal) {
        let index = try indexOfListener(on: endpoint)
        // What is wrong with it already must not keep it from being shut.
        try change(in: surroundings) { policy in
            edit(&policy.listeners[index])
            policy.listeners[index].endpoint = endpoint
        }
    }

    @discardableResult
    package mutating func removeListener(on endpoint: Endpoint) throws(Refusal) -> Listener {
        listeners.remove(at: try indexOfListener(on: endpoint))
    }

    private func indexOfListener(on endpoint: Endpoint) throws(Refusal) -> Int {
        guard let index = listeners.firstIndex(where: { $0.endpoint == endpoint }) else {
            throw Refusal("no listener on \(endpoint); `gatehousectl listener list` shows what there is")
        }
        return index
    }

    package mutating func add(_ user: User) throws(Refusal) {
        try Self.checkName(ofUser: user.name)
        guard !users.contains(where: { $0.name == user.name }) else {
            throw Refusal(
                "there is a user \(user.name) already; `gatehousectl user passwd \(user.name)` gives a new password")
        }
        users.append(user)
    }

    package mutating func removeUser(named name: String) throws(Refusal) {
        let index = try indexOfUser(name)
        try checkIsUnnamed(name)
        users.remove(at: index)
    }

    package mutating func setPasswordHash(_ hash: String, ofUser name: String) throws(Refusal) {
        users[try indexOfUser(name)].passwordHash = hash
    }

    private func indexOfUser(_ name: String) throws(Refusal) -> Int {
        guard let index = users.firstIndex(where: { $0.name == name }) else {
            throw Refusal("no user \(name); `gatehousectl user list` shows who there is")
        }
        return index
    }

    /// Rules are tried in the order of their numbers, and a new one has the highest, so it is tried last. What a device is allowed
    /// that is held goes before the rule that denies it the rest, which gets the number behind.
    package mutating func add(_ rule: Rule) throws(Refusal) {
        var changed = self
        var last: Rule?
        if rule.action == .allow, rule.origin == .hand, let device = rule.device,
            let index = changed.rules.firstIndex(where: { $0.holds(device) })
        {
            last = changed.rules.remove(at: index)
        }
        try changed.check(rule)
        try changed.checkCanDecide(rule)
        changed.rules.append(rule)
        if var last {
            last.id = rule.id + 1
            changed.rules.append(last)
        }
        self = changed
    }

    @discardableResult
    package mutating func removeRule(_ id: Int) throws(Refusal) -> Rule {
        guard let index = rules.firstIndex(where: { $0.id == id }) else {
            throw Refusal("no rule \(id); `gatehousectl rule list` shows what there is")
        }
        return rules.remove(at: index)
    }

    /// In place of the limit for the same ones, if there is one.
    package mutating func set(_ limit: Limit) throws(Refusal) {
        try check(limit)
        if let index = limits.firstIndex(where: { $0.subject == limit.subject }) {
            limits[index] = limit
        } else {
            limits.append(limit)
        }
    }

    @discardableResult
    package mutating func removeLimit(for subject: Limit.Subject) throws(Refusal) -> Limit {
        guard let index = limits.firstIndex(where: { $0.subject == subject }) else {
            if subject == .eachClient {
                throw Refusal(
                    "the limit for client is the standard one; `gatehousectl limit set client --sessions none --rate none "
                        + "--handshakes none --lookups none --questions none` switches it off")
            }
            throw Refusal("no limit for \(subject); `gatehousectl limit list` shows what there is")
        }
        return limits.remove(at: index)
    }

    package mutating func open(_ opening: Opening, in surroundings: Surroundings) throws(Refusal) {
        guard !openings.contains(where: { $0.name == opening.name }) else { throw Self.nameTaken(opening) }
        var opening = opening
        opening.place = try place(of: opening, in: surroundings)
        try check(opening)
        openings.append(opening)
    }

    /// The place that is meant: a name that no zone has may be an interface's, and a network of one zone is no other zone's
    /// (an address alone is easily forged).
    private func place(of opening: Opening, in surroundings: Surroundings) throws(Refusal) -> Place {
        switch opening.place {
        case .zone(let name) where zone(named: name) == nil:
            guard surroundings.interface(named: name) != nil else {
                throw Refusal(
                    "there is no zone and no interface \(name); the zones are \(listed(zones.map(\.name))), the interfaces "
                        + listed(surroundings.interfaces.map(\.name)))
            }
            return .interface(name)
        case .interface(let name):
            try Self.checkExists(name, in: surroundings)
        case .anywhere:
            guard let source = opening.source else { break }
            let homes = zones.filter { zone in
                surroundings.networks(of: zone.interfaces).contains { $0.contains(source) }
            }
            if homes.count == 1 { return .zone(homes[0].name) }
        case .zone: break
        }
        return opening.place
    }

    @discardableResult
    package mutating func closeOpening(named name: String) throws(Refusal) -> Opening {
        guard let index = openings.firstIndex(where: { $0.name == name }) else {
            throw Refusal("no opening \(name); `gatehousectl firewall list` shows what there is")
        }
        return openings.remove(at: index)
    }

    /// Takes away every opening, forward and pause whose time is up.
    ///
    /// - Parameter now: seconds since 1970.
    /// - Returns: what an operator would have done: `firewall close ssh, web`, `device resume kid`.
    @discardableResult
    package mutating func closeExpired(at now: Int) -> [String] {
        let isOver = { (until: Int?) in until.map { $0 <= now } ?? false }
        let expired = [
            ("firewall close", openings.filter { isOver($0.until) }.map(\.name)),
            ("forward remove", forwards.filter { isOver($0.until) }.map(\.name)),
            ("device resume", endPauses(at: now)),
        ]
        openings.removeAll { isOver($0.until) }
        forwards.removeAll { isOver($0.until) }
        return expired.compactMap { verb, names in names.isEmpty ? nil : "\(verb) \(names.joined(separator: ", "))" }
    }

    /// When the next opening or forward closes by itself, in seconds since 1970; nil: none does.
    package var nextExpiry: Int? { (openings.compactMap(\.until) + forwards.compactMap(\.until)).min() }

    // MARK: zones

    package mutating func add(_ zone: Zone, in surroundings: Surroundings) throws(Refusal) {
        guard self.zone(named: zone.name) == nil else {
            throw Refusal(
                "there is a zone \(zone.name) already; `gatehousectl zone set \(zone.name)` gives it other interfaces")
        }
        try change(in: surroundings) { policy in
            policy.zones.append(zone)
            policy.zones.sort { $0.name < $1.name }
        }
    }

    /// Does what `edit` does to a zone. An interface that is called otherwise now, and is not there under its old name, keeps
    /// its listeners and openings.
    package mutating func changeZone(
        named name: String, in surroundings: Surroundings, _ edit: (inout Zone) -> Void
    ) throws(Refusal) {
        try checkExists(zone: name)
        guard let index = zones.firstIndex(where: { $0.name == name }) else { return }
        let former = zones[index]
        var changed = self
        try changed.change(in: surroundings) { policy in
            edit(&policy.zones[index])
            policy.zones[index].name = name
            let latter = policy.zones[index]
            let gone = former.interfaces.filter { !latter.interfaces.contains($0) }
            let new = latter.interfaces.filter { !former.interfaces.contains($0) }
            if gone.count == 1, new.count == 1, surroundings.interface(named: gone[0]) == nil,
                surroundings.interface(named: new[0]) != nil
            {
                policy.rename(interface: gone[0], to: new[0])
            }
        }
        let latter = changed.zones[index]
        let isAsBefore = former.service == latter.service && former.addresses == latter.addresses
        if !isAsBefore { try changed.checkIsServable(latter, in: surroundings) }
        self = changed
    }

    package mutating func removeZone(named name: String, in surroundings: Surroundings) throws(Refusal) {
        try checkExists(zone: name)
        guard name != Zone.home, name != Zone.internet else {
            throw Refusal(
                "the zone \(name) is always there; `gatehousectl zone set \(name) --interface none` empties it")
        }
        if let opening = openings.first(where: { $0.place == .zone(name) }) {
            throw Refusal(
                "the opening \(opening.name) is for the zone \(name); `gatehousectl firewall close \(opening.name)` first"
            )
        }
        if let listener = listeners.first(where: { $0.zone == name }) {
            throw Refusal(
                "the listener on \(listener.endpoint) is for the zone \(name); `gatehousectl listener remove "
                    + "\(listener.endpoint)` first, or give it another zone with `gatehousectl listener set`")
        }
        if let passage = passages.first(where: { $0.from == name || $0.to == name }) {
            throw Refusal(
                "there is a passage \(passage.ends); `gatehousectl zone deny \(passage.ends)` first")
        }
        if let list = blocklists.first(where: { $0.zone == name }) {
            throw Refusal(
                "the blocklist \(list.name) is for the zone \(name); `gatehousectl blocklist remove \(list.name)` first"
            )
        }
        try change(in: surroundings) { policy in policy.zones.removeAll { $0.name == name } }
    }

    /// Does what `edit` does, unless that makes something wrong.
    private mutating func change(
        in surroundings: Surroundings, _ edit: (inout Policy) -> Void
    ) throws(Refusal) {
        var changed = self
        edit(&changed)
        try changed.check(in: surroundings, since: self, isNew: true)
        try changed.checkMoves(since: self)
        self = changed
    }

    private mutating func rename(interface old: String, to new: String) {
        for index in listeners.indices where listeners[index].interface == old { listeners[index].interface = new }
        for index in openings.indices where openings[index].place == .interface(old) {
            openings[index].place = .interface(new)
        }
    }
}
