import CLinux
import Synchronization

/// A role's way to send the supervisor events, for any thread. Events beyond the rate, or from before the role has begun, are
/// dropped: an event only asks for a look, and the look finds everything.
package final class EventLine: Sendable {
    /// Events per second, and how many may come at once.
    package static let rate = 32

    /// The role's end of its channel, on which a packet goes out whole or not at all.
    private let channel: Int32
    /// nil: the role has not begun.
    private let bound = Mutex<EventBound?>(nil)

    init(channel: Int32) {
        self.channel = channel
    }

    /// The supervisor has had the answer to `begin`.
    func open() {
        bound.withLock { $0 = EventBound(limit: EventLine.rate) }
    }

    /// Tells the supervisor.
    ///
    /// - Returns: whether it went out.
    @discardableResult
    package func send(_ event: Event) -> Bool {
        guard bound.withLock({ $0?.admits() }) == true else { return false }
        let bytes = Message.encode(Word.event(event))
        // A supervisor that does not read hangs or is gone.
        return linux_send_packet(channel, bytes, bytes.count, [], 0) >= 0
    }
}

/// So many events in a second.
package struct EventBound {
    /// The rate beyond which the supervisor ends a role; a role of ours stays far below it.
    static let borne = 4 * EventLine.rate
    /// The same for pleas, of which each session has two.
    static let pleas = 100_000

    let limit: Int
    private var count = 0
    private var start = ContinuousClock.now

    package init(limit: Int) {
        self.limit = limit
    }

    /// Counts one, unless it is one too many.
    package mutating func admits(at now: ContinuousClock.Instant = .now) -> Bool {
        if now - start >= .seconds(1) { (start, count) = (now, 0) }
        guard count < limit else { return false }
        count += 1
        return true
    }
}
