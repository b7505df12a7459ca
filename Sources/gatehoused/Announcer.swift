import Address
import Logging
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
    /// Addresses of one rule, half of what its set has room for: what a role before this one announced may be there yet. Whoever has
    /// the names of a domain, and makes up many, takes no room from another rule.
    static let capacity = 8192

    /// A question that waits until the kernel knows all addresses of its answer.
    private final class Wait {
        let alarm: Alarm
        var missing = 0

        init(_ alarm: Alarm) { self.alarm = alarm }
    }

    /// An address that goes with an announcement that is to come.
    private struct Coming {
        var seconds: Int
        var waits: [Wait] = []
    }

    /// A rule about a domain.
    private struct Ruled {
        let domain: String
        /// Until when the kernel knows an address at least.
        var known: [IPAddress: ContinuousClock.Instant] = [:]
        var next: [IPAddress: Coming] = [:]
        /// When `known` was looked through for what is over; nil: not yet.
        var lastLook: ContinuousClock.Instant?
        /// Whether it was told that there is no more room.
        var isToldFull = false

        init(_ domain: String) { self.domain = domain }

        /// To look through thousands for each address that is one too many would take as long as they do.
        mutating func hasRoom(at now: ContinuousClock.Instant) -> Bool {
            if known.count + next.count < Announcer.capacity { return true }
            if let lastLook, now - lastLook < .seconds(1) { return false }
            lastLook = now
            known = known.filter { $0.value > now }
            return known.count + next.count < Announcer.capacity
        }
    }

    private let reactor: Reactor
    private let events: EventLine
    private let log: Logger
    /// By their numbers.
    private var rules: [Int: Ruled] = [:]
    private var serial = 0
    /// Rings when the announcement that is under way is carried out; nil: none is.
    private var underWay: (serial: Int, alarm: Alarm)?

    init(on reactor: Reactor, _ events: EventLine, _ log: Logger) {
        (self.reactor, self.events, self.log) = (reactor, events, log)
    }

    /// What was announced for rules that are gone is forgotten.
    ///
    /// - Returns: the domains of rules that were not there before.
    func use(_ rules: [Rule]) -> [String] {
        let former = self.rules
        var news: [String] = []
        self.rules = [:]
        for rule in rules {
            guard let domain = rule.domain else { continue }
            if let known = former[rule.id], known.domain == domain {
                self.rules[rule.id] = known
            } else {
                self.rules[rule.id] = Ruled(domain)
                news.append(domain)
            }
        }
        for (id, ruled) in former where self.rules[id]?.domain != ruled.domain { serve(ruled.next.values) }
        return news
    }

    func confirm(_ serial: Int) {
        if underWay?.serial == serial { underWay?.alarm.ring() }
    }

    func announce(_ name: String, _ addresses: [IPAddress], seconds: Int) async {
        let seconds = max(seconds, Self.least) + Self.grace
        let now = ContinuousClock.now
        let wait = Wait(Alarm(on: reactor))
        // A copy of what thousands of addresses are in would be made for each that is noted while it is gone through.
        for id in rules.filter({ name.isWithin($0.value.domain) }).map(\.key) {
            for address in addresses.map(\.unmapped) { note(address, of: id, seconds: seconds, wait, at: now) }
        }
        guard wait.missing > 0 else { return }
        if underWay == nil { reactor.begin { [self] in await run() } }
        await wait.alarm.wait(atMost: Self.patience)
    }

    private func note(
        _ address: IPAddress, of id: Int, seconds: Int, _ wait: Wait, at now: ContinuousClock.Instant
    ) {
        let end = rules[id]?.known[address]
        // With a part of its time left an address is announced anew, so that it does not go between two questions.
        if let end, end - now > .seconds(seconds - Self.grace) { return }
        let isComing = rules[id]?.next[address] != nil
        // Beyond that a rule is about no more addresses, and the device gets its answer all the same.
        guard end != nil || isComing || rules[id]?.hasRoom(at: now) == true else { return tellFull(id) }
        let coming = rules[id]?.next[address] ?? Coming(seconds: 0)
        rules[id]?.next[address] = Coming(seconds: max(coming.seconds, seconds), waits: coming.waits + [wait])
        wait.missing += 1
    }

    private func tellFull(_ id: Int) {
        guard let ruled = rules[id], !ruled.isToldFull else { return }
        rules[id]?.isToldFull = true
        log.warning(
            "rule \(id) is about a domain with more addresses than there is room for, \(Self.capacity) at a time; the kernel knows no others of \(ruled.domain), and the proxies know it by its name all the same"
        )
    }

    private func run() async {
        while underWay == nil {
            let batch = takeBatch()
            guard !batch.isEmpty else { return }
            serial += 1
            let alarm = Alarm(on: reactor)
            underWay = (serial, alarm)
            let tellings = batch.map { NameTelling(rule: $0.rule, address: $0.address, seconds: $0.coming.seconds) }
            var isSent = events.send(.named(tellings, serial: serial))
            // Beyond the rate of events: there is room a moment later.
            for _ in 0..<10 where !isSent {
                await reactor.sleep(for: .milliseconds(100))
                isSent = events.send(.named(tellings, serial: serial))
            }
            if isSent { await alarm.wait(atMost: .seconds(2)) }
            underWay = nil
            if isSent {
                for (rule, address, coming) in batch { rules[rule]?.known[address] = .now + .seconds(coming.seconds) }
            }
            serve(batch.map(\.coming))
        }
    }

    /// What goes with one announcement: of every rule that has something as much as of the others, so that one with thousands keeps no
    /// other waiting.
    private func takeBatch() -> [(rule: Int, address: IPAddress, coming: Coming)] {
        let waiting = rules.filter { !$0.value.next.isEmpty }.map(\.key).shuffled().prefix(Self.batch)
        var batch: [(rule: Int, address: IPAddress, coming: Coming)] = []
        for id in waiting {
            let share = rules[id].map { Array($0.next.prefix(Self.batch / waiting.count)) } ?? []
            for (address, coming) in share {
                rules[id]?.next[address] = nil
                batch.append((id, address, coming))
            }
        }
        return batch
    }

    private func serve(_ comings: some Sequence<Coming>) {
        for wait in comings.lazy.flatMap(\.waits) {
            wait.missing -= 1
            if wait.missing == 0 { wait.alarm.ring() }
        }
    }

    private static let batch = 64
}
