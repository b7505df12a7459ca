import Address

/// The wrong passwords of each source within a quarter of an hour. A source is what a ban is about: who shares a network at home with
/// somebody who guesses has given none of them.
struct GuessCount {
    private var times: [Network: [ContinuousClock.Instant]] = [:]
    private var swept = ContinuousClock.now

    private static let window = Duration.seconds(900)
    /// Sources that are counted at once. A relay tells of so few in a second that honest ones have room.
    private static let capacity = 8192

    /// Counts one more.
    ///
    /// - Returns: whether there were `most`. The count then starts over.
    mutating func note(_ source: Network, atMost most: Int, at now: ContinuousClock.Instant) -> Bool {
        if now - swept >= .seconds(60) || times[source] == nil && times.count >= Self.capacity {
            times = times.mapValues { $0.filter { now - $0 < Self.window } }.filter { !$0.value.isEmpty }
            swept = now
        }
        guard times[source] != nil || times.count < Self.capacity else { return false }
        var own = (times[source] ?? []).filter { now - $0 < Self.window }
        own.append(now)
        let isMost = own.count >= most
        times[source] = isMost ? nil : own
        return isMost
    }
}
