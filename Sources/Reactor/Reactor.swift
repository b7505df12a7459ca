// Reactor: the event loop on which every role runs: an actor whose executor is an epoll(7) loop on one thread.
//
// It knows descriptors, readiness, time, tunnels and descriptor passing. It must never know a protocol or a policy, and
// nothing in it may block but epoll_wait(2). It gives way only where that is bounded (`Gathering`). Two ways of working meet here:
//
//   Control flow is straight-line `async` code isolated to its reactor: `await socket.read(into:)` parks a continuation in
//   the descriptor's slot, and only when the descriptor is not ready already.
//
//   Data moves without tasks: when a handshake is done, the session hands both sockets to a `Tunnel`, a plain struct that
//   the loop pumps itself, and the task ends.

/// Work for a reactor.
package typealias ReactorBody = @Sendable (isolated Reactor) async -> Void

/// One event loop: everything isolated to it runs on one thread and is never interrupted but at an `await`.
package actor Reactor {
    nonisolated let executor: LoopExecutor
    /// Which of its process's reactors this is, from 0.
    package nonisolated let index: Int

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    /// - Parameter counters: where sessions and bytes are counted; may be shared by reactors and processes.
    package init(index: Int = 0, counters: Counters, limits: TunnelLimits = TunnelLimits()) throws(Errno) {
        self.index = index
        executor = try LoopExecutor(counters: counters, limits: limits)
    }

    /// The loop's own state. Everything in it belongs to the loop's thread.
    var loop: Loop { executor.loop }

    /// The loop's state, for code that runs on its thread though not isolated to the reactor: an actor that shares the
    /// executor. Stops the process if it is called from elsewhere.
    nonisolated var currentLoop: Loop {
        executor.checkIsolated()
        return executor.loop
    }

    /// Stops the process if it is called from any thread but the reactor's.
    package nonisolated func checkThread() { executor.checkIsolated() }

    /// Sessions and tunnels that this reactor carries now; any thread may ask.
    package nonisolated var load: Int { executor.load }

    /// Runs the loop on this thread until `stop()`.
    package nonisolated func run() {
        executor.run()
    }

    /// Runs the loop on a thread of its own.
    package nonisolated func start() {
        executor.start(name: "reactor \(index)")
    }

    /// Makes `run()` return after the turn that is under way. Every connection is closed then, and tunnels are reset.
    package nonisolated func stop() {
        executor.stop()
    }

    /// Starts a task on this reactor. From the reactor itself it runs at once until it first waits.
    package nonisolated func spawn(_ body: @escaping ReactorBody) {
        if executor.isCurrent {
            assumeIsolated { $0.startImmediately(body) }
        } else {
            executor.deliver(body, to: self)
        }
    }

    /// As `spawn`, on the reactor's own thread, for work on what belongs to the reactor.
    package nonisolated func begin(_ body: @escaping () async -> Void) {
        executor.checkIsolated()
        // The body and what it holds never leave this thread.
        nonisolated(unsafe) let body = body
        spawn { _ in await body() }
    }

    func startImmediately(_ body: @escaping ReactorBody) {
        Task.immediate(executorPreference: executor) { await body(self) }
    }

    /// The executor that a task has to prefer if it works on this reactor from another actor (`LoopExecutor`).
    package nonisolated var taskExecutor: any TaskExecutor { executor }

    /// Ends a part of the sessions that nothing is done for, beginning with the nearest deadlines. From any thread.
    package nonisolated func relieve() {
        spawn { $0.loop.endExpendable(atMost: max(64, $0.load / 8)) }
    }

    /// Starts the session of a client that was accepted: here, in this turn.
    func admit(_ arrival: Arrival) {
        let client = AdmittedClient(
            slot: loop.open(arrival.descriptor, account: arrival.acceptor.account), peer: arrival.peer,
            session: arrival.acceptor.session)
        if loop.idleTasks.take(client) { return }
        Task.immediate(executorPreference: executor) { await self.carrySessions() }
    }

    /// Carries a client's session as far as a task does, and then those of further clients. While it waits it keeps nothing of the last.
    private func carrySessions() async {
        while let client = await loop.idleTasks.next() {
            let socket = Socket(slot: client.slot, loop: loop)
            await client.session(self, Connection(client: socket, from: client.peer))
        }
    }

    /// Lets every other connection have its turn. For a task that has much to do between two waits for a descriptor; one whose
    /// descriptors are always ready does so by itself in a turn that has become long.
    package func rest() async {
        await loop.rest()
    }

    /// Waits for at least `duration` (resolution: 16 ms).
    package func sleep(for duration: Duration) async {
        let alarm = Alarm(on: self)
        await alarm.wait(atMost: duration)
    }
}
