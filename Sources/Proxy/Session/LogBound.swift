import Address
import Reactor
import Synchronization

/// Keeps what clients do wrong from filling the log: a line a minute for each network, and some for all of them together.
final class LogBound: Sendable {
    private struct State {
        /// By network: when it was last told of, in nanoseconds.
        var told: [IPAddress: UInt64] = [:]
        /// When the minute began in which `lines` were written.
        var minute: UInt64 = 0
        var lines = 0
    }

    private let state = Mutex(State())

    private static let interval: UInt64 = 60_000_000_000
    /// Lines a minute, of all networks together.
    private static let most = 32
    private static let memory = 1024

    /// Whether something that `client` did is worth a line.
    ///
    /// - Parameter isNew: it is not what the last line about the client's network said.
    func admits(_ client: IPAddress, isNew: Bool = false) -> Bool {
        let now = MonotonicClock.nanoseconds
        let network = client.countedNetwork
        return state.withLock { state in
            if !isNew, let last = state.told[network], now - last < Self.interval { return false }
            if now - state.minute >= Self.interval { (state.minute, state.lines) = (now, 0) }
            guard state.lines < Self.most else { return false }
            state.lines += 1
            if state.told.count >= Self.memory { state.told = [:] }
            state.told[network] = now
            return true
        }
    }
}
