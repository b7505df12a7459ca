import Address
import Policy

// The commands that make a thing of the policy: what the verbs' parsers read, written. A kind of thing that is new does not
// compile without its own.

extension Changes.Thing {
    /// Where the commands that make it stand: what they name stands before them.
    enum Section: Int, CaseIterable {
        case zones, passages, devices, users, listeners, rules, limits, openings, forwards, names, egress, firewall

        var title: String {
            switch self {
            case .zones:
                "Which interface leads where, and how devices there are carried. On another machine --interface differs."
            case .passages: "Which zones may begin conversations with which others."
            case .devices: "The devices about which something is decided."
            case .users: "Who may use the listeners that ask for a password."
            case .listeners: "The ports of the proxies."
            case .rules: "Who may go where, in this order."
            case .limits: "How much clients and users may use."
            case .openings: "Services of the gateway itself that can be reached."
            case .forwards: "Doors from the internet to devices."
            case .names: "Names that are not told, and domains that may lead into the home."
            case .egress: "What programs of this machine may begin."
            case .firewall:
                "What is written down of sessions, who is kept out for a time, and whether the firewall holds."
            }
        }
    }

    var section: Section {
        switch self {
        case .zone: .zones
        case .passage: .passages
        case .device: .devices
        case .user: .users
        case .listener: .listeners
        case .rule, .defaultAction: .rules
        case .limit: .limits
        case .opening: .openings
        case .forward: .forwards
        case .blocklist, .trustedDomains: .names
        case .egress, .exit: .egress
        case .sessionLogging, .firewall, .bans: .firewall
        }
    }

    /// - Parameter lists: the directory with the names of blocklists; nil: the working directory.
    func verbLines(lists: String? = nil) -> [VerbLine] {
        switch self {
        case .zone(let zone): [zone.verbLine]
        case .listener(let listener): [listener.verbLine]
        case .user(let user):
            [
                VerbLine(
                    "user add", user.name, options: option("hash", user.passwordHash.isEmpty ? nil : user.passwordHash))
            ]
        case .rule(let rule): [rule.verbLine]
        case .limit(let limit): [limit.verbLine]
        case .opening(let opening): [opening.verbLine]
        case .firewall(let mode): [VerbLine("firewall \(mode)")]
        case .defaultAction(let action): [VerbLine("rule default", action.rawValue)]
        case .sessionLogging(let logging):
            [VerbLine("session log", options: option("journal", logging == .journal ? "on" : "off"))]
        case .device(let device): device.verbLines
        case .passage(let passage):
            [VerbLine("zone allow", passage.from, "to", passage.to, options: serviceOptions(passage.services))]
        case .forward(let forward): [forward.verbLine]
        case .blocklist(let list): [list.verbLine(in: lists)]
        case .egress(let mode): [VerbLine("egress \(mode.rawValue)")]
        case .exit(let exit): [exit.verbLine]
        case .bans(let terms):
            [
                VerbLine(
                    "ban set",
                    options: option("guesses", terms.guesses.map { "\($0)" } ?? "off")
                        + option("scans", terms.scans.map { "\($0)" } ?? "off")
                        + option("floods", terms.floods.map { "\($0)" } ?? "off")
                        + option("for", "\(terms.seconds)s") + option("at-home", "\(terms.secondsAtHome)s"))
            ] + terms.spared.map { VerbLine("ban spare", $0.description) }
        case .trustedDomains(let domains): domains.map { VerbLine("name trust", $0) }
        }
    }
}

private typealias Options = [(name: String, value: String?)]

/// None where `value` is nil.
private func option(_ name: String, _ value: (some CustomStringConvertible)?) -> Options {
    guard let value else { return [] }
    return [(name, value.description)]
}

private func flag(_ name: String, _ isSet: Bool) -> Options { isSet ? [(name, nil)] : [] }

private func serviceOptions(_ services: [Opening.Service]) -> Options {
    services.map { service -> (name: String, value: String?) in
        switch service {
        case .ports(let transport, let ports): (transport.rawValue, ports.description)
        case .other(let number): ("proto", number.description)
        }
    }
}

extension Zone {
    fileprivate var verbLine: VerbLine {
        let interfaces = self.interfaces.isEmpty ? "none" : self.interfaces.joined(separator: ",")
        var options: Options = [("interface", interfaces)]
        for address in addresses { options += option("address", address) }
        options += name == Self.internet && way == .routed ? [] : option("way", way.rawValue)
        options += option("new-devices", newDevices?.rawValue)
        if let service {
            options += flag("serve", service.dhcp && service.names)
            options += flag("dhcp", service.dhcp && !service.names) + flag("dns", service.names && !service.dhcp)
            options += option("range", service.range)
            options += service.strayNames == .answered ? [] : option("stray-dns", service.strayNames.rawValue)
        }
        return VerbLine(isBuiltIn ? "zone set" : "zone add", name, options: options)
    }
}

extension Device {
    fileprivate var verbLines: [VerbLine] {
        var lines = [VerbLine("device name", hardware.description, name)]
        if let way { lines.append(VerbLine("device way", name, way.rawValue)) }
        if let address { lines.append(VerbLine("device address", name, address.description)) }
        if let schedule {
            lines.append(VerbLine("device schedule", name, options: option("allow", schedule)))
        }
        switch pause {
        case nil: break
        case .forever: lines.append(VerbLine("device pause", name))
        case .until(let end):
            lines.append(VerbLine("device pause", name, options: option("until", Instant(seconds: end))))
        }
        return lines
    }
}

extension Listener {
    fileprivate var verbLine: VerbLine {
        var options = authentication == .none ? [] : option("auth", authentication.rawValue)
        options += option("interface", interface) + option("from", zone)
        for network in clients { options += option("from", network) }
        for user in users { options += option("user", user) }
        options += flag("socks4", socks.allowsVersion4) + option("advertise", socks.advertisedAddress)
        options += option("udp-ports", socks.udpPorts) + option("bind-ports", socks.bindPorts)
        return VerbLine("listener add", kind.rawValue, endpoint.description, options: options)
    }
}

extension Rule {
    fileprivate var verbLine: VerbLine {
        VerbLine(
            "rule add", action.rawValue,
            options: option("device", device) + option("user", user) + option("from", client)
                + option("to", destination) + option("domain", domain) + option("protocol", transport)
                + option("port", ports) + flag("hold", origin == .hold))
    }
}

extension Limit {
    fileprivate var verbLine: VerbLine {
        func bound(_ name: String, _ number: Int?, _ unit: String = "") -> Options {
            [(name, number.map { "\($0)\(unit)" } ?? "none")]
        }
        var options =
            bound("sessions", sessions) + bound("rate", rate, "/s") + bound("bandwidth", bandwidth)
        if isForClients {
            options += bound("handshakes", handshakes) + bound("lookups", lookups) + bound("questions", questions)
        }
        // A subject is a word, and perhaps a name, which may have blanks in it.
        let words = "\(subject)".split(separator: " ", maxSplits: 1).map(String.init)
        return words.count == 1
            ? VerbLine("limit set", words[0], options: options)
            : VerbLine("limit set", words[0], words[1], options: options)
    }
}

extension Opening {
    fileprivate var verbLine: VerbLine {
        var options = serviceOptions(services)
        switch place {
        case .anywhere: options += source == nil ? option("from", "anywhere") : []
        case .zone(let name): options += option("from", name)
        case .interface(let name): options += option("interface", name)
        }
        options += option("from", source) + option("until", until.map { Instant(seconds: $0) })
        return VerbLine("firewall open", name, options: options)
    }
}

extension Exit {
    var verbLine: VerbLine {
        VerbLine(
            "egress allow", name,
            options: option("user", user) + option("to", destination) + serviceOptions(services))
    }
}

extension Forward {
    fileprivate var verbLine: VerbLine {
        VerbLine(
            "forward add", name, transport.rawValue, "\(port)", "to", target,
            options: option("from", source) + option("until", until.map { Instant(seconds: $0) }))
    }
}

extension Blocklist {
    fileprivate func verbLine(in directory: String?) -> VerbLine {
        VerbLine(
            "blocklist add", name, file(in: directory),
            options: option("format", (direction == nil ? Blocklist.Format.names : .networks).rawValue)
                + option("zone", zone) + option("device", device) + option("direction", direction?.rawValue))
    }

    /// The file of its names or networks.
    func file(in directory: String?) -> String {
        (directory.map { "\($0)/" } ?? "") + "\(name).\(direction == nil ? "names" : "networks")"
    }
}
