import Address
import Policy

/// A table of the policy: how values become rows, rows become values, and what a row is called in the history.
///
/// The first column is the key. `since` and `until` are not among `columns`; the store adds them.
struct Relation: Sendable {
    typealias Row = [Database.Value]

    let name: String
    let columns: [String]
    let rows: @Sendable (Policy) -> [Row]
    /// Adds the row to the policy; false if this version cannot read it.
    let add: @Sendable (Row, inout Policy) -> Bool
    let describe: @Sendable (Row) -> String

    /// What became of things: a line for each that ended, that began, or that is another one now.
    func differences(from ended: [Row], to begun: [Row]) -> [String] {
        var lines = ended.filter { old in !begun.contains { $0[0] == old[0] } }.map { "- " + describe($0) }
        for row in begun {
            guard let old = ended.first(where: { $0[0] == row[0] }) else {
                lines.append("+ " + describe(row))
                continue
            }
            let (was, now) = (describe(old), describe(row))
            // Only a password changes without its description changing: the hash is not shown.
            lines += was == now ? ["~ \(now), new password"] : ["- " + was, "+ " + now]
        }
        return lines
    }

    static let all = [zone, listener, user, rule, limit, opening, setting]

    /// Networks have no blank in them, and users' names no colon (RFC 7617 §2), so a list is one text.
    private static let listener = Relation(
        name: "listener",
        columns: [
            "endpoint", "kind", "authentication", "interface", "clients", "users", "allows_socks4",
            "advertised_address", "udp_ports", "bind_ports", "zone",
        ],
        rows: { policy in
            policy.listeners.map { listener in
                [
                    .text(listener.endpoint.description), .text(listener.kind.rawValue),
                    .text(listener.authentication.rawValue), .optional(listener.interface),
                    .text(listener.clients.map(\.description).joined(separator: " ")),
                    .text(listener.users.joined(separator: ":")), .integer(listener.socks.allowsVersion4 ? 1 : 0),
                    .optional(listener.socks.advertisedAddress?.description),
                    .optional(listener.socks.udpPorts?.description), .optional(listener.socks.bindPorts?.description),
                    .optional(listener.zone),
                ]
            }
        },
        add: { row, policy in
            guard let listener = Listener(row) else { return false }
            policy.listeners.append(listener)
            return true
        },
        describe: { row in Listener(row).map(describe) ?? "listener \(row[0].plain)" })

    private static func describe(_ listener: Listener) -> String {
        let socks = listener.socks
        let parts = [
            "listener \(listener.kind.rawValue) \(listener.endpoint)",
            listener.authentication == .none ? "no password" : "with password",
            listener.interface.map { "on \($0)" }, listener.zone.map { "for \($0)" },
            listener.clients.isEmpty ? nil : "from \(listener.clients.map(\.description).joined(separator: " "))",
            listener.users.isEmpty ? nil : "users \(listener.users.joined(separator: " "))",
            socks.allowsVersion4 ? "SOCKS4 too" : nil, socks.advertisedAddress.map { "advertises \($0)" },
            socks.udpPorts.map { "UDP ports \($0)" }, socks.bindPorts.map { "BIND ports \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }

    private static let user = Relation(
        name: "user", columns: ["name", "password_hash"],
        rows: { $0.users.map { [.text($0.name), .text($0.passwordHash)] } },
        add: { row, policy in
            guard let name = row[0].text, let hash = row[1].text else { return false }
            policy.users.append(User(name: name, passwordHash: hash))
            return true
        },
        describe: { "user \($0[0].plain)" })

    static let rule = Relation(
        name: "rule", columns: ["id", "action", "user", "client", "destination", "domain", "ports"],
        rows: { policy in
            policy.rules.map { rule in
                [
                    .integer(rule.id), .text(rule.action.rawValue), .optional(rule.user),
                    .optional(rule.client?.description), .optional(rule.destination?.description),
                    .optional(rule.domain), .optional(rule.ports?.description),
                ]
            }
        },
        add: { row, policy in
            guard let rule = Rule(row) else { return false }
            policy.rules.append(rule)
            return true
        },
        describe: { row in "rule \(row[0].plain)" + (Rule(row).map { " \($0)" } ?? "") })

    private static let limit = Relation(
        name: "usage_limit", columns: ["subject", "sessions", "rate", "bandwidth"],
        rows: { policy in
            policy.limits.map { limit in
                [
                    .text(limit.subject.description), .optional(limit.sessions), .optional(limit.rate),
                    .optional(limit.bandwidth),
                ]
            }
        },
        add: { row, policy in
            guard let limit = Limit(row) else { return false }
            policy.limits.append(limit)
            return true
        },
        describe: { row in "limit " + (Limit(row)?.description ?? row[0].plain) })

    /// Interface names have no blank in them (dev_valid_name in the kernel), so a list is one text.
    private static let zone = Relation(
        name: "zone", columns: ["name", "interfaces"],
        rows: { $0.zones.map { [.text($0.name), .text($0.interfaces.joined(separator: " "))] } },
        add: { row, policy in
            guard let zone = Zone(row) else { return false }
            policy.zones.append(zone)
            return true
        },
        describe: { row in "zone " + (Zone(row)?.description ?? row[0].plain) })

    private static let opening = Relation(
        name: "opening", columns: ["name", "services", "place", "source", "closes"],
        rows: { policy in
            policy.openings.map { opening in
                [
                    .text(opening.name), .text(opening.what), .text(opening.place.description),
                    .optional(opening.source?.description), .optional(opening.until),
                ]
            }
        },
        add: { row, policy in
            guard let opening = Opening(row) else { return false }
            policy.openings.append(opening)
            return true
        },
        describe: { row in "opening " + (Opening(row)?.description ?? row[0].plain) })

    static let setting = Relation(
        name: "setting", columns: ["name", "value"],
        rows: { policy in
            [
                [.text("firewall"), .text(policy.firewall.rawValue)],
                [.text("rule default"), .text(policy.defaultAction.rawValue)],
            ]
        },
        add: { row, policy in
            guard let value = row[1].text else { return false }
            switch row[0].text {
            case "firewall":
                guard let mode = FirewallMode(rawValue: value) else { return false }
                policy.firewall = mode
            case "rule default":
                guard let action = Rule.Action(rawValue: value) else { return false }
                policy.defaultAction = action
            default: return false
            }
            return true
        },
        describe: { "\($0[0].plain) \($0[1].text.flatMap { $0.isEmpty ? nil : $0 } ?? "none")" })
}

// What cannot be read is no value: a condition or a network that got lost would make a rule or a listener everybody's.

extension Listener {
    fileprivate init?(_ row: Relation.Row) {
        guard let endpoint = row[0].text.flatMap({ Endpoint($0) }), let kind = row[1].text.flatMap(Kind.init),
            let authentication = row[2].text.flatMap(Authentication.init),
            let networks = row[4].text?.split(separator: " "), let users = row[5].text?.split(separator: ":"),
            case .integer(let allowsVersion4) = row[6], let advertisedAddress = row[7].notation(IPAddress.self),
            let udpPorts = row[8].notation(PortRange.self), let bindPorts = row[9].notation(PortRange.self)
        else { return nil }
        let clients = networks.compactMap { Network(String($0)) }
        guard clients.count == networks.count else { return nil }
        self.init(
            kind: kind, endpoint: endpoint, authentication: authentication, interface: row[3].text, zone: row[10].text,
            clients: clients, users: users.map(String.init),
            socks: SOCKSOptions(
                allowsVersion4: allowsVersion4 != 0, advertisedAddress: advertisedAddress, udpPorts: udpPorts,
                bindPorts: bindPorts))
    }
}

extension Rule {
    fileprivate init?(_ row: Relation.Row) {
        guard case .integer(let id) = row[0], let action = row[1].text.flatMap(Action.init),
            let client = row[3].notation(Network.self), let destination = row[4].notation(Network.self),
            let ports = row[6].notation(PortRange.self)
        else { return nil }
        self.init(
            id: id, action: action, user: row[2].text, client: client, destination: destination, domain: row[5].text,
            ports: ports)
    }
}

extension Zone {
    fileprivate init?(_ row: Relation.Row) {
        guard let name = row[0].text, let interfaces = row[1].text else { return nil }
        self.init(name: name, interfaces: interfaces.split(separator: " ").map(String.init))
    }
}

extension Opening {
    fileprivate init?(_ row: Relation.Row) {
        guard let name = row[0].text, let parts = row[1].text?.split(separator: ",", omittingEmptySubsequences: false),
            let place = row[2].text.flatMap({ Place($0) }), let source = row[3].notation(Network.self)
        else { return nil }
        let services = parts.compactMap { Service(String($0.drop { $0 == " " })) }
        guard services.count == parts.count else { return nil }
        self.init(name: name, services: services, place: place, source: source, until: row[4].number)
    }
}

extension Limit {
    fileprivate init?(_ row: Relation.Row) {
        guard let subject = row[0].text.flatMap({ Subject($0) }) else { return nil }
        self.init(subject: subject, sessions: row[1].number, rate: row[2].number, bandwidth: row[3].number)
    }
}

extension Database.Value {
    static func optional(_ number: Int?) -> Self { number.map { .integer($0) } ?? .null }

    static func optional(_ text: String?) -> Self { text.map { .text($0) } ?? .null }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    var number: Int? { if case .integer(let number) = self { number } else { nil } }

    /// NULL is a value that is not there; nil: there is one and it cannot be read.
    func notation<Value: LosslessStringConvertible>(_ type: Value.Type) -> Value?? {
        switch self {
        case .null: .some(nil)
        case .text(let text): Value(text).map { .some($0) }
        case .integer: nil
        }
    }

    var plain: String {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let text): text
        case .null: "-"
        }
    }
}

extension Set<Relation.Row> {
    /// By their keys, as the store lists them.
    var inOrder: [Relation.Row] {
        sorted { left, right in
            switch (left[0], right[0]) {
            case (.integer(let left), .integer(let right)): left < right
            default: left[0].plain < right[0].plain
            }
        }
    }
}
