package import Policy
package import Reactor
import Synchronization

/// Where watched devices go, on its way to the supervisor: what is seen within a moment goes together.
package final class VisitLine: Sendable {
    /// The names role is asked about the addresses of visits, and has told the device by then.
    private static let pause = Duration.milliseconds(250)
    /// An event is one packet.
    private static let batch = 64
    private static let capacity = 4096

    private let reactor: Reactor
    private let events: EventLine
    private let state = Mutex(State())

    private struct State {
        var waiting: [DeviceVisit] = []
        var isUnderWay = false
    }

    package init(on reactor: Reactor, _ events: EventLine) {
        (self.reactor, self.events) = (reactor, events)
    }

    /// From any thread. Of more than there is room for nothing is told.
    package func note(_ visit: DeviceVisit) {
        let begins = state.withLock { state in
            guard state.waiting.count < Self.capacity else { return false }
            state.waiting.append(visit)
            defer { state.isUnderWay = true }
            return !state.isUnderWay
        }
        if begins { Task(executorPreference: reactor.taskExecutor) { await self.run() } }
    }

    private func run() async {
        while true {
            await reactor.sleep(for: Self.pause)
            let batch = state.withLock { state in
                state.isUnderWay = !state.waiting.isEmpty
                return Array(state.waiting.prefix(Self.batch))
            }
            guard !batch.isEmpty else { return }
            // Beyond the rate of events: there is room a moment later.
            if events.send(.visited(batch)) { state.withLock { $0.waiting.removeFirst(batch.count) } }
        }
    }
}
