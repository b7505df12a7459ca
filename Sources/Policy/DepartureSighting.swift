/// Something that a program of the box began and nothing lets out, as often as it was seen.
package struct DepartureSighting: Codable, Hashable, Sendable {
    package var departure: Departure
    /// Seconds since 1970, UTC.
    package var first: Int
    package var last: Int
    /// Beginnings that the kernel told of: of many at once not every one.
    package var count: Int
    /// Whether it was refused, the last time.
    package var isRefused = false

    package init(departure: Departure, first: Int, last: Int, count: Int, isRefused: Bool = false) {
        self.departure = departure
        self.first = first
        self.last = last
        self.count = count
        self.isRefused = isRefused
    }
}
