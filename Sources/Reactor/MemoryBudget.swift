import CLinux
import Glibc
import Synchronization

/// How much memory this process may have, and what is done about it: beyond it no session is accepted, those go that nothing is done
/// for, and where that does not do, those of whoever takes most; and what a burst took is given back to the machine when it is over.
///
/// What counts is what the kernel says that the process has (statm, proc(5)): heads, handshakes, associations, buffers and the
/// allocator's own waste are all in it.
package final class MemoryBudget: Sendable {
    package static let shared = MemoryBudget()

    package struct Shortage: Sendable {
        /// Memory was not short for a while before.
        package let isNews: Bool
        /// To end what nothing is done for has not been enough.
        package let isLasting: Bool
    }

    /// What a session takes of the machine's memory at least, its sockets in the kernel included: 24 kB were measured for a tunnel that
    /// has moved something.
    package static let session = 32 << 10

    /// How many sessions so many bytes are enough for.
    package static func sessions(in bytes: Int) -> Int { bytes / session }

    /// Sessions of one reactor that are never too many, whatever the allocator keeps.
    static let fewest = 32
    /// How often the process looks at its memory unasked, in nanoseconds.
    private static let interval: UInt64 = 5_000_000_000
    /// For how long, in nanoseconds, it may do to end what nothing is done for.
    private static let patience: UInt64 = 500_000_000
    /// Bytes that are worth giving back.
    private static let worthwhile = 4 << 20

    /// Bytes; 0: there is no bound.
    private let limit = Atomic<Int>(0)
    private let statm = Atomic<Int32>(-1)
    private let pageSize = sysconf(Int32(_SC_PAGESIZE))
    private let isPastLimit = Atomic<Bool>(false)
    /// When somebody looked last, in milliseconds.
    private let lastLook = Atomic<UInt64>(0)
    private let doorbell = Mutex<Doorbell?>(nil)

    private init() {}

    /// Whether so much memory is in use that what can wait has to wait.
    package var isShort: Bool { isPastLimit.load(ordering: .relaxed) }

    /// From now on memory is bounded.
    ///
    /// - Parameters:
    ///   - bytes: of this process.
    ///   - statm: /proc/self/statm, opened while that could be done.
    ///   - onShortage: called on a thread of its own when memory is short, again and again until it is not.
    package func begin(
        atMost bytes: Int, statm: consuming Descriptor, onShortage: @escaping @Sendable (Shortage) -> Void
    ) throws(Errno) {
        self.statm.store(statm.release(), ordering: .relaxed)
        limit.store(bytes, ordering: .relaxed)
        DescriptorBudget.shared.bound(toSessions: Self.sessions(in: bytes))
        let doorbell = try Doorbell()
        self.doorbell.withLock { $0 = doorbell }
        POSIXThread.start(name: "memory") { [self] in watch(doorbell, onShortage) }
    }

    /// Looks, if nobody has within the last 20 ms (`now` is in milliseconds), and has something done about it.
    func look(at now: UInt64) {
        guard limit.load(ordering: .relaxed) > 0 else { return }
        let last = lastLook.load(ordering: .relaxed)
        guard now >= last + 20, lastLook.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
        else { return }
        if measure() > limit.load(ordering: .relaxed) {
            isPastLimit.store(true, ordering: .relaxed)
            doorbell.withLock { $0 }?.ring()
        }
    }

    private func watch(_ doorbell: Doorbell, _ onShortage: @Sendable (Shortage) -> Void) {
        // What was free when it was last given back.
        var given = linux_free_memory()
        var lastShortage: UInt64 = 0
        var began: UInt64?
        while true {
            doorbell.wait(atMost: isShort ? 20_000_000 : Self.interval)
            let limit = self.limit.load(ordering: .relaxed)
            if measure() > limit {
                isPastLimit.store(true, ordering: .relaxed)
                let now = MonotonicClock.nanoseconds
                let start = began ?? now
                began = start
                onShortage(
                    Shortage(
                        isNews: lastShortage == 0 || now - lastShortage > 10 * Self.interval,
                        isLasting: now - start > Self.patience))
                lastShortage = now
                // The tasks of the ended sessions give back what they hold in their reactors' next turns.
                usleep(20_000)
                given = giveBack()
                isPastLimit.store(measure() > limit, ordering: .relaxed)
                if !isShort { began = nil }
            } else {
                began = nil
                isPastLimit.store(false, ordering: .relaxed)
                let free = linux_free_memory()
                if free > given + Self.worthwhile { given = giveBack() } else { given = min(given, free) }
            }
        }
    }

    /// malloc_trim(3): gives the free pages of every arena back, which the allocator would keep for ever.
    ///
    /// - Returns: what is free in the arenas still, given back or not.
    private func giveBack() -> Int {
        linux_trim_memory()
        return linux_free_memory()
    }

    /// Bytes that the process has in memory; 0: that cannot be known.
    private func measure() -> Int {
        var text = [UInt8](repeating: 0, count: 128)
        let count = pread(statm.load(ordering: .relaxed), &text, text.count, 0)
        guard count > 0 else { return 0 }
        let fields = text[..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * pageSize
    }
}
