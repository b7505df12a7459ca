import CLinux
package import Policy
import Reactor
import Synchronization

/// A relay's way to ask the supervisor for pinholes, for any thread. What is opened is answered, what is shut is not.
package final class PleaLine: Sendable {
    /// The role's end of its channel, on which a packet goes out whole or not at all.
    private let channel: Int32
    private let state = Mutex(State())

    private struct State {
        var number = 0
        var waiting: [Int: UnsafeContinuation<String?, Never>] = [:]
        /// Pinholes whose end could not be told yet.
        var untold: [Pinhole] = []
        var isToTellAgain = false
        /// Nobody answers any more.
        var isLeft = false
    }

    /// So many may wait for an answer at once; the supervisor takes what is under way together.
    private static let capacity = 1024
    /// So many go in one packet.
    private static let part = 64
    /// After so long what could not be told is told again.
    private static let pause = Duration.milliseconds(50)
    private let reactor: Reactor

    init(channel: Int32, reactor: Reactor) { (self.channel, self.reactor) = (channel, reactor) }

    /// - Returns: why they are not open; nil: they are.
    package func open(_ pinholes: [Pinhole]) async -> String? {
        await withUnsafeContinuation { continuation in
            let plea: Plea? = state.withLock { state in
                guard !state.isLeft, state.waiting.count < Self.capacity else { return nil }
                state.number += 1
                state.waiting[state.number] = continuation
                return Plea(number: state.number, opens: pinholes)
            }
            guard let plea else { return continuation.resume(returning: "too many ask for one at the moment") }
            if !send(plea) { answer(plea.number ?? 0, "the supervisor cannot be asked at the moment") }
        }
    }

    package func shut(_ pinholes: [Pinhole]) {
        state.withLock { $0.untold += pinholes }
        tell()
    }

    private func tell() {
        while true {
            let part = state.withLock { state in
                defer { state.untold.removeFirst(min(Self.part, state.untold.count)) }
                return Array(state.untold.prefix(Self.part))
            }
            guard !part.isEmpty else { return }
            guard !send(Plea(shuts: part)) else { continue }
            let isFirst = state.withLock { state in
                defer { (state.untold, state.isToTellAgain) = (state.untold + part, true) }
                return !state.isToTellAgain
            }
            guard isFirst else { return }
            return reactor.spawn { [self] reactor in
                await reactor.sleep(for: Self.pause)
                state.withLock { $0.isToTellAgain = false }
                tell()
            }
        }
    }

    func answer(_ number: Int, _ refusal: String?) {
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: refusal)
    }

    /// The supervisor leaves the role to its sessions: nobody opens anything for it from now on.
    func leave() {
        let waiting = state.withLock { state in
            state.isLeft = true
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for continuation in waiting { continuation.resume(returning: "the gateway is being restarted") }
    }

    private func send(_ plea: Plea) -> Bool {
        let bytes = Message.encode(Word.plea(plea))
        return linux_send_packet(channel, bytes, bytes.count, [], 0) >= 0
    }
}

/// From a relay to the supervisor: pinholes that its sessions need, and that they need no longer.
struct Plea: Codable {
    /// By which the answer names it; nil: none is wanted.
    var number: Int?
    var opens: [Pinhole] = []
    var shuts: [Pinhole] = []
}
