import Address
import Policy

/// A table of the policy: how values become rows, and rows become values.
///
/// The first column is the key. `since` and `until` are not among `columns`; the store adds them.
struct Relation: Sendable {
    typealias Row = [Database.Value]

    let name: String
    let columns: [String]
    /// The rows of two policies, without those that both begin or end with: most changes concern one thing of thousands.
    let differing: @Sendable (Policy, Policy) -> (old: [Row], new: [Row])
    /// Adds the row to the policy; false if this version cannot read it.
    let add: @Sendable (Row, inout Policy) -> Bool

    static let all = [zone, listener, user, rule, limit, opening, setting, device, passage, forward, blocklist, exit]

    /// Interface names have no blank in them (dev_valid_name in the kernel), so a list is one text.
    private static let zone = Relation(
        "zone", of: \.zones, as: Zone(name: ""),
        [
            .text("name", \.name), .list("interfaces", \.interfaces, separator: " "),
            .list("addresses", \.addresses, separator: " "), .word("way", \.way), .word("new_devices", \.newDevices),
            .notation("service", \.service),
        ])

    private static let exit = Relation(
        "egress_exit", of: \.exits, as: Exit(name: ""),
        [
            .text("name", \.name), .text("user", \.user), .notation("destination", \.destination),
            .list("services", \.services, separator: ","),
        ])

    private static let blocklist = Relation(
        "blocklist", of: \.blocklists, as: Blocklist(name: "", count: 0, content: ""),
        [
            .text("name", \.name), .text("zone", \.zone), .text("device", \.device),
            .word("direction", \.direction), .number("count", \.count), .text("content", \.content),
        ])

    private static let device = Relation(
        "device", of: \.devices, as: Device(name: "", hardware: HardwareAddress(bytes: [2, 0, 0, 0, 0, 1])!),
        [
            .notation("hardware", \.hardware), .text("name", \.name), .word("way", \.way),
            .notation("address", \.address), .notation("pause", \.pause), .notation("schedule", \.schedule),
        ])

    private static let passage = Relation(
        "passage", of: \.passages, as: Passage(from: "", to: ""),
        [.notation("ends", \.ends), .list("services", \.services, separator: ",")])

    private static let forward = Relation(
        "forward", of: \.forwards, as: Forward(name: "", transport: .tcp, port: 1, device: ""),
        [
            .text("name", \.name), .word("transport", \.transport), .number("port", \.port), .text("device", \.device),
            .number("device_port", \.devicePort), .notation("source", \.source), .number("closes", \.until),
        ])

    /// Networks have no blank in them, and users' names no colon (RFC 7617 §2), so a list is one text.
    private static let listener = Relation(
        "listener", of: \.listeners,
        as: Listener(kind: .socks5, endpoint: Endpoint(address: .v4(0), port: 0)),
        [
            .notation("endpoint", \.endpoint), .word("kind", \.kind), .word("authentication", \.authentication),
            .text("interface", \.interface), .text("zone", \.zone), .list("clients", \.clients, separator: " "),
            .list("users", \.users, separator: ":"), .flag("allows_socks4", \.socks.allowsVersion4),
            .notation("advertised_address", \.socks.advertisedAddress), .notation("udp_ports", \.socks.udpPorts),
            .notation("bind_ports", \.socks.bindPorts),
        ])

    private static let user = Relation(
        "user", of: \.users, as: User(name: "", passwordHash: ""),
        [.text("name", \.name), .text("password_hash", \.passwordHash)])

    static let rule = Relation(
        "rule", of: \.rules, as: Rule(id: 0, action: .deny),
        [
            .number("id", \.id), .word("action", \.action), .text("user", \.user), .notation("client", \.client),
            .notation("destination", \.destination), .text("domain", \.domain), .notation("ports", \.ports),
            .text("device", \.device), .notation("transport", \.transport), .word("origin", \.origin),
        ])

    private static let limit = Relation(
        "usage_limit", of: \.limits, as: Limit(subject: .eachClient),
        [
            .notation("subject", \.subject), .number("sessions", \.sessions), .number("rate", \.rate),
            .number("bandwidth", \.bandwidth), .number("handshakes", \.handshakes), .number("lookups", \.lookups),
            .number("questions", \.questions),
        ])

    private static let opening = Relation(
        "opening", of: \.openings, as: Opening(name: "", services: [], place: .anywhere),
        [
            .text("name", \.name), .list("services", \.services, separator: ",", allowsNone: false),
            .notation("place", \.place), .notation("source", \.source), .number("closes", \.until),
        ])

    static let setting = Relation(
        name: "setting", columns: ["name", "value"],
        differing: { (settings(of: $0), settings(of: $1)) },
        add: { row, policy in
            guard case .text(let name) = row[0], case .text(let value) = row[1] else { return false }
            switch name {
            case "firewall":
                guard let mode = FirewallMode(rawValue: value) else { return false }
                policy.firewall = mode
            case "rule default":
                guard let action = Rule.Action(rawValue: value) else { return false }
                policy.defaultAction = action
            case "session log":
                guard let logging = SessionLogging(rawValue: value) else { return false }
                policy.sessionLogging = logging
            case "egress":
                guard let mode = EgressMode(rawValue: value) else { return false }
                policy.egress = mode
            case "trusted domains":
                policy.trustedDomains = value.split(separator: " ").map(String.init)
            case "bans":
                guard let terms = BanTerms(notation: value) else { return false }
                policy.bans = terms
            default: return false
            }
            return true
        })
}

extension Relation {
    static func settings(of policy: Policy) -> [Row] {
        [
            [.text("firewall"), .text(policy.firewall.rawValue)],
            [.text("rule default"), .text(policy.defaultAction.rawValue)],
            [.text("session log"), .text(policy.sessionLogging.rawValue)],
            [.text("egress"), .text(policy.egress.rawValue)],
            [.text("trusted domains"), .text(policy.trustedDomains.joined(separator: " "))],
            [.text("bans"), .text(policy.bans.notation)],
        ]
    }

    /// - Parameters:
    ///   - things: where the policy has them.
    ///   - blank: any thing; the columns fill it.
    fileprivate init<Thing: Sendable & Equatable>(
        _ name: String, of things: any WritableKeyPath<Policy, [Thing]> & Sendable, as blank: Thing,
        _ columns: [Column<Thing>]
    ) {
        self.init(
            name: name, columns: columns.map(\.name),
            differing: { old, new in
                let (old, new) = old[keyPath: things].trimmed(against: new[keyPath: things])
                func row(_ thing: Thing) -> Row { columns.map { $0.value(thing) } }
                return (old.map(row), new.map(row))
            },
            add: { row, policy in
                var thing = blank
                for (column, value) in zip(columns, row) {
                    guard column.read(value, &thing) else { return false }
                }
                policy[keyPath: things].append(thing)
                return true
            })
    }
}

extension Database.Value {
    static func optional(_ number: Int?) -> Self { number.map { .integer($0) } ?? .null }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    var number: Int? { if case .integer(let number) = self { number } else { nil } }

    var plain: String {
        switch self {
        case .integer(let number): "\(number)"
        case .text(let text): text
        case .null: "-"
        }
    }
}
