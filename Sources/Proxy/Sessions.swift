package import Policy
import Reactor
import Synchronization

/// The sessions of one reactor, on whose thread it runs: those that are open, and those that ended last.
package actor Sessions {
    /// Numbers for the sessions of a process, or of several.
    package nonisolated let numbers: SessionNumbers
    private nonisolated let reactor: Reactor
    /// Those that ended last, oldest first from `oldest` on: short sessions are over before anybody asks.
    private var ended: [Ended] = []
    private var oldest = 0

    private struct Ended {
        let requester: Requester
        let traffic: Traffic
        let time: UInt64
    }

    private static let journal = 1024

    package nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.unownedExecutor }

    init(on reactor: Reactor, numbers: SessionNumbers) {
        self.reactor = reactor
        self.numbers = numbers
    }

    func note(_ requester: Requester, ended traffic: Traffic) {
        let entry = Ended(requester: requester, traffic: traffic, time: MonotonicClock.nanoseconds)
        if ended.count < Self.journal {
            ended.append(entry)
        } else {
            ended[oldest] = entry
            oldest = (oldest + 1) % Self.journal
        }
    }

    /// The sessions that are open.
    package func open(_ selection: SessionSelection) -> [SessionRecord] {
        let now = MonotonicClock.nanoseconds
        var records: [SessionRecord] = []
        forEach { requester in
            let record = requester.record(requester.traffic, at: now)
            if selection.contains(record) { records.append(record) }
        }
        return records
    }

    /// Those that ended after `start` and not after `end`, as far back as anybody remembers.
    package func ended(_ selection: SessionSelection, after start: UInt64, until end: UInt64) -> [SessionRecord] {
        (ended[oldest...] + ended[..<oldest]).lazy.filter { $0.time > start && $0.time <= end }
            .map { $0.requester.record($0.traffic, at: $0.time) }.filter(selection.contains)
    }

    /// Ends the sessions that are meant.
    ///
    /// - Returns: how many.
    package func end(_ selection: SessionSelection) -> Int {
        let now = MonotonicClock.nanoseconds
        var count = 0
        forEach { requester in
            guard selection.contains(requester.record(requester.traffic, at: now)) else { return }
            requester.end()
            count += 1
        }
        return count
    }

    private func forEach(_ body: (Requester) -> Void) {
        reactor.forEachSession { owner in
            if let requester = owner as? Requester { body(requester) }
        }
    }
}

/// Numbers that are given once.
package final class SessionNumbers: Sendable {
    private let last = Atomic<Int>(0)

    package init() {}

    func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}

extension Requester {
    fileprivate func record(_ traffic: Traffic, at now: UInt64) -> SessionRecord {
        SessionRecord(
            id: id, kind: kind, listener: listener.endpoint,
            client: Endpoint(address: client.ipAddress.unmapped, port: client.port), user: user, activity: activity,
            host: name, origin: origin.map { Endpoint(address: $0.ipAddress, port: $0.port) },
            sent: Int(clamping: traffic.sent), received: Int(clamping: traffic.received),
            age: Int(clamping: (now - min(began, now)) / 1_000_000))
    }
}
