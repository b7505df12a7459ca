package import Address

/// Where a device was seen to go while it was watched. It decides nothing, and is no part of the policy.
package struct Learning: Hashable, Sendable {
    /// So many destinations are remembered of a device.
    package static let capacity = 256
    /// Seconds for which a device may learn.
    package static let spans = 60...60 * 86_400

    package var hardware: HardwareAddress
    /// Seconds since 1970, UTC.
    package var since: Int
    /// When it ends by itself; nil: it is over.
    package var until: Int?
    /// How often the device went where there was no more room to remember it.
    package var missed: Int
    private var sightings: [Visit: VisitSighting]

    package init(
        hardware: HardwareAddress, since: Int, until: Int?, missed: Int = 0, sightings: [VisitSighting] = []
    ) {
        self.hardware = hardware
        self.since = since
        self.until = until
        self.missed = missed
        self.sightings = Dictionary(sightings.map { ($0.visit, $0) }) { first, _ in first }
    }

    /// In the order of their hosts.
    package var all: [VisitSighting] { sightings.values.sorted { $0.visit < $1.visit } }

    package var isEmpty: Bool { sightings.isEmpty }

    /// The clock was set by so many seconds.
    package mutating func shift(by seconds: Int) {
        since = since.addingReportingOverflow(seconds).partialValue
        until = until?.addingReportingOverflow(seconds).partialValue
    }

    /// - Parameter count: how often it was begun; 0: it is under way, and may have been noted when it began.
    /// - Returns: whether it is news.
    @discardableResult
    package mutating func note(_ visit: Visit, at address: IPAddress?, count: Int = 1, time: Int) -> Bool {
        if var known = sightings[visit] {
            known.count += count
            known.last = max(known.last, time)
            known.address = address ?? known.address
            sightings[visit] = known
            return false
        }
        guard sightings.count < Self.capacity else {
            missed += count
            return false
        }
        sightings[visit] = VisitSighting(visit: visit, address: address, first: time, last: time, count: max(count, 1))
        return true
    }
}
