import Policy

/// What the box itself began that nothing lets out, since the daemon started. Bounded: of what is asked for longest ago nothing is
/// remembered.
struct Departures {
    static let capacity = 1024
    /// Seconds for which the same is not told again.
    static let silence = 3600

    private var sightings: [Departure: DepartureSighting] = [:]
    private var told: [Departure: Int] = [:]

    /// The latest last.
    var all: [DepartureSighting] { sightings.values.sorted { $0.last < $1.last } }

    /// - Returns: whether it is news.
    mutating func note(_ departure: Departure, count: Int, isRefused: Bool, at time: Int) -> Bool {
        var sighting =
            sightings[departure] ?? DepartureSighting(departure: departure, first: time, last: time, count: 0)
        sighting.count += count
        (sighting.last, sighting.isRefused) = (time, isRefused)
        if sightings[departure] == nil, sightings.count >= Self.capacity,
            let oldest = sightings.min(by: { $0.value.last < $1.value.last })?.key
        {
            sightings[oldest] = nil
            told[oldest] = nil
        }
        sightings[departure] = sighting
        guard isRefused, told[departure].map({ time - $0 >= Self.silence }) ?? true else { return false }
        told[departure] = time
        return true
    }
}
