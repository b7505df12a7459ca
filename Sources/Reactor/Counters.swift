import CLinux
import Glibc
import Synchronization

/// Counters in memory that processes share, so that looking at them never slows down what they count.
///
/// The page is divided into accounts, one for each listener. Which account belongs to which listener is the supervisor's to decide.
package final class Counters: Sendable {
    /// How many accounts there are.
    package static let accounts = 256

    /// Where one account counts. Each field on its own is exact; together they are not a snapshot.
    struct Account: ~Copyable {
        /// Sessions since the account was last reset.
        let sessions = Atomic<UInt64>(0)
        /// Sessions now.
        let active = Atomic<Int64>(0)
        /// Bytes from clients to origins.
        let sent = Atomic<UInt64>(0)
        /// Bytes from origins to clients.
        let received = Atomic<UInt64>(0)
    }

    package struct Reading: Sendable, Equatable {
        package var sessions: UInt64
        package var active: Int
        package var sent: UInt64
        package var received: UInt64
    }

    /// The memory, to be passed to another process.
    package let memory: Descriptor
    private nonisolated(unsafe) let base: UnsafeMutablePointer<Account>
    private static var length: Int { accounts * MemoryLayout<Account>.stride + MemoryLayout<UInt64>.stride }

    /// Behind the accounts: since when no name server answers, in milliseconds of the monotonic clock; 0: one does, or nobody
    /// has asked.
    private var silence: UnsafeMutablePointer<Atomic<UInt64>> {
        UnsafeMutableRawPointer(base + Counters.accounts).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// New counters, all zero.
    package convenience init() throws(Errno) {
        try self.init(memory: Descriptor(adopting: checked(linux_shared_memory(Counters.length))))
    }

    /// The counters behind a descriptor that another process passed on.
    package init(memory: consuming Descriptor) throws(Errno) {
        var status = stat()
        guard fstat(memory.number, &status) == 0 else { throw Errno(errno) }
        guard Int(status.st_size) == Counters.length else { throw Errno(EINVAL) }
        let mapped = mmap(nil, Counters.length, PROT_READ | PROT_WRITE, MAP_SHARED, memory.number, 0)
        guard let mapped, mapped != MAP_FAILED else { throw Errno(errno) }
        base = mapped.bindMemory(to: Account.self, capacity: Counters.accounts)
        self.memory = memory
    }

    deinit {
        munmap(base, Counters.length)
    }

    subscript(account: UInt16) -> UnsafeMutablePointer<Account> {
        base + Int(account) % Counters.accounts
    }

    package func read(_ account: UInt16) -> Reading {
        let account = self[account]
        return Reading(
            sessions: account.pointee.sessions.load(ordering: .relaxed),
            active: max(0, Int(account.pointee.active.load(ordering: .relaxed))),
            sent: account.pointee.sent.load(ordering: .relaxed),
            received: account.pointee.received.load(ordering: .relaxed))
    }

    package func nameServersAnswered() {
        if silence.pointee.load(ordering: .relaxed) != 0 { silence.pointee.store(0, ordering: .relaxed) }
    }

    package func nameServersAreSilent() {
        _ = silence.pointee.compareExchange(expected: 0, desired: monotonicMilliseconds(), ordering: .relaxed)
    }

    /// For how long no name server has answered; nil: one does, or nobody has asked.
    package var nameServersSilence: Duration? {
        let since = silence.pointee.load(ordering: .relaxed)
        return since == 0
            ? nil : .milliseconds(max(0, Int64(clamping: monotonicMilliseconds()) - Int64(clamping: since)))
    }

    /// Sets an account to zero: before it is given out, and its sessions now to zero when the process that counted them ended.
    package func reset(_ account: UInt16, activeOnly: Bool = false) {
        let account = self[account]
        account.pointee.active.store(0, ordering: .relaxed)
        guard !activeOnly else { return }
        account.pointee.sessions.store(0, ordering: .relaxed)
        account.pointee.sent.store(0, ordering: .relaxed)
        account.pointee.received.store(0, ordering: .relaxed)
    }
}
