internal import Address
internal import Policy

extension Ruleset {
    /// Where packets end that are stopped for their source alone. A few of each source are told, with meters and a notice of their
    /// own: however many are stopped here, what else is stopped is told as before.
    static func barrier(_ name: String, for reason: String) -> Chain {
        Chain(
            name: name,
            rules: barrierMeters.map { meter in
                Rule(
                    [.withinRate(.init(meter: meter.name, family: meter.family, perSecond: 1, burst: 10))],
                    decision: .note(.barred, reason: reason))
            } + [Rule([], isCounted: true, .drop, comment: reason)])
    }

    /// Where packets end whose sender is told that they are refused.
    static func refusal(_ name: String, for reason: String) -> Chain {
        Chain(
            name: name,
            rules: [
                Rule([], .jump(told)),
                Rule([.transport(.tcp)], isCounted: true, decision: .refuse(.reset), comment: reason),
                Rule(isCounted: true, decision: .refuse(.prohibited), comment: reason),
            ])
    }

    /// Sources that are made up may be more than there is room for; the rest are not told.
    static let barrierMeters = [
        Meter(name: "barred_ipv4", family: .ipv4, size: 1024, seconds: 60),
        Meter(name: "barred_ipv6", family: .ipv6, size: 1024, seconds: 60),
    ]

    static let forgedBarrier = barrier("bar_forged", for: "forged sources")
}
