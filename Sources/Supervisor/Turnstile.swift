import Reactor

/// Lets one task through at a time, in the order in which they came: changes of the policy never overlap.
final class Turnstile {
    private let reactor: Reactor
    private var isTaken = false
    private var queue: [Alarm] = []

    init(reactor: Reactor) {
        self.reactor = reactor
    }

    func enter() async {
        guard isTaken else {
            isTaken = true
            return
        }
        let alarm = Alarm(on: reactor)
        queue.append(alarm)
        await alarm.wait()
    }

    func leave() {
        if queue.isEmpty {
            isTaken = false
        } else {
            queue.removeFirst().ring()
        }
    }
}
