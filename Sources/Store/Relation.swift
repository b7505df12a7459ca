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

    static let all = [listener, user, rule, opening, setting]

    private static let listener = Relation(
        name: "listener", columns: ["endpoint", "kind", "authentication", "interface"],
        rows: { policy in
            policy.listeners.map { listener in
                [
                    .text(listener.endpoint.description), .text(listener.kind.rawValue),
                    .text(listener.authentication.rawValue), .optional(listener.interface),
                ]
            }
        },
        add: { row, policy in
            guard let endpoint = row[0].text.flatMap({ Endpoint($0) }),
                let kind = row[1].text.flatMap(Listener.Kind.init),
                let authentication = row[2].text.flatMap(Listener.Authentication.init)
            else { return false }
            policy.listeners.append(
                Listener(kind: kind, endpoint: endpoint, authentication: authentication, interface: row[3].text))
            return true
        },
        describe: { row in
            let password = row[2].text == Listener.Authentication.none.rawValue ? "no password" : "with password"
            return "listener \(row[1].plain) \(row[0].plain), \(password)" + place(interface: row[3].text)
        })

    private static let user = Relation(
        name: "user", columns: ["name", "password_hash"],
        rows: { $0.users.map { [.text($0.name), .text($0.passwordHash)] } },
        add: { row, policy in
            guard let name = row[0].text, let hash = row[1].text else { return false }
            policy.users.append(User(name: name, passwordHash: hash))
            return true
        },
        describe: { "user \($0[0].plain)" })

    private static let rule = Relation(
        name: "rule", columns: ["id", "action", "destination"],
        rows: { policy in
            policy.rules.map { [.integer($0.id), .text($0.action.rawValue), .optional($0.destination?.description)] }
        },
        add: { row, policy in
            guard case .integer(let id) = row[0], let action = row[1].text.flatMap(Rule.Action.init),
                let destination = row[2].text.flatMap({ Network($0) })
            else { return false }
            policy.rules.append(Rule(id: id, action: action, destination: destination))
            return true
        },
        describe: { "rule \($0[0].plain) \($0[1].plain) \($0[2].plain)" })

    private static let opening = Relation(
        name: "opening", columns: ["name", "transport", "port", "interface", "source"],
        rows: { policy in
            policy.openings.map { opening in
                [
                    .text(opening.name), .text(opening.transport.rawValue), .integer(Int(opening.port)),
                    .optional(opening.interface), .optional(opening.source?.description),
                ]
            }
        },
        add: { row, policy in
            guard let name = row[0].text, let transport = row[1].text.flatMap(Opening.Transport.init),
                case .integer(let number) = row[2], let port = UInt16(exactly: number)
            else { return false }
            var source: Network?
            if let text = row[4].text {
                // Losing a source that cannot be read would open the port to everybody.
                guard let network = Network(text) else { return false }
                source = network
            }
            policy.openings.append(
                Opening(name: name, transport: transport, port: port, interface: row[3].text, source: source))
            return true
        },
        describe: { row in
            let source = row[4].text.map { ", from \($0)" } ?? ""
            return "opening \(row[0].plain) \(row[1].plain) \(row[2].plain)" + place(interface: row[3].text) + source
        })

    /// Interface names have no blank in them (dev_valid_name in the kernel), so a list is one text.
    static let setting = Relation(
        name: "setting", columns: ["name", "value"],
        rows: { policy in
            [
                [.text("firewall"), .text(policy.firewall.rawValue)],
                [.text("lan"), .text(policy.lan.joined(separator: " "))],
                [.text("wan"), .text(policy.wan.joined(separator: " "))],
            ]
        },
        add: { row, policy in
            guard let value = row[1].text else { return false }
            switch row[0].text {
            case "firewall":
                guard let mode = FirewallMode(rawValue: value) else { return false }
                policy.firewall = mode
            case "lan": policy.lan = value.split(separator: " ").map(String.init)
            case "wan": policy.wan = value.split(separator: " ").map(String.init)
            default: return false
            }
            return true
        },
        describe: { "\($0[0].plain) \($0[1].text.flatMap { $0.isEmpty ? nil : $0 } ?? "none")" })

    private static func place(interface: String?) -> String {
        interface.map { ", on \($0)" } ?? ""
    }
}

extension Database.Value {
    static func optional(_ text: String?) -> Self { text.map { .text($0) } ?? .null }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    var plain: String {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let text): text
        case .null: "-"
        }
    }
}
