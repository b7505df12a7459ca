import Address
import Policy

/// Clients that seem to be guessing passwords, as the relays tell. Bounded, since a relay may tell anything. Of IPv6 a client is a whole
/// /64, as where the guesses are counted (`LoginQueue`).
struct Suspicions {
    private struct Suspicion {
        var sentence: String
        /// How many there were when it was news.
        var told: Int
        var time: ContinuousClock.Instant
    }

    /// By address; of IPv6 the first of its /64.
    private var clients: [IPAddress: Suspicion] = [:]

    private static let capacity = 64
    private static let longestName = 64
    /// As long the relays remember them.
    private static let life = Duration.seconds(900)
    /// How many are named; the rest are a number.
    private static let shown = 3

    /// So few wrong passwords anybody may give.
    private static let suspicious = 10

    /// - Parameter count: the wrong passwords of late.
    /// - Returns: what is to be said of it; nil: it is no news, as the first that is told of a client is, and ten times as many as were
    ///   told before.
    mutating func note(_ client: IPAddress, user: String, count: Int, at now: ContinuousClock.Instant) -> String? {
        guard count >= Self.suspicious else { return nil }
        let client = client.unmapped
        let network = client.first64
        let key = network ?? client
        let place = network.map { "\(Network($0, prefix: 64))" } ?? "\(client)"
        let last = "the last for \(user.prefix(Self.longestName))" + (network == nil ? "" : " from \(client)")
        let sentence = "\(place) has given \(count) wrong passwords lately, \(last)"
        clients = clients.filter { now - $0.value.time < Self.life }
        if clients[key] == nil, clients.count >= Self.capacity,
            let oldest = clients.min(by: { $0.value.time < $1.value.time })
        {
            clients[oldest.key] = nil
        }
        let told = clients[key]?.told ?? 0
        let isNews = told == 0 || count / 10 >= told
        clients[key] = Suspicion(sentence: sentence, told: isNews ? count : told, time: now)
        return isNews ? sentence : nil
    }

    /// A line for each of the latest ones.
    func warnings(at now: ContinuousClock.Instant) -> [String] {
        let all = clients.filter { now - $0.value.time < Self.life }.sorted { $0.value.time > $1.value.time }
        let lines = all.prefix(Self.shown).map { _, suspicion in
            suspicion.sentence + "; if it is none of yours, `gatehousectl listener set` with `--from` says who may come"
        }
        guard all.count > Self.shown else { return lines }
        return lines + ["\(all.count - Self.shown) more clients have given wrong passwords lately"]
    }
}
