package import Address
import Policy

/// What comes of bans: nothing begins with who is banned, and what may lead to a ban is reported (`Ruleset.Decision.note`).
struct BanRules {
    private let terms: BanTerms
    private let internet: [String]

    init(_ terms: BanTerms, from internet: [String]) {
        self.terms = terms
        self.internet = internet
    }

    /// Asked of what begins with this machine or, from the internet, with a device behind it.
    ///
    /// The internet's sources get nothing at all. Those of the home lose the services that answer to TCP, and keep what their network
    /// needs: addresses, names, and the way out.
    var bannedChain: Ruleset.Chain {
        var rules: [Ruleset.Rule] = []
        if !internet.isEmpty {
            for set in LiveSet.bans {
                rules.append(Ruleset.Rule([.inputInterface(internet), .among(set)], .goto(Self.barrier.name)))
            }
        }
        for set in LiveSet.bans {
            rules.append(Ruleset.Rule([.transport(.tcp), .among(set)], .goto(Self.barrier.name)))
        }
        return Ruleset.Chain(name: Self.banned, rules: rules)
    }

    static let banned = "banned"
    static let barrier = Ruleset.barrier("bar_banned", for: banned)

    /// At the end of what comes to the machine, where nothing was open for it. What goes to many at once is no scan.
    var scanRules: [Ruleset.Rule] {
        guard terms.scans != nil, !internet.isEmpty else { return [] }
        return [
            Ruleset.Rule([.inputInterface(internet), .connection([.new]), .ownDestination], .jump(Self.scans))
        ]
    }

    /// Of chains and of meters.
    private static let scans = "scans"
    private static let floods = "floods"

    /// Where a packet that is beyond the rate of its source goes; nil: it is dropped at once.
    var floodChain: Ruleset.Chain? {
        guard let floods = terms.floods, !internet.isEmpty else { return nil }
        return Ruleset.Chain(
            name: Self.floods,
            rules: reports(.flood, Self.floods, beyond: floods, [.inputInterface(internet)]) + [
                Ruleset.Rule([], .drop)
            ])
    }

    var scanChain: Ruleset.Chain? {
        guard let scans = terms.scans, !internet.isEmpty else { return nil }
        return Ruleset.Chain(name: Self.scans, rules: reports(.scan, Self.scans, beyond: scans, []))
    }

    var meters: [Ruleset.Meter] {
        guard !internet.isEmpty, terms.scans != nil || terms.floods != nil else { return [] }
        let names =
            (terms.scans == nil ? [] : [Self.scans]) + (terms.floods == nil ? [] : [Self.floods]) + [Self.reported]
        return names.flatMap { name in
            [Match.Family.ipv4, .ipv6].map { meter(name, $0) }
        }
    }

    /// A source is reported once a second at most, however much it sends.
    private func reports(
        _ notice: Ruleset.Notice, _ name: String, beyond threshold: Int, _ matches: [Match]
    ) -> [Ruleset.Rule] {
        [Match.Family.ipv4, .ipv6].map { family in
            Ruleset.Rule(
                matches + [
                    .beyondRate(rate(name, family, burst: threshold)),
                    .withinRate(rate(Self.reported, family, burst: 1)),
                ], decision: .note(notice))
        }
    }

    private static let reported = "reported"

    private func rate(_ name: String, _ family: Match.Family, burst: Int) -> Match.SourceRate {
        Match.SourceRate(meter: meter(name, family).name, family: family, perSecond: 1, burst: UInt32(clamping: burst))
    }

    private func meter(_ name: String, _ family: Match.Family) -> Ruleset.Meter {
        Ruleset.Meter(name: "\(name)_\(family)", family: family, size: 16384, seconds: 60)
    }
}

extension LiveSet {
    /// Who is banned.
    package static func bans(_ family: Match.Family) -> LiveSet {
        LiveSet(name: "bans_\(family)", family: family, fields: [.sourceNetwork], size: 65_536, isCounted: true)
    }

    /// The same of single addresses of IPv6: of networks in which the gateway itself is.
    package static let neighbourBans = LiveSet(
        name: "bans_neighbours", family: .ipv6, fields: [.source], size: 65_536, isCounted: true)

    package static let bans = [bans(.ipv4), bans(.ipv6), neighbourBans]
}

extension LiveChange {
    /// A ban comes or goes.
    ///
    /// - Parameter source: as `Ban` has it.
    package init(banOf source: Network, _ kind: Kind) {
        let set: LiveSet =
            switch (source.base, source.prefix) {
            case (.v4, _): .bans(.ipv4)
            case (.v6, 128): .neighbourBans
            case (.v6, _): .bans(.ipv6)
            }
        self.init(LiveKey([.address(source.base)]), in: set.name, kind)
    }
}
