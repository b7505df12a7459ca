// What the operator can do to a policy. Each either changes it or throws a refusal and leaves it as it was; whether the
// result as a whole holds on this machine is `check(in:)`'s to say.

extension Policy {
    package mutating func add(_ listener: Listener, in surroundings: Surroundings) throws(Refusal) {
        for other in listeners where other.endpoint.collides(with: listener.endpoint) {
            throw Self.taken(listener, by: other)
        }
        try check(listener, in: surroundings)
        listeners.append(listener)
    }

    @discardableResult
    package mutating func removeListener(on endpoint: Endpoint) throws(Refusal) -> Listener {
        guard let index = listeners.firstIndex(where: { $0.endpoint == endpoint }) else {
            throw Refusal("no listener on \(endpoint); `gatehousectl listener list` shows what there is")
        }
        return listeners.remove(at: index)
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
        users.remove(at: try indexOfUser(name))
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

    /// The rule gets the number after the highest, so it is tried last.
    @discardableResult
    package mutating func addRule(_ action: Rule.Action, to destination: Network) throws(Refusal) -> Rule {
        if let same = rules.first(where: { $0.destination == destination }) {
            throw Refusal(
                "rule \(same.id) decides about \(destination) already (\(same.action.rawValue)); "
                    + "`gatehousectl rule remove \(same.id)` first")
        }
        let rule = Rule(id: (rules.map(\.id).max() ?? 0) + 1, action: action, destination: destination)
        rules.append(rule)
        return rule
    }

    @discardableResult
    package mutating func removeRule(_ id: Int) throws(Refusal) -> Rule {
        guard let index = rules.firstIndex(where: { $0.id == id }) else {
            throw Refusal("no rule \(id); `gatehousectl rule list` shows what there is")
        }
        return rules.remove(at: index)
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
