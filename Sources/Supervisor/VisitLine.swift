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
        /// How often each was begun.
        var waiting: [DeviceVisit: Int] = [:]
        var isUnderWay = false
    }

    package init(on reactor: Reactor, _ events: EventLine) {
        (self.reactor, self.events) = (reactor, events)
    }

    /// From any thread. Of more than there is room for nothing is told.
    package func note(_ visit: DeviceVisit) {
        let begins = state.withLock { state in
            guard state.waiting.count < Self.capacity || state.waiting[visit] != nil else { return false }
            state.waiting[visit, default: 0] += 1
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
                return state.waiting.prefix(Self.batch)
            }
            guard !batch.isEmpty else { return }
            let visits = batch.map { visit, count in
                DeviceVisit(device: visit.device, visit: visit.visit, isRefused: visit.isRefused, count: count)
            }
            // Beyond the rate of events there is room a moment later.
            guard events.send(.visited(visits)) else { continue }
            state.withLock { state in
                for (visit, count) in batch {
                    let left = state.waiting[visit, default: count] - count
                    state.waiting[visit] = left > 0 ? left : nil
                }
            }
        }
    }
}
