package import Address

/// When a source is banned by itself, for how long, and who never is.
package struct BanTerms: Codable, Hashable, Sendable {
    /// Wrong passwords within a quarter of an hour; nil: nobody is banned for guessing.
    package var guesses: Int?
    /// From the internet: beginnings at ports that are shut; one a second is forgiven. nil: nobody is banned for them.
    package var scans: Int?
    /// From the internet: beginnings beyond what `newcomers` lets a source have; one a second is forgiven. nil: nobody is
    /// banned for them.
    package var floods: Int?
    /// Seconds of a first ban; each that follows within a week lasts four times as long, a week at most.
    package var seconds: Int
    /// Seconds of a ban of a source that is no internet's, such as a device of the home: each lasts as long.
    package var secondsAtHome: Int
    /// Whoever is in one of these is never banned; in ascending order.
    package var spared: [Network]

    /// Bounds of each threshold, and of how long a ban lasts.
    package static let thresholds = 3...10_000
    package static let durations = 10...7 * 86_400

    package init(
        guesses: Int? = 20, scans: Int? = 100, floods: Int? = 1000, seconds: Int = 3600, secondsAtHome: Int = 300,
        spared: [Network] = []
    ) {
        self.guesses = guesses
        self.scans = scans
        self.floods = floods
        self.seconds = seconds
        self.secondsAtHome = secondsAtHome
        self.spared = spared
    }
}

extension BanTerms {
    /// The spared network for which a source is not banned; nil: there is none.
    package func spared(_ source: Network) -> Network? {
        spared.first { $0.contains(source.base) || source.contains($0.base) }
    }

    package func spares(_ source: Network) -> Bool { spared(source) != nil }
}

extension BanTerms: CustomStringConvertible {
    /// As `notation` has it; nil: it is something else.
    package init?(notation text: String) {
        var words = text.split(separator: " ", omittingEmptySubsequences: false)[...]
        func take(_ name: String) -> Substring? {
            guard words.first == Substring(name), words.count >= 2 else { return nil }
            defer { words = words.dropFirst(2) }
            return words[words.startIndex + 1]
        }
        guard let guesses = take("guesses"), let scans = take("scans"), let floods = take("floods"),
            let seconds = take("for").flatMap({ Int($0) }), let secondsAtHome = take("at-home").flatMap({ Int($0) }),
            [guesses, scans, floods].allSatisfy({ $0 == "off" || Int($0) != nil })
        else { return nil }
        var spared: [Network] = []
        if words.first == "sparing" {
            for word in words.dropFirst() {
                guard let network = Network(String(word)) else { return nil }
                spared.append(network)
            }
        } else if !words.isEmpty {
            return nil
        }
        self.init(
            guesses: Int(guesses), scans: Int(scans), floods: Int(floods), seconds: seconds,
            secondsAtHome: secondsAtHome, spared: spared)
    }

    /// As the store keeps it.
    package var notation: String {
        func shown(_ threshold: Int?) -> String { threshold.map { "\($0)" } ?? "off" }
        let list = spared.isEmpty ? "" : " sparing \(spared.map(\.description).joined(separator: " "))"
        return "guesses \(shown(guesses)) scans \(shown(scans)) floods \(shown(floods)) for \(seconds) "
            + "at-home \(secondsAtHome)\(list)"
    }

    /// `after 20 wrong passwords or 100 tries at shut ports, for 1 h, at home for 5 min; never 192.0.2.0/24`
    package var description: String {
        let reasons = [
            guesses.map { "\($0) wrong passwords" }, scans.map { "\($0) tries at shut ports" },
            floods.map { "\($0) beginnings beyond the rate" },
        ].compactMap(\.self)
        let list = spared.isEmpty ? "" : "; never \(spared.map(\.description).joined(separator: ", "))"
        guard let last = reasons.last else { return "for nothing\(list)" }
        let others = reasons.dropLast().joined(separator: ", ")
        return "after \(others.isEmpty ? last : "\(others) or \(last)"), for \(Self.shown(seconds)), "
            + "at home for \(Self.shown(secondsAtHome))\(list)"
    }

    /// `90 s`, `5 min`, `1 h`, `7 d`
    package static func shown(_ seconds: Int) -> String {
        switch seconds {
        case 86_400... where seconds % 86_400 == 0: "\(seconds / 86_400) d"
        case 3600... where seconds % 3600 == 0: "\(seconds / 3600) h"
        case 60... where seconds % 60 == 0: "\(seconds / 60) min"
        default: "\(seconds) s"
        }
    }
}

extension Policy {
    package mutating func set(_ terms: BanTerms) throws(Refusal) {
        for (name, threshold) in [("guesses", terms.guesses), ("scans", terms.scans), ("floods", terms.floods)] {
            guard let threshold, !BanTerms.thresholds.contains(threshold) else { continue }
            throw Refusal(
                "\(name) \(threshold): from \(BanTerms.thresholds.lowerBound) to \(BanTerms.thresholds.upperBound), or off"
            )
        }
        for (name, seconds) in [("for", terms.seconds), ("at-home", terms.secondsAtHome)] {
            guard !BanTerms.durations.contains(seconds) else { continue }
            throw Refusal("\(name) \(seconds) s: a ban lasts from 10 s to 7 days")
        }
        bans = terms
    }

    package mutating func spare(_ network: Network) throws(Refusal) {
        try Self.checkMatches(network)
        guard !bans.spared.contains(network) else { throw Refusal("\(network) is spared already") }
        guard bans.spared.count < 256 else { throw Refusal("256 networks are spared already; `ban unspare` one first") }
        bans.spared = (bans.spared + [network]).sorted { "\($0)" < "\($1)" }
    }

    package mutating func unspare(_ network: Network) throws(Refusal) {
        guard let index = bans.spared.firstIndex(of: network) else {
            throw Refusal("\(network) is not spared; `gatehousectl ban list` shows which networks are")
        }
        bans.spared.remove(at: index)
    }
}
