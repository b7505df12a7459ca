import Foundation
import Synchronization

/// Clients that open one session after the other, each on a thread of its own.
final class Crowd: Sendable {
    struct Session: Sendable {
        var began: ContinuousClock.Instant
        var ended: ContinuousClock.Instant
        var failure: (any Error)?
    }

    private struct State {
        var sessions: [Session] = []
        var isStopping = false
        var running: Int
    }

    private let state: Mutex<State>

    init(of size: Int, _ session: @escaping @Sendable () throws -> Void) {
        state = Mutex(State(running: size))
        for _ in 0..<size {
            Thread.detachNewThread { [self] in
                while state.withLock({ !$0.isStopping }) {
                    let began = ContinuousClock.now
                    var failure: (any Error)?
                    do { try session() } catch { failure = error }
                    let done = Session(began: began, ended: .now, failure: failure)
                    state.withLock { $0.sessions.append(done) }
                    // A client's pause, so that a hundred of them do not use up the gateway's ports.
                    usleep(50_000)
                }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    var sessions: [Session] { state.withLock(\.sessions) }

    /// Waits until the last session has ended.
    func stop() -> [Session] {
        state.withLock { $0.isStopping = true }
        while state.withLock({ $0.running > 0 }) { usleep(1000) }
        return sessions
    }
}
