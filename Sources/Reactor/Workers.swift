import Glibc
import Synchronization

/// Threads for work that would hold a reactor up: deriving a key from a password takes 50 ms.
package final class Workers: Sendable {
    private let state: Mutex<State>
    private let wakeup = Semaphore()
    private let capacity: Int

    private struct State {
        var queue: [@Sendable () -> Void] = []
    }

    /// - Parameters:
    ///   - count: threads, which live as long as the process.
    ///   - capacity: work that may wait; beyond it `run` refuses, so that a flood costs a bounded time.
    package init(count: Int, capacity: Int) {
        self.capacity = capacity
        state = Mutex(State())
        for index in 0..<count { POSIXThread.start(name: "worker \(index)") { self.serve() } }
    }

    /// Runs `work` on one of the threads.
    ///
    /// - Throws: `EAGAIN` if too much is waiting already.
    package func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async throws(Errno) -> Result {
        let result: Result? = await withUnsafeContinuation { continuation in
            let isTaken = state.withLock { state in
                guard state.queue.count < capacity else { return false }
                state.queue.append { continuation.resume(returning: work()) }
                return true
            }
            if isTaken { wakeup.signal() } else { continuation.resume(returning: nil) }
        }
        guard let result else { throw .wouldBlock }
        return result
    }

    private func serve() {
        while true {
            wakeup.wait()
            let work = state.withLock { $0.queue.isEmpty ? nil : $0.queue.removeFirst() }
            work?()
        }
    }
}

/// A counting semaphore of this process (sem_init(3)).
private final class Semaphore: Sendable {
    private nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() {
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func signal() {
        sem_post(semaphore)
    }

    func wait() {
        while sem_wait(semaphore) != 0 {}
    }
}
