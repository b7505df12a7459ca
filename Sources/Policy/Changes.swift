import Address

/// What is different between two policies, thing by thing: what a change would do, what it did, and what the history tells.
package struct Changes: Hashable, Sendable {
    /// One thing that the policy consists of.
    package enum Thing: Hashable, Sendable {
        case zone(Zone)
        case listener(Listener)
        case user(User)
        case rule(Rule)
        case limit(Limit)
        case opening(Opening)
        case firewall(FirewallMode)
        case defaultAction(Rule.Action)
        case sessionLogging(SessionLogging)
        case device(Device)
        case passage(Passage)
        case forward(Forward)
        case blocklist(Blocklist)
        case trustedDomains([String])
        case egress(EgressMode)
        case exit(Exit)
        case bans(BanTerms)
    }

    package enum Change: Hashable, Sendable {
        case added(Thing)
        case removed(Thing)
        /// The same thing (a listener on the same endpoint, the user of the same name) before and after.
        case changed(from: Thing, to: Thing)
    }

    /// Kind by kind, and in each in the order of their names or numbers; what was removed comes first.
    package let all: [Change]

    package init(_ all: [Change] = []) { self.all = all }

    package var isEmpty: Bool { all.isEmpty }

    /// A line for each thing: `+ rule 3 allow to 127.0.0.0/8`, `- user alice`, `~ user bob, new password`; two lines for a
    /// thing that was changed, as it was and as it is.
    package var lines: [String] { all.flatMap(\.lines) }

    /// What takes these changes back.
    package var reversed: Changes {
        Changes(
            all.map { change in
                switch change {
                case .added(let thing): .removed(thing)
                case .removed(let thing): .added(thing)
                case .changed(let former, let latter): .changed(from: latter, to: former)
                }
            })
    }
}

extension Policy {
    /// What leads from `former` to this policy. Nothing, if they differ in the order of things alone: that decides nothing.
    package func changes(from former: Policy) -> Changes {
        let (before, after) = differing(from: former)
        let removed = before.filter { after[$0.key] == nil }.map { ($0.key, Changes.Change.removed($0.value)) }
        let others: [(Changes.Key, Changes.Change)] = after.compactMap { key, thing in
            guard let earlier = before[key] else { return (key, .added(thing)) }
            return earlier == thing ? nil : (key, .changed(from: earlier, to: thing))
        }
        let all = (removed + others).sorted { first, second in
            first.0.kind == second.0.kind && first.1.isRemoval != second.1.isRemoval
                ? first.1.isRemoval : first.0 < second.0
        }
        return Changes(all.map(\.1))
    }

    /// This policy once `changes` are made to it.
    ///
    /// - Throws: a thing that they concern is not as they say.
    package func making(_ changes: Changes) throws(Refusal) -> Policy {
        var things = self.things
        for change in changes.all {
            switch change {
            case .added(let thing):
                if let other = things[thing.key] { throw Refusal("\(thing) cannot come back, there is \(other)") }
                things[thing.key] = thing
            case .removed(let thing), .changed(let thing, _):
                guard let found = things[thing.key], found == thing else {
                    let successor = things[thing.key].map { ", there is \($0)" } ?? ""
                    throw Refusal("\(thing) is no more\(successor)")
                }
                things[thing.key] = if case .changed(_, let latter) = change { latter } else { nil }
            }
        }
        return Policy(things.sorted { $0.key < $1.key }.map(\.value))
    }

    private init(_ things: [Changes.Thing]) {
        self.init(zones: [])
        for thing in things {
            switch thing {
            case .zone(let zone): zones.append(zone)
            case .listener(let listener): listeners.append(listener)
            case .user(let user): users.append(user)
            case .rule(let rule): rules.append(rule)
            case .limit(let limit): limits.append(limit)
            case .opening(let opening): openings.append(opening)
            case .firewall(let mode): firewall = mode
            case .defaultAction(let action): defaultAction = action
            case .sessionLogging(let logging): sessionLogging = logging
            case .device(let device): devices.append(device)
            case .passage(let passage): passages.append(passage)
            case .forward(let forward): forwards.append(forward)
            case .blocklist(let list): blocklists.append(list)
            case .trustedDomains(let domains): trustedDomains = domains
            case .egress(let mode): egress = mode
            case .exit(let exit): exits.append(exit)
            case .bans(let terms): bans = terms
            }
        }
    }

    /// All that the policy consists of, kind by kind, and in each in the order of their names or numbers.
    package var allThings: [Changes.Thing] { things.sorted { $0.key < $1.key }.map(\.value) }

    private var things: [Changes.Key: Changes.Thing] {
        let all: [Changes.Thing] =
            zones.map { .zone($0) } + listeners.map { .listener($0) } + users.map { .user($0) }
            + rules.map { .rule($0) } + limits.map { .limit($0) } + openings.map { .opening($0) }
            + devices.map { .device($0) } + passages.map { .passage($0) } + forwards.map { .forward($0) }
            + blocklists.map { .blocklist($0) } + exits.map { .exit($0) }
            + [
                .firewall(firewall), .defaultAction(defaultAction), .sessionLogging(sessionLogging),
                .trustedDomains(trustedDomains), .egress(egress), .bans(bans),
            ]
        return Dictionary(all.map { ($0.key, $0) }) { first, _ in first }
    }

    /// The things of `former` and of this policy, without those that nothing happened to.
    private func differing(
        from former: Policy
    ) -> (before: [Changes.Key: Changes.Thing], after: [Changes.Key: Changes.Thing]) {
        var (before, after) = (former, self)
        func trim<Thing: Equatable>(_ list: WritableKeyPath<Policy, [Thing]>) {
            let (mine, others) = self[keyPath: list].trimmed(against: former[keyPath: list])
            (after[keyPath: list], before[keyPath: list]) = (Array(mine), Array(others))
        }
        trim(\.zones)
        trim(\.listeners)
        trim(\.users)
        trim(\.rules)
        trim(\.limits)
        trim(\.openings)
        trim(\.devices)
        trim(\.passages)
        trim(\.forwards)
        trim(\.blocklists)
        trim(\.exits)
        return (before.things, after.things)
    }
}

extension Changes {
    /// What makes a thing the same one though it changed.
    fileprivate struct Key: Hashable, Comparable {
        /// Kinds are told in this order.
        let kind: Int
        var number = 0
        var name = ""

        static func < (first: Self, second: Self) -> Bool {
            (first.kind, first.number, first.name) < (second.kind, second.number, second.name)
        }
    }
}

extension Changes.Thing: CustomStringConvertible {
    fileprivate var key: Changes.Key {
        switch self {
        case .zone(let zone): .init(kind: 0, name: zone.name)
        case .listener(let listener): .init(kind: 1, name: "\(listener.endpoint)")
        case .user(let user): .init(kind: 2, name: user.name)
        case .rule(let rule): .init(kind: 3, number: rule.id)
        case .limit(let limit): .init(kind: 4, name: "\(limit.subject)")
        case .opening(let opening): .init(kind: 5, name: opening.name)
        case .firewall: .init(kind: 6)
        case .defaultAction: .init(kind: 7)
        case .sessionLogging: .init(kind: 8)
        case .device(let device): .init(kind: 9, name: "\(device.hardware)")
        case .passage(let passage): .init(kind: 10, name: "\(passage.ends)")
        case .forward(let forward): .init(kind: 11, name: forward.name)
        case .blocklist(let list): .init(kind: 12, name: list.name)
        case .trustedDomains: .init(kind: 13)
        case .egress: .init(kind: 14)
        case .exit(let exit): .init(kind: 15, name: exit.name)
        case .bans: .init(kind: 16)
        }
    }

    package var description: String {
        switch self {
        case .zone(let zone): "zone \(zone)"
        case .listener(let listener): "listener \(listener)"
        case .user(let user): "user \(user.name)"
        case .rule(let rule): "rule \(rule.id) \(rule)"
        case .limit(let limit): "limit \(limit)"
        case .opening(let opening): "opening \(opening)"
        case .firewall(let mode): "firewall \(mode.rawValue)"
        case .defaultAction(let action): "rule default \(action.rawValue)"
        case .sessionLogging(let logging): "session log \(logging.rawValue)"
        case .device(let device): "device \(device)"
        case .passage(let passage): "passage \(passage)"
        case .forward(let forward): "forward \(forward)"
        case .blocklist(let list): "blocklist \(list)"
        case .trustedDomains(let domains): "trusted domains \(listed(domains))"
        case .egress(let mode): "egress \(mode.rawValue)"
        case .exit(let exit): "exit \(exit)"
        case .bans(let terms): "bans \(terms)"
        }
    }
}

extension Changes.Change {
    fileprivate var isRemoval: Bool { if case .removed = self { true } else { false } }

    /// `+ …`, `- …`; of a thing that changed both, or `~ …` where its description does not show what changed.
    package var lines: [String] {
        switch self {
        case .added(let thing): ["+ \(thing)"]
        case .removed(let thing): ["- \(thing)"]
        // The hash of a password is shown to nobody.
        case .changed(.user, let user): ["~ \(user), new password"]
        case .changed(let former, let latter) where "\(former)" == "\(latter)":
            ["~ \(latter), in something not shown here"]
        case .changed(let former, let latter): ["- \(former)", "+ \(latter)"]
        }
    }
}
