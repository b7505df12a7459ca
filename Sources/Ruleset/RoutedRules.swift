import Address
import Policy

/// The operator's rules (`Rule`), as the kernel asks them of what it passes on: the same rules in the same order as `RuleTable` asks
/// of what the proxies carry, so that a device gets no further by the one way than by the other.
///
/// Towards the internet a rule decides for good. Elsewhere a packet passes only by a passage or a forward, which the operator made
/// for that alone; there a rule can deny, and what a rule allows still has to find such a door.
///
/// A rule about a domain is about the addresses that the names role has told of it lately, which are in a set of the rule's own.
struct RoutedRules {
    private let exits: Series
    private let denials: Series
    private let defaultAction: Rule.Action

    /// - Parameter hasInternet: false: there is nothing to which anything could go out.
    init(_ policy: Policy, _ roster: Roster, hasInternet: Bool) {
        // The kernel knows no users.
        let rules = policy.rules.filter { $0.user == nil }.sorted { $0.id < $1.id }
        let numbers = Dictionary(grouping: roster.entries, by: \.hardware).mapValues { $0.map(\.number) }
        func own(_ rules: [Rule]) -> [Series.Own] {
            policy.devices.compactMap { device in
                guard let numbers = numbers[device.hardware], rules.contains(where: { $0.device == device.name }) else {
                    return nil
                }
                return Series.Own(
                    numbers: numbers, suffix: device.hardware.description.filter { $0 != ":" },
                    rules: rules.filter { $0.device == nil || $0.device == device.name })
            }
        }
        let leading = hasInternet ? rules : []
        exits = Series(name: "decisions", general: leading.filter { $0.device == nil }, own: own(leading)) { rule in
            if rule.action == .deny { return Self.refusals(of: rule) }
            // What a rule allows by name is open even where no place of the internet is.
            let isOpened =
                rule.destination.map { network in Network.private.contains { $0.overlaps(network) } } ?? false
            return Self.rules(of: rule, .goto(isOpened ? Self.opened : Forwarding.toInternet))
        }
        let denying = Array(rules.prefix((rules.lastIndex { $0.action == .deny } ?? -1) + 1))
        denials = Series(name: "denials", general: denying.filter { $0.device == nil }, own: own(denying)) { rule in
            rule.action == .deny ? Self.refusals(of: rule) : Self.rules(of: rule, .return)
        }
        defaultAction = policy.defaultAction
    }

    /// Whether all may pass that may pass without rules.
    var isEmpty: Bool { exits.isEmpty && defaultAction == .allow }

    /// Decide on what a device begins towards the internet.
    ///
    /// - Parameter passage: the chain of a passage to there, for which there is no need of a rule that allows it; nil: there is none.
    func exit(passage: String?) -> [Ruleset.Rule] {
        let rest: [Ruleset.Rule] =
            switch (defaultAction, passage) {
            case (.allow, _): [Ruleset.Rule([], .goto(Forwarding.toInternet))]
            case (.deny, let passage?): [Ruleset.Rule([], .goto(passage))]
            case (.deny, nil): Self.refusals([[]], Rule.noneAllows)
            }
        return exits.questions + rest
    }

    /// Deny what a device begins elsewhere, or leave the word to what follows.
    var devicesDenials: [Ruleset.Rule] { denials.questions }

    /// The same for what comes from the internet. A connection that a forward lets in is marked as the device's to which it leads, so
    /// no rule about a device is asked.
    var internetsDenials: [Ruleset.Rule] { denials.generalQuestions }

    var deviceMaps: [Ruleset.DeviceMap] { [exits, denials].compactMap(\.map) }

    /// - Parameter toInternet: the rules of that chain which hold whatever the operator's rules say.
    func chains(toInternet: [Ruleset.Rule]) -> [Ruleset.Chain] {
        let all = exits.chains + denials.chains
        let isOpening = all.contains { $0.rules.contains { $0.decision == .verdict(.goto(Self.opened)) } }
        return all + (isOpening ? [Ruleset.Chain(name: Self.opened, rules: toInternet)] : [])
    }

    private static let opened = "opened"
}

extension RoutedRules {
    /// Rules in their order, of which a packet meets those about its device and those about everybody, and none about another device.
    private struct Series {
        /// A device with rules of its own.
        struct Own {
            /// By which its connections are marked.
            var numbers: [UInt16]
            /// What its chain is called behind the name of the series.
            var suffix: String
            /// Those about everybody among them.
            var rules: [Rule]
        }

        /// The chain of the rules about everybody.
        var name: String
        var general: [Rule]
        var own: [Own]
        var decide: (Rule) -> [Ruleset.Rule]

        var isEmpty: Bool { general.isEmpty && own.isEmpty }

        var questions: [Ruleset.Rule] {
            own.isEmpty ? generalQuestions : [Ruleset.Rule([], .jump(byDevice))]
        }

        var generalQuestions: [Ruleset.Rule] { general.isEmpty ? [] : [Ruleset.Rule([], .jump(name))] }

        private var byDevice: String { "\(name)_by_device" }

        var map: Ruleset.DeviceMap? {
            guard !own.isEmpty else { return nil }
            let verdicts = own.flatMap { own in
                own.numbers.map { (UInt32($0), Ruleset.Verdict.goto("\(name)/\(own.suffix)")) }
            }
            return .init(name: byDevice, content: .verdicts(Dictionary(verdicts) { first, _ in first }))
        }

        var chains: [Ruleset.Chain] {
            let all = general.isEmpty ? [] : [Ruleset.Chain(name: name, rules: general.flatMap(decide))]
            guard !own.isEmpty else { return all }
            let entrance = Ruleset.Chain(
                name: byDevice, rules: [Ruleset.Rule(decision: .byDevice(byDevice))] + generalQuestions)
            return all + [entrance]
                + own.map { Ruleset.Chain(name: "\(name)/\($0.suffix)", rules: $0.rules.flatMap(decide)) }
        }
    }

    private static func rules(of rule: Rule, _ verdict: Ruleset.Verdict) -> [Ruleset.Rule] {
        rule.matches.map { Ruleset.Rule($0, isCounted: true, verdict, comment: rule.ruleName) }
    }

    private static func refusals(of rule: Rule) -> [Ruleset.Rule] { refusals(rule.matches, rule.ruleName) }

    /// - Parameter matches: of each rule.
    private static func refusals(_ matches: [[Match]], _ comment: String) -> [Ruleset.Rule] {
        matches.flatMap { matches -> [Ruleset.Rule] in
            let transport = matches.lazy.compactMap(\.transport).first
            let told = Ruleset.Rule(matches, .jump(Ruleset.told))
            let reset = Ruleset.Rule(
                matches + (transport == nil ? [.transport(.tcp)] : []), isCounted: true, decision: .refuse(.reset),
                comment: comment)
            let prohibited = Ruleset.Rule(
                matches, isCounted: true, decision: .refuse(.prohibited), comment: comment)
            return switch transport {
            case nil: [told, reset, prohibited]
            case .tcp?: [told, reset]
            case _?: [told, prohibited]
            }
        }
    }
}

extension Match {
    /// What carries the packets that meet it; nil: anything may.
    fileprivate var transport: IPProtocol? {
        switch self {
        case .destinationPort(let transport, _), .destinationPorts(let transport, _): transport.number
        case .transport(let transport): transport
        default: nil
        }
    }
}

extension Rule {
    /// Of each kernel's rule that is made of this one, what it asks beside the device. None: nothing can be about it.
    fileprivate var matches: [[Match]] {
        let families = Set([client, destination].compactMap { $0?.base.isIPv6 })
        guard families.count < 2 else { return [] }
        var networks: [Match] = []
        if let client, client.prefix > 0 { networks.append(.source(client)) }
        if let destination, destination.prefix > 0 { networks.append(.destination(destination)) }
        if domain != nil {
            let sets = families.isEmpty ? [Match.Family.ipv4, .ipv6] : families.map { $0 ? .ipv6 : .ipv4 }
            return sets.flatMap {
                services(networks + [.among(Ruleset.addresses(ofRule: id, $0))], isIPv6: $0 == .ipv6)
            }
        }
        // An address says which family it is of.
        if networks.isEmpty, let isIPv6 = families.first { networks.append(.family(isIPv6 ? .ipv6 : .ipv4)) }
        return services(networks, isIPv6: families.first)
    }

    /// - Parameter isIPv6: nil: of either version.
    private func services(_ networks: [Match], isIPv6: Bool?) -> [[Match]] {
        let transports: [Opening.Transport] =
            switch transport {
            case nil: [.tcp, .udp]
            case .tcp?: [.tcp]
            case .udp?: [.udp]
            case _?: []
            }
        if let ports { return transports.map { networks + [Opening.Service.ports($0, ports).match] } }
        switch transport {
        case nil: return [networks]
        case .icmp?:
            let versions: [IPProtocol] = isIPv6.map { $0 ? [.icmpv6] : [.icmp] } ?? [.icmp, .icmpv6]
            return versions.map { networks + [.transport($0)] }
        case let transport?: return [networks + [.transport(transport)]]
        }
    }
}

extension Ruleset {
    /// The addresses of the domain that a rule names, as far as the names role has told them.
    package static func addresses(ofRule id: Int, _ family: Match.Family) -> LiveSet {
        LiveSet(name: "\(LiveSet.domainPrefix)\(id)_\(family)", family: family, fields: [.destination], size: 16384)
    }

    /// The same of both families.
    package static func addresses(ofRule id: Int) -> [LiveSet] {
        [Match.Family.ipv4, .ipv6].map { addresses(ofRule: id, $0) }
    }
}

extension LiveSet {
    fileprivate static let domainPrefix = "rule_"

    /// Whether the set is of the addresses of a domain that a rule names.
    package var isOfDomain: Bool { Self.isOfDomain(name) }

    static func isOfDomain(_ name: String) -> Bool { name.hasPrefix(domainPrefix) }
}
