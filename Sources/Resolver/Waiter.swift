package import Reactor

/// Somebody who waits for what a name is, and may be gone before that is known. It belongs to its reactor.
package final class Waiter {
    typealias Result = Swift.Result<Resolver.Answer, Resolver.Failure>

    private let reactor: Reactor
    private let client: Connection?
    /// nil while nothing is waited for.
    private var alarm: Alarm?
    private var result: Result?
    private var isGone = false

    /// - Parameter client: on whose behalf, as long as that is there; nil: until `leave` is called.
    package init(on reactor: Reactor, for client: Connection? = nil) {
        self.reactor = reactor
        self.client = client
    }

    /// Nobody wants to know any more.
    package func leave() {
        isGone = true
        alarm?.ring()
    }

    func take(_ result: Result) {
        self.result = result
        alarm?.ring()
    }

    /// Waits for what `take` brings; nil: whoever wanted to know is gone. Afterwards the waiter may wait for something else.
    func wait() async -> Result? {
        let alarm = Alarm(on: reactor)
        self.alarm = alarm
        defer { (self.alarm, result) = (nil, nil) }
        while result == nil, !isGone {
            if let client {
                if await !alarm.wait(for: client) { isGone = true }
            } else {
                await alarm.wait()
            }
        }
        return result
    }
}
