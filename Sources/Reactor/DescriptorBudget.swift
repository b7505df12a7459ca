import CLinux
import Synchronization

/// How many descriptors this process may still open for sessions (RLIMIT_NOFILE less a reserve).
///
/// Accepting stops before the limit is reached, so that sessions under way can still dial, resolve and splice.
package final class DescriptorBudget: Sendable {
    package static let shared = DescriptorBudget()

    /// Kept back for what nobody takes from the budget: epoll, eventfds, resolver sockets.
    private static let reserve = 64
    /// Descriptors that a new session may need: its client's and its origin's.
    static let session = 2
    /// Milliseconds after which ended sessions have closed their descriptors.
    private static let reliefInterval: UInt64 = 16

    /// How long a client is spared that has just come, or has just had its answer, in milliseconds.
    static let sparing: UInt32 = 300
    /// The same, however many wait: time for the way to a client and back.
    private static let leastSparing: UInt32 = 32
    /// In how many milliseconds all that wait would have had a session at the pace of the moment. The pace is less as the queue gets
    /// shorter, so that the last of many waits some four times as long.
    private static let passage = 150

    private let bound: Atomic<Int>
    private let used = Atomic<Int>(0)
    /// In milliseconds.
    private let lastRelief = Atomic<UInt64>(0)

    private init() {
        bound = Atomic(Int(max(linux_raise_descriptor_limit(), 256)) - DescriptorBudget.reserve)
    }

    private var limit: Int { bound.load(ordering: .relaxed) }

    /// Lowers the limit to what so many sessions need.
    func bound(toSessions count: Int) {
        _ = bound.min(max(count, 1) * DescriptorBudget.session, ordering: .relaxed)
    }

    func reserve(_ count: Int) {
        used.add(count, ordering: .relaxed)
    }

    func release(_ count: Int) {
        used.subtract(count, ordering: .relaxed)
    }

    /// What is done for clients that wait while no more fits.
    struct Relief: Equatable {
        /// How many sessions are ended, if as many are expendable: one for each client that waits.
        let count: Int
        /// How long a session is spared at first, in milliseconds.
        let sparing: UInt32
    }

    /// The relief for so many clients that wait. The last of a long queue is served as soon as that of a short one: the longer the queue,
    /// the less time each client has to say what it wants. A client that has waited has sent it meanwhile.
    func relief(for waiting: Int) -> Relief {
        let count = max(waiting, 1)
        let share = UInt32(clamping: DescriptorBudget.passage * limit / DescriptorBudget.session / count)
        return Relief(count: count, sparing: min(max(share, DescriptorBudget.leastSparing), DescriptorBudget.sparing))
    }

    /// Whether sessions are to be ended now (milliseconds). True once in a while for all listeners and reactors together, each of which
    /// runs out of descriptors.
    func beginRelief(at now: UInt64) -> Bool {
        let last = lastRelief.load(ordering: .relaxed)
        guard now >= last + DescriptorBudget.reliefInterval else { return false }
        return lastRelief.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
    }

    /// Whether one more descriptor fits, for uses that can do without it.
    package var hasRoom: Bool { used.load(ordering: .relaxed) < limit }

    /// Takes what a session may need, if one more fits.
    func reserveSession() -> Bool {
        if used.add(DescriptorBudget.session, ordering: .relaxed).newValue <= limit { return true }
        release(DescriptorBudget.session)
        return false
    }
}
