/// Which devices were told of lately, that they ask for what a rule denies. Bounded, and so is what is told in an hour: a home of which
/// each device asks for denied names all day long has other news, too.
struct Denials {
    enum News {
        case denial
        /// There are more than are told.
        case more
    }

    private struct Kind: Hashable {
        var device: String
        /// What the rule denies: its number may be another rule's later.
        var domain: String
    }

    /// For so long the same is not told again.
    static let silence = Duration.seconds(3600)
    static let capacity = 32
    private var told: [Kind: ContinuousClock.Instant] = [:]
    private var toldOfMore: ContinuousClock.Instant?

    /// - Returns: what is news; nil: nothing.
    mutating func note(device: String, domain: String, at now: ContinuousClock.Instant) -> News? {
        let kind = Kind(device: device, domain: domain)
        told = told.filter { now - $0.value < Self.silence }
        guard told[kind] == nil else { return nil }
        guard told.count < Self.capacity else {
            if let toldOfMore, now - toldOfMore < Self.silence { return nil }
            toldOfMore = now
            return .more
        }
        told[kind] = now
        return .denial
    }
}
