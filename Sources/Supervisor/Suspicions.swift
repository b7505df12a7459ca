import Address

/// Clients that seem to be guessing passwords, as the relays tell. Bounded, since a relay may tell anything.
struct Suspicions {
    private struct Suspicion {
        var user: String
        var count: Int
        var time: ContinuousClock.Instant
    }

    private var clients: [IPAddress: Suspicion] = [:]

    private static let capacity = 64
    private static let longestName = 64
    /// As long the relays remember them.
    private static let life = Duration.seconds(900)
    /// How many are named; the rest are a number.
    private static let shown = 3

    mutating func note(_ client: IPAddress, user: String, count: Int, at now: ContinuousClock.Instant) {
        clients = clients.filter { now - $0.value.time < Self.life }
        if clients[client] == nil, clients.count >= Self.capacity,
            let oldest = clients.min(by: { $0.value.time < $1.value.time })
        {
            clients[oldest.key] = nil
        }
        clients[client] = Suspicion(
            user: String(user.prefix(Self.longestName)), count: max(0, count), time: now)
    }

    /// A line for each of the latest ones.
    func warnings(at now: ContinuousClock.Instant) -> [String] {
        let all = clients.filter { now - $0.value.time < Self.life }.sorted { $0.value.time > $1.value.time }
        let lines = all.prefix(Self.shown).map { client, suspicion in
            "\(client) has given \(suspicion.count) wrong passwords lately, the last for \(suspicion.user); if it is none of "
                + "yours, `gatehousectl listener set` with `--from` says who may come"
        }
        guard all.count > Self.shown else { return lines }
        return lines + ["\(all.count - Self.shown) more clients have given wrong passwords lately"]
    }
}
