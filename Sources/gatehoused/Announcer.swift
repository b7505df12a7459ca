import Address
import Policy
import Reactor
import Supervisor

/// Has the kernel know the addresses of the domains that rules name, before a device is told them: what a rule allows is there when
/// the first packet comes.
///
/// Belongs to its role and its thread. What comes while an announcement is under way goes with the next one.
final class Announcer {
    /// Seconds beyond those that the answer is good for: programs use an address longer than they should.
    static let grace = 300
    /// Programs that look a name up once a day are not served by a time to live of a minute.
    static let least = 600
    /// So long a device waits for its answer, and gets it then whatever has become of the announcement.
    static let patience = Duration.milliseconds(500)
    /// Half of what a rule's set has room for: what a role before this one announced may be there yet.
    static let capacity = 8192

    private struct Key: Hashable {
        var rule: Int
        var address: IPAddress
    }

    private let reactor: Reactor
    private let events: EventLine
    private var domains: [(rule: Int, domain: String)] = []
    /// Until when the kernel knows it at least.
    private var known: [Key: ContinuousClock.Instant] = [:]
    /// What goes with the next announcement, and for how many seconds.
    private var next: [Key: Int] = [:]
    private var waiting: [Alarm] = []
    private var serial = 0
    /// Rings when the announcement that is under way is carried out; nil: none is.
    private var underWay: (serial: Int, alarm: Alarm)?

    init(on reactor: Reactor, _ events: EventLine) {
        (self.reactor, self.events) = (reactor, events)
    }

    func use(_ rules: [Rule]) {
        domains = rules.filter { $0.user == nil }.compactMap { rule in rule.domain.map { (rule.id, $0) } }
    }

    func confirm(_ serial: Int) {
        if underWay?.serial == serial { underWay?.alarm.ring() }
    }

    func announce(_ name: String, _ addresses: [IPAddress], seconds: Int) async {
        let seconds = max(seconds, Self.least) + Self.grace
        let now = ContinuousClock.now
        var isNews = false
        for (rule, domain) in domains where name.isWithin(domain) {
            for address in addresses.map(\.unmapped) {
                let key = Key(rule: rule, address: address)
                // With a part of its time left an address is announced anew, so that it does not go between two questions.
                if let end = known[key], end - now > .seconds(seconds - Self.grace) { continue }
                // Beyond that a rule is about no more addresses, and the device gets its answer all the same.
                if known[key] == nil, !hasRoom(at: now) { continue }
                next[key] = max(next[key] ?? 0, seconds)
                isNews = true
            }
        }
        guard isNews else { return }
        let alarm = Alarm(on: reactor)
        waiting.append(alarm)
        if underWay == nil { reactor.begin { [self] in await run() } }
        await alarm.wait(atMost: Self.patience)
    }

    private func hasRoom(at now: ContinuousClock.Instant) -> Bool {
        if known.count + next.count >= Self.capacity { known = known.filter { $0.value > now } }
        return known.count + next.count < Self.capacity
    }

    private func run() async {
        while !next.isEmpty, underWay == nil {
            let batch = next.prefix(Self.batch)
            for (key, _) in batch { next[key] = nil }
            let served = next.isEmpty ? waiting : []
            if next.isEmpty { waiting = [] }
            serial += 1
            let alarm = Alarm(on: reactor)
            underWay = (serial, alarm)
            let tellings = batch.map { NameTelling(rule: $0.key.rule, address: $0.key.address, seconds: $0.value) }
            var isSent = events.send(.named(tellings, serial: serial))
            // Beyond the rate of events: there is room a moment later.
            for _ in 0..<10 where !isSent {
                await reactor.sleep(for: .milliseconds(100))
                isSent = events.send(.named(tellings, serial: serial))
            }
            if isSent { await alarm.wait(atMost: .seconds(2)) }
            underWay = nil
            if isSent { for (key, seconds) in batch { known[key] = .now + .seconds(seconds) } }
            for alarm in served { alarm.ring() }
        }
    }

    private static let batch = 64
}
