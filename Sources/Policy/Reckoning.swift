/// What time it is for all that the operator has timed, on a machine whose clock may be wrong until it has learned the time: a box
/// without a battery begins in the year of its making.
///
/// While the clock is not believed, the time is the last one that was known and what has passed since the start. That is never later
/// than the true time, so whatever held when the time was last known goes on, and nothing that was to last is over too early.
package struct Reckoning: Hashable, Sendable {
    /// The clock may be so far beyond what is reckoned: a box that lay in a drawer. Beyond that, the clock is broken.
    private static let plausibleAbsence = 400 * 86_400
    /// By so much a clock that nobody sets may differ from what has passed.
    private static let drift = 5

    /// The time that was last known before the start, in seconds since 1970; nil: none.
    private let known: Int?
    /// What the clock showed at the start.
    private let first: Int
    /// Once it is believed it stays so: whoever sets it then means it.
    package private(set) var isBelieved: Bool

    /// - Parameters:
    ///   - clock: what the machine's clock shows, in seconds since 1970.
    ///   - isSynchronised: whether the kernel says that somebody keeps its clock right; nil: it does not say.
    package init(known: Int?, clock: Int, isSynchronised: Bool?) {
        (self.known, first) = (known, clock)
        isBelieved = true
        isBelieved = judge(clock: clock, passed: 0, isSynchronised)
    }

    /// The time, in seconds since 1970.
    ///
    /// - Parameter passed: seconds since the start, by a clock that nobody can set.
    package mutating func time(clock: Int, passed: Int, isSynchronised: Bool?) -> Int {
        if !isBelieved { isBelieved = judge(clock: clock, passed: passed, isSynchronised) }
        guard let known, !isBelieved else { return clock }
        return known + passed
    }

    private func judge(clock: Int, passed: Int, _ isSynchronised: Bool?) -> Bool {
        guard let known, isSynchronised != true else { return true }
        // A person or a program has set it since the start, as on a box that nobody keeps synchronised.
        if abs(clock - passed - first) > Self.drift { return true }
        let least = known + passed
        return clock >= least && clock - least <= Self.plausibleAbsence
    }
}

extension Policy {
    /// As it stands at `instant`, with nothing left that a clock decides: for a kernel whose clock is not believed.
    package func settled(at instant: Int, on clock: LocalClock) -> Policy {
        var settled = self
        settled.closeExpired(at: instant)
        for index in settled.devices.indices {
            settled.devices[index].pause = settled.devices[index].hold(at: instant, on: clock).map { _ in .forever }
            settled.devices[index].schedule = nil
        }
        for index in settled.forwards.indices { settled.forwards[index].until = nil }
        return settled
    }
}
