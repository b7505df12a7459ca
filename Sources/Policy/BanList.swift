package import Address

/// The sources that are banned, and those that were within the last week, by which it follows how long the next ban lasts.
package struct BanList: Sendable {
    private var bans: [Network: Ban] = [:]
    /// As many bans are kept.
    package static let capacity = 16_384
    /// So long a ban that is over is remembered.
    private static let memory = 7 * 86_400

    package init(_ bans: [Ban] = []) {
        for ban in bans { self.bans[ban.source] = ban }
    }

    /// Those in force, the latest first.
    package func inForce(at now: Int) -> [Ban] {
        bans.values.filter { $0.isInForce(at: now) }.sorted { ($0.since, "\($0.source)") > ($1.since, "\($1.source)") }
    }

    package func ban(of source: Network, at now: Int) -> Ban? {
        bans[source].flatMap { $0.isInForce(at: now) ? $0 : nil }
    }

    /// How often a source was banned within a week.
    package func times(of source: Network, at now: Int) -> Int {
        bans[source].flatMap { isForgotten($0, at: now) ? nil : $0.times } ?? 0
    }

    private func isForgotten(_ ban: Ban, at now: Int) -> Bool { ban.until.map { $0 < now - Self.memory } ?? false }

    /// The ban that a source has earned by itself.
    package func ban(
        of source: Network, for reason: Ban.Reason, _ text: String, by terms: BanTerms, isAtHome: Bool, at now: Int
    ) -> Ban {
        let times = times(of: source, at: now) + 1
        var seconds = isAtHome ? terms.secondsAtHome : terms.seconds
        if !isAtHome {
            for _ in 1..<min(times, 8) { seconds = min(seconds * 4, BanTerms.durations.upperBound) }
        }
        return Ban(source: source, reason: reason, text: text, since: now, until: now + seconds, times: times)
    }

    /// - Returns: the sources of other bans that are forgotten for it.
    package mutating func insert(_ ban: Ban, at now: Int) -> [Network] {
        bans[ban.source] = nil
        var gone = bans.values.filter { isForgotten($0, at: now) }.map(\.source)
        for source in gone { bans[source] = nil }
        if bans.count >= Self.capacity,
            let first = bans.values.min(by: { ($0.until ?? .max) < ($1.until ?? .max) })
        {
            bans[first.source] = nil
            gone.append(first.source)
        }
        bans[ban.source] = ban
        return gone
    }

    /// The clock was set: what was reckoned by it lasts as long as it was to, as the kernel has it.
    ///
    /// - Returns: all of them.
    package mutating func shift(by seconds: Int) -> [Ban] {
        bans = bans.mapValues { ban in
            var ban = ban
            ban.since = ban.since.addingReportingOverflow(seconds).partialValue
            ban.until = ban.until?.addingReportingOverflow(seconds).partialValue
            return ban
        }
        return Array(bans.values)
    }

    package mutating func remove(_ source: Network) -> Ban? { bans.removeValue(forKey: source) }
}
