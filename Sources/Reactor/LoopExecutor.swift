import CLinux
import Glibc
import Synchronization

/// The serial executor of a reactor: jobs and events of one thread.
///
/// It is a task executor too, and every task of a reactor has to prefer it: the runtime resumes an unsafe continuation on the
/// generic executor first and hops to the actor from there (swift_continuation_init, Swift 6.3), and without a preference
/// the generic executor is the global pool: two thread switches for every wait.
///
/// The one class here that is `@unchecked Sendable`: `loop`, `local`, `running` and `taken` are touched by the loop's thread
/// alone; the rest is atomic or behind the mutex.
final class LoopExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    let loop: Loop
    /// Jobs that the loop's own thread enqueued, in order. Two arrays take turns, so that draining never shifts one.
    private var local: [UnownedJob] = []
    private var running: [UnownedJob] = []
    private let inbox = Mutex(Inbox())
    /// The content that the inbox had last. The two take turns, so that no array is made anew.
    private var taken = Inbox()
    private let wakeup: Descriptor
    /// True while the loop is in epoll_wait, or about to be: only then is the eventfd worth a system call.
    private let isAsleep = Atomic<Bool>(false)
    private let isStopped = Atomic<Bool>(false)
    private let thread = Atomic<UInt>(0)
    private let pending = Atomic<Int>(0)

    private struct Inbox {
        var jobs: [UnownedJob] = []
        var arrivals: [(Arrival, Reactor)] = []
        var bodies: [(ReactorBody, Reactor)] = []
        /// The loop has ended: what comes now would wait for ever.
        var isClosed = false

        var isEmpty: Bool { jobs.isEmpty && arrivals.isEmpty && bodies.isEmpty }

        mutating func empty() {
            jobs.removeAll(keepingCapacity: true)
            arrivals.removeAll(keepingCapacity: true)
            bodies.removeAll(keepingCapacity: true)
        }
    }

    init(counters: Counters, limits: TunnelLimits) throws(Errno) {
        loop = try Loop(counters: counters, limits: limits)
        wakeup = try Descriptor(adopting: checked(linux_eventfd()))
        try checked(linux_epoll_add(loop.epoll.number, wakeup.number, LINUX_EPOLLIN, UInt64.max))
    }

    /// Sessions and tunnels here, and on their way here.
    var load: Int { loop.load.load(ordering: .relaxed) + pending.load(ordering: .relaxed) }

    /// Whether this is the loop's thread.
    var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent {
            local.append(job)
        } else {
            inbox.withLock { $0.jobs.append(job) }
            wake()
        }
    }

    /// Hands an accepted client over from another reactor's thread.
    func deliver(_ arrival: Arrival, to reactor: Reactor) {
        pending.add(1, ordering: .relaxed)
        let isTaken = inbox.withLock { inbox in
            if !inbox.isClosed { inbox.arrivals.append((arrival, reactor)) }
            return !inbox.isClosed
        }
        if isTaken { wake() } else { drop(arrival) }
    }

    /// Hands work over from another thread; no other thread has a part in starting it.
    func deliver(_ body: @escaping ReactorBody, to reactor: Reactor) {
        inbox.withLock { if !$0.isClosed { $0.bodies.append((body, reactor)) } }
        wake()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    func checkIsolated() {
        precondition(isCurrent, "this is not the reactor's thread")
    }

    func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    func start(name: String) {
        let executor = Unmanaged.passRetained(self)
        POSIXThread.start(name: name) {
            executor.takeRetainedValue().run()
        }
    }

    func stop() {
        isStopped.store(true, ordering: .sequentiallyConsistent)
        wake(always: true)
    }

    /// Drain jobs, wait, deliver, drain, free: until stopped.
    func run() {
        blockPipeSignal()
        thread.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
        while !isStopped.load(ordering: .relaxed) {
            emptyInbox()
            drain()
            loop.freeClosed()
            // Announce sleep first and look again after: a job that comes in between then either is seen here or wakes us.
            isAsleep.store(true, ordering: .sequentiallyConsistent)
            let mayBlock = local.isEmpty && inbox.withLock { $0.isEmpty }
            let wokeUp = loop.poll(mayBlock: mayBlock)
            isAsleep.store(false, ordering: .sequentiallyConsistent)
            loop.deliver()
            if wokeUp { _ = readEventCount(wakeup.number) }
        }
        emptyInbox()
        drain()
        loop.abandon()
        drain()
        let late = inbox.withLock { inbox in
            defer { inbox = Inbox(isClosed: true) }
            return inbox.arrivals
        }
        for (arrival, _) in late { drop(arrival) }
        thread.store(0, ordering: .sequentiallyConsistent)
    }

    private func drop(_ arrival: Arrival) {
        pending.subtract(1, ordering: .relaxed)
        arrival.drop()
    }

    private func wake(always: Bool = false) {
        guard always || isAsleep.load(ordering: .sequentiallyConsistent) else { return }
        var one: UInt64 = 1
        _ = linux_write(wakeup.number, &one, 8)
    }

    private func emptyInbox() {
        let hasAny = inbox.withLock { inbox in
            guard !inbox.isEmpty else { return false }
            swap(&inbox, &taken)
            return true
        }
        guard hasAny else { return }
        local.append(contentsOf: taken.jobs)
        for (arrival, reactor) in taken.arrivals {
            pending.subtract(1, ordering: .relaxed)
            reactor.assumeIsolated { $0.admit(arrival) }
        }
        for (body, reactor) in taken.bodies {
            reactor.assumeIsolated { $0.startImmediately(body) }
        }
        taken.empty()
    }

    private func drain() {
        guard !local.isEmpty else { return }
        let (executor, taskExecutor) = (asUnownedSerialExecutor(), asUnownedTaskExecutor())
        while !local.isEmpty {
            swap(&local, &running)
            for job in running { job.runSynchronously(isolatedTo: executor, taskExecutor: taskExecutor) }
            running.removeAll(keepingCapacity: true)
        }
    }
}

/// splice(2) into a socket that cannot be written any more raises SIGPIPE; unlike send(2) it knows no MSG_NOSIGNAL.
private func blockPipeSignal() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}

private func readEventCount(_ descriptor: Int32) -> Int {
    var count: UInt64 = 0
    return linux_read(descriptor, &count, 8)
}
