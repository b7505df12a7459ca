import CLinux
import Glibc
import Synchronization

/// Counts what each client and each user takes up, in memory that processes share: limits hold across all of them and all
/// their threads, and counting takes no lock.
///
/// A subject is known by a keyed hash, so that nobody can choose one that meets another's: in a full table two of 64 bits
/// meet once in 10^11. It has a place as long as it has sessions or has used up something that it has yet to wait for;
/// then another subject may have the place. With no place left a new subject goes unlimited, which is counted
/// (`overflows`): to turn everybody away for it would be worse.
///
/// Another process may write anything here, once it is somebody else's. Then limits do not hold, but no arithmetic on it may
/// trap.
package final class Ledger: Sendable {
    /// How many processes count.
    package static let parties = 2
    static let capacity = 8192
    /// Places in which a subject is looked for, from the one that its hash names.
    private static let window = 32

    /// What all subjects have in common.
    struct Header: ~Copyable {
        /// The key of the hash. It is written before another process has the memory.
        let key: (UInt64, UInt64)
        /// The number of the session that began last.
        let sessions = Atomic<Int>(0)
        /// Held by a party (its number plus 1) while it gives a subject a place.
        let lock = Atomic<UInt64>(0)
        let overflows = Atomic<UInt64>(0)
    }

    /// One subject, on a cache line of its own.
    struct Entry: ~Copyable {
        /// The subject's hash; 0: nobody ever had the place; `reserved`: the place changes hands.
        let subject = Atomic<UInt64>(0)
        /// Sessions now: of party 0 in the lower half, of party 1 in the upper one.
        let sessions = Atomic<UInt64>(0)
        /// When all that was begun, sent and received would have been allowed (the "theoretical arrival time" of the generic
        /// cell rate algorithm, ITU-T I.371), in nanoseconds of CLOCK_MONOTONIC. What lies ahead of now is used up.
        let begun = Atomic<UInt64>(0)
        let sent = Atomic<UInt64>(0)
        let received = Atomic<UInt64>(0)
        /// Handshakes under way, as `sessions`.
        let handshakes = Atomic<UInt64>(0)
        private let unused: (UInt64, UInt64) = (0, 0)
    }

    /// A subject's hash under the ledger's key.
    package struct Subject: Hashable, Sendable {
        fileprivate let hash: UInt64
    }

    package enum Admission: Sendable {
        /// Counted, until `leave`.
        case granted(Place)
        case tooManySessions
        /// Too many new ones in a second.
        case tooFast
        /// There is no place left to count it in.
        case uncounted
    }

    /// Where a subject is counted that has a session.
    package struct Place: Hashable, Sendable {
        fileprivate let index: Int32
    }

    private static let reserved: UInt64 = 1
    private static var length: Int { MemoryLayout<Entry>.stride * (capacity + 1) }

    /// The memory, to be passed to another process.
    package let memory: Descriptor
    private nonisolated(unsafe) let header: UnsafeMutablePointer<Header>
    private nonisolated(unsafe) let entries: UnsafeMutablePointer<Entry>
    /// Which of the processes this one is.
    private let party: UInt64

    /// A new ledger, to be passed on.
    package convenience init() throws(Errno) {
        try self.init(memory: Descriptor(adopting: checked(linux_shared_memory(Ledger.length))), party: 0)
        var random = SystemRandomNumberGenerator()
        header.initialize(to: Header(key: (random.next(), random.next())))
    }

    /// The ledger behind a descriptor that another process passed on.
    package init(memory: consuming Descriptor, party: Int) throws(Errno) {
        var status = stat()
        guard fstat(memory.number, &status) == 0 else { throw Errno(errno) }
        guard Int(status.st_size) == Ledger.length, (0..<Ledger.parties).contains(party) else { throw Errno(EINVAL) }
        let mapped = mmap(nil, Ledger.length, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number, 0)
        guard let mapped, mapped != MAP_FAILED else { throw Errno(errno) }
        header = mapped.bindMemory(to: Header.self, capacity: 1)
        entries = (mapped + MemoryLayout<Entry>.stride).bindMemory(to: Entry.self, capacity: Ledger.capacity)
        self.memory = memory
        self.party = UInt64(party)
    }

    deinit {
        munmap(header, Ledger.length)
    }

    /// A number that no session of any party had.
    package func nextSession() -> Int {
        header.pointee.sessions.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// How often there was no place for a subject.
    package var overflows: Int { Int(clamping: header.pointee.overflows.load(ordering: .relaxed)) }

    package func subject(_ bytes: [UInt8]) -> Subject { bytes.withUnsafeBytes(subject) }

    package func subject(_ bytes: UnsafeRawBufferPointer) -> Subject {
        // 0 and 1 have a meaning of their own.
        Subject(hash: max(2, SipHash.hash(bytes, key: header.pointee.key)))
    }

    // MARK: sessions

    /// So many seconds' worth of new sessions may come at once: a browser that restores its windows begins some hundred within a
    /// second and then hardly any, and a rate that is to bear its first second bounds nobody who goes on and on.
    package static let depth = 5

    /// Counts one more session, if it may be.
    ///
    /// - Parameters:
    ///   - most: sessions at once, over all parties; nil: as many as there are.
    ///   - rate: new ones per second, of which as many as in `depth` seconds may come at once; nil: any.
    package func admit(_ subject: Subject, atMost most: Int?, rate: Int?) -> Admission {
        while true {
            guard let index = find(subject) ?? claim(subject) else {
                header.pointee.overflows.wrappingAdd(1, ordering: .relaxed)
                return .uncounted
            }
            let entry = entries + index
            guard count(in: entry.pointee.sessions, atMost: most ?? .max) else { return .tooManySessions }
            let place = Place(index: Int32(index))
            // The place may have been given away in between. Both sides write first and look then, so one of them sees.
            guard entry.pointee.subject.load(ordering: .sequentiallyConsistent) == subject.hash else {
                leave(place)
                continue
            }
            guard let rate, !use(1, of: entry.pointee.begun, perSecond: rate, burst: rate * Self.depth) else {
                return .granted(place)
            }
            leave(place)
            return .tooFast
        }
    }

    /// Counts one more handshake, if it may be. It keeps its place until `endHandshake`, as a session does.
    ///
    /// - Parameter most: at once, over all parties.
    package func beginHandshake(_ subject: Subject, atMost most: Int) -> Admission {
        while true {
            guard let index = find(subject) ?? claim(subject) else {
                header.pointee.overflows.wrappingAdd(1, ordering: .relaxed)
                return .uncounted
            }
            let entry = entries + index
            guard count(in: entry.pointee.handshakes, atMost: most) else { return .tooManySessions }
            let place = Place(index: Int32(index))
            // As in `admit`.
            if entry.pointee.subject.load(ordering: .sequentiallyConsistent) == subject.hash { return .granted(place) }
            endHandshake(place)
        }
    }

    package func endHandshake(_ place: Place) { uncount(in: entries[Int(place.index)].handshakes) }

    /// The session is over.
    package func leave(_ place: Place) { uncount(in: entries[Int(place.index)].sessions) }

    private func uncount(in counter: borrowing Atomic<UInt64>) {
        let one: UInt64 = 1 << (32 * party)
        var count = counter.load(ordering: .relaxed)
        // At 0 somebody else has written here.
        while count & (one * 0xffff_ffff) != 0 {
            let (done, original) = counter.weakCompareExchange(
                expected: count, desired: count - one, ordering: .sequentiallyConsistent)
            if done { return }
            count = original
        }
    }

    /// Sessions that the subject has now, over all parties.
    package func sessions(of subject: Subject) -> Int {
        find(subject).map { Ledger.total(entries[$0].sessions.load(ordering: .relaxed)) } ?? 0
    }

    /// Handshakes of the subject that are under way, over all parties.
    package func handshakes(of subject: Subject) -> Int {
        find(subject).map { Ledger.total(entries[$0].handshakes.load(ordering: .relaxed)) } ?? 0
    }

    /// A party has died, and its sessions with it.
    package func forget(party: Int) {
        let others: UInt64 = party == 0 ? ~0xffff_ffff : 0xffff_ffff
        for index in 0..<Ledger.capacity {
            entries[index].sessions.bitwiseAnd(others, ordering: .relaxed)
            entries[index].handshakes.bitwiseAnd(others, ordering: .relaxed)
        }
        _ = header.pointee.lock.compareExchange(
            expected: UInt64(party) + 1, desired: 0, ordering: .sequentiallyConsistent)
    }

    private static func total(_ sessions: UInt64) -> Int { Int(sessions & 0xffff_ffff) + Int(sessions >> 32) }

    private func count(in counter: borrowing Atomic<UInt64>, atMost most: Int) -> Bool {
        var count = counter.load(ordering: .relaxed)
        while true {
            guard Ledger.total(count) < most else { return false }
            let (done, original) = counter.weakCompareExchange(
                expected: count, desired: count &+ 1 << (32 * party), ordering: .sequentiallyConsistent)
            if done { return true }
            count = original
        }
    }

    // MARK: places

    private func find(_ subject: Subject) -> Int? {
        for step in 0..<Ledger.window {
            let index = place(of: subject, step)
            if entries[index].subject.load(ordering: .acquiring) == subject.hash { return index }
        }
        return nil
    }

    private func place(of subject: Subject, _ step: Int) -> Int {
        (Int(truncatingIfNeeded: subject.hash >> 32) + step) & (Ledger.capacity - 1)
    }

    /// Gives a subject a place: one that nobody had, or one whose subject has nothing left to count.
    private func claim(_ subject: Subject) -> Int? {
        guard lock() else { return nil }
        defer { header.pointee.lock.store(0, ordering: .sequentiallyConsistent) }
        if let index = find(subject) { return index }
        let now = MonotonicClock.nanoseconds
        for step in 0..<Ledger.window {
            let index = place(of: subject, step)
            let entry = entries + index
            let former = entry.pointee.subject.load(ordering: .relaxed)
            guard former == 0 || isIdle(entry, at: now) else { continue }
            entry.pointee.subject.store(Ledger.reserved, ordering: .sequentiallyConsistent)
            guard entry.pointee.sessions.load(ordering: .sequentiallyConsistent) == 0,
                entry.pointee.handshakes.load(ordering: .sequentiallyConsistent) == 0
            else {
                entry.pointee.subject.store(former, ordering: .sequentiallyConsistent)
                continue
            }
            entry.pointee.subject.store(subject.hash, ordering: .sequentiallyConsistent)
            return index
        }
        return nil
    }

    /// Whether its subject would be counted from the beginning in a new place as well.
    private func isIdle(_ entry: UnsafeMutablePointer<Entry>, at now: UInt64) -> Bool {
        entry.pointee.sessions.load(ordering: .relaxed) == 0
            && entry.pointee.handshakes.load(ordering: .relaxed) == 0
            && entry.pointee.begun.load(ordering: .relaxed) <= now
            && entry.pointee.sent.load(ordering: .relaxed) <= now
            && entry.pointee.received.load(ordering: .relaxed) <= now
    }

    /// The lock is rarely needed and briefly held. Its holder may have been stopped or killed, so nobody waits longer than 5 ms.
    private func lock() -> Bool {
        let end = MonotonicClock.nanoseconds + 5_000_000
        while !header.pointee.lock.weakCompareExchange(
            expected: 0, desired: party + 1, ordering: .sequentiallyConsistent
        ).exchanged {
            guard MonotonicClock.nanoseconds < end else { return false }
            sched_yield()
        }
        return true
    }

    /// Takes the lock for good, as a process does that is killed while it has it.
    func pretendToDieInTheLock() { _ = lock() }

    // MARK: rates

    /// Uses up `count`, if that much is left.
    private func use(_ count: Int, of used: borrowing Atomic<UInt64>, perSecond rate: Int, burst: Int) -> Bool {
        let now = MonotonicClock.nanoseconds
        let cost = nanoseconds(for: count, perSecond: rate)
        var before = used.load(ordering: .relaxed)
        while true {
            let after = sum(max(before, now), cost)
            guard after - now <= nanoseconds(for: burst, perSecond: rate) else { return false }
            let (done, original) = used.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
            if done { return true }
            before = original
        }
    }

    /// The entry, as long as a session has it.
    func entry(at place: Place) -> UnsafeMutablePointer<Entry> { entries + Int(place.index) }
}

/// As +, and the most there can be beyond that.
func sum(_ one: UInt64, _ other: UInt64) -> UInt64 {
    let (sum, isTooMuch) = one.addingReportingOverflow(other)
    return isTooMuch ? .max : sum
}

func nanoseconds(for count: Int, perSecond rate: Int) -> UInt64 {
    UInt64(count) * 1_000_000_000 / UInt64(max(1, rate))
}
