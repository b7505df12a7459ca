package import Policy

/// What the box began since that was told last (`Event.departed`).
package struct HeldDeparture: Codable, Hashable, Sendable {
    package var departure: Departure
    package var count: Int
    /// When it was begun last.
    package var secondsAgo: Int

    package init(departure: Departure, count: Int, secondsAgo: Int) {
        self.departure = departure
        self.count = count
        self.secondsAgo = secondsAgo
    }
}
