import Foundation
import Glibc
import Synchronization

/// Moves this thread into a network of its own (unshare(2)), which ends with the thread and its sockets, and runs
/// `commands` in it.
func enterNetwork(_ commands: [String]) {
    typealias Unshare = @convention(c) (Int32) -> Int32
    // unshare(2) is declared under _GNU_SOURCE only, which Swift does not see.
    let unshare = unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)
    let newNetwork: Int32 = 0x4000_0000
    precondition(unshare(newNetwork) == 0, "unshare: \(String(cString: strerror(errno)))")
    for command in commands {
        // system(3) forks from this thread, so the child is in the same network.
        precondition(system(command) == 0, "\(command) failed")
    }
}

/// One value from one thread to one task.
final class Handover<Value: Sendable>: Sendable {
    private struct State {
        var value: Result<Value, any Error>?
        var waiter: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    func give(_ value: Result<Value, any Error>) {
        let waiter = state.withLock { state in
            state.value = value
            return state.waiter
        }
        waiter?.resume(with: value)
    }

    func take() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let value = state.withLock { state in
                state.waiter = continuation
                return state.value
            }
            if let value { continuation.resume(with: value) }
        }
    }
}
