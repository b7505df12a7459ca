import Policy

/// What the box itself began that nothing lets out, since the daemon started. Bounded: of what is asked for longest ago nothing is
/// remembered.
struct Departures {
    static let capacity = 1024
    /// Seconds for which the same is not told again.
    static let silence = 3600
    /// What a role says beyond that is not believed.
    private static let mostAtOnce = 1_000_000

    private var sightings: [Departure: DepartureSighting] = [:]
    private var told: [Departure: Int] = [:]

    /// The latest last.
    var all: [DepartureSighting] { sightings.values.sorted { $0.last < $1.last } }

    /// - Returns: whether it is news.
    mutating func note(_ departure: Departure, count: Int, isRefused: Bool, at time: Int) -> Bool {
        keep(departure, count, at: time) { $0.isRefused = isRefused }
        guard isRefused, told[departure].map({ time - $0 >= Self.silence }) ?? true else { return false }
        told[departure] = time
        return true
    }

    /// Counts what a role has held back, of which nothing is told: the first one under other rules never is.
    ///
    /// - Parameter isRefused: whether it would be now; of a kind that is known what was told of it holds.
    mutating func note(_ held: HeldDeparture, isRefused: Bool, at time: Int) {
        let isKnown = sightings[held.departure] != nil
        keep(held.departure, held.count, at: time - min(max(held.secondsAgo, 0), Self.silence)) {
            if !isKnown { $0.isRefused = isRefused }
        }
    }

    private mutating func keep(
        _ departure: Departure, _ count: Int, at time: Int, _ mark: (inout DepartureSighting) -> Void
    ) {
        var sighting =
            sightings[departure] ?? DepartureSighting(departure: departure, first: time, last: time, count: 0)
        sighting.count += min(max(count, 0), Self.mostAtOnce)
        sighting.last = max(sighting.last, time)
        mark(&sighting)
        if sightings[departure] == nil, sightings.count >= Self.capacity,
            let oldest = sightings.min(by: { $0.value.last < $1.value.last })?.key
        {
            sightings[oldest] = nil
            told[oldest] = nil
        }
        sightings[departure] = sighting
    }
}
