// What the operator can do to a policy. Each either changes it or throws a refusal and leaves it as it was; whether the
// result as a whole holds on this machine is `check(in:)`'s to say.

package import Address

extension Policy {
    package mutating func add(_ listener: Listener, in surroundings: Surroundings) throws(Refusal) {
        for other in listeners where other.endpoint.collides(with: listener.endpoint) {
            throw Self.taken(listener, by: other)
        }
        try check(listener, in: surroundings)
        listeners.append(listener)
    }

    /// Does what `edit` does to the listener there, which stays where it is.
    package mutating func changeListener(
        on endpoint: Endpoint, in surroundings: Surroundings, _ edit: (inout Listener) -> Void
    ) throws(Refusal) {
        let index = try indexOfListener(on: endpoint)
        var listener = listeners[index]
        edit(&listener)
        listener.endpoint = endpoint
        try check(listener, in: surroundings)
        listeners[index] = listener
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

    /// Rules are tried in the order of their numbers, and a new one has the highest, so it is tried last.
    package mutating func add(_ rule: Rule) throws(Refusal) {
        try check(rule)
        try checkCanDecide(rule)
        rules.append(rule)
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
            throw Refusal("no limit for \(subject); `gatehousectl limit list` shows what there is")
        }
        return limits.remove(at: index)
    }

    package mutating func open(_ opening: Opening, in surroundings: Surroundings) throws(Refusal) {
        guard !openings.contains(where: { $0.name == opening.name }) else { throw Self.nameTaken(opening) }
        try Self.check(opening, in: surroundings)
        openings.append(opening)
    }

    @discardableResult
    package mutating func closeOpening(named name: String) throws(Refusal) -> Opening {
        guard let index = openings.firstIndex(where: { $0.name == name }) else {
            throw Refusal("no opening \(name); `gatehousectl firewall show` shows what there is")
        }
        return openings.remove(at: index)
    }
}
