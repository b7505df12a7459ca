import Address
import Reactor
import Wire

/// A name that is being looked up, for all that ask for it: both address families at once, in each of the search domains that
/// apply, in turn.
final class Lookup {
    /// What has become of one family's question.
    private enum Part {
        case pending
        case addresses([IPAddress], secondsToLive: Int)
        /// There are none; nil: for how long, nobody said.
        case none(isName: Bool, secondsToLive: Int?)
        case failed(Resolver.Failure)
    }

    private enum Ending {
        case found([IPAddress], secondsToLive: Int)
        case none(secondsToLive: Int?)
        case failed(Resolver.Failure)
    }

    let name: String
    /// For whom this gateway's own server is asked; 0: for nobody in particular.
    let party: UInt32
    /// The client whose share it counts in; nil once it counts in nobody's.
    var owner: IPAddress?
    let start = ContinuousClock.now
    var waiters: [Waiter]
    /// Those that have an answer and want to know the rest of it.
    var followers: [Waiter] = []
    /// What the waiters got before the end.
    private(set) var answer: Resolver.Answer?
    private unowned let desk: NameDesk
    private let alarm: Alarm
    private let stale: [IPAddress]?
    private var v4 = Part.pending
    private var v6 = Part.pending
    private var questions: [Question] = []
    private var isGivenUp = false
    private var isAbandoned = false

    /// What one family is waited for once the other has an answer (RFC 8305 §3).
    private static let resolutionDelay: Duration = .milliseconds(50)
    /// After this, addresses that held once are better than none (RFC 8767 §5).
    static let staleDelay: Duration = .milliseconds(1800)
    /// However many servers and search domains there are to try.
    static let patience: Duration = .seconds(8)
    /// Nobody said for how long there is no such name.
    private static let negativeSeconds = 5
    private static let mostAddresses = 8

    /// - Parameter stale: what the addresses were when last asked for.
    init(_ name: String, as party: UInt32, for owner: IPAddress, stale: [IPAddress]?, waiter: Waiter, at desk: NameDesk)
    {
        self.name = name
        self.party = party
        self.owner = owner
        self.stale = stale
        self.desk = desk
        waiters = [waiter]
        alarm = Alarm(on: desk.reactor)
    }

    /// By what those who ask the same are told.
    var key: NameDesk.Key { NameDesk.Key(name: name, party: party) }

    /// Ends it now, for want of room.
    func giveUp() {
        isGivenUp = true
        for question in questions { question.giveUp() }
        alarm.ring()
    }

    /// Ends it now: nobody waits for it.
    func abandon() {
        isAbandoned = true
        giveUp()
    }

    /// There are other servers from now on.
    func beginAnew() {
        for question in questions { question.beginAnew() }
    }

    func run() async {
        var failure = Resolver.Failure.noSuchName
        var negative: Int?
        search: for candidate in desk.pool.rules.candidates(for: name) {
            guard let candidate = DNSName(candidate) else { continue }
            switch await look(for: candidate) {
            case .found(let addresses, let seconds):
                return desk.finish(self, .success(addresses), for: .seconds(seconds))
            case .none(let seconds):
                negative = min(negative ?? .max, seconds ?? Self.negativeSeconds)
            case .failed(let why):
                failure = why
                if why != .failed { break search }
            }
        }
        if failure != .noSuchName, failure != .abandoned, let stale {
            desk.finish(self, stale: stale)
        } else {
            let life = failure == .noSuchName ? negative ?? Self.negativeSeconds : 1
            desk.finish(self, .failure(failure), for: .seconds(life))
        }
    }

    private func look(for candidate: DNSName) async -> Ending {
        (v4, v6) = (.pending, .pending)
        ask(candidate, .aaaa)
        ask(candidate, .a)
        defer {
            for question in questions { question.giveUp() }
            questions = []
        }
        var delay: ContinuousClock.Instant?
        while !isSettled {
            let now = ContinuousClock.now
            var next = start + Self.patience
            if isGivenUp { break }
            guard now < next else {
                desk.pool.wereSilent(since: start)
                break
            }
            if answer == nil, mayGo {
                let end = delay ?? now + (isBlocked ? .zero : Self.resolutionDelay)
                delay = end
                if now >= end {
                    guard let addresses else { break }
                    deliver(addresses, isWhole: false)
                    continue
                }
                next = min(next, end)
            }
            if let stale, answer == nil {
                if now >= start + Self.staleDelay {
                    deliver(stale, isWhole: true)
                    continue
                }
                next = min(next, start + Self.staleDelay)
            }
            await alarm.wait(atMost: next - now)
        }
        return ending
    }

    private func ask(_ name: DNSName, _ type: DNSType) {
        let question = Question(name, type, for: party, to: desk.pool)
        questions.append(question)
        desk.reactor.begin { [self] in
            // Where nothing can be sent a question ends at once, and not within this very call.
            await desk.reactor.rest()
            let outcome = await question.run()
            // A question of the search domain before has nothing to say here.
            guard questions.contains(where: { $0 === question }) else { return }
            if type == .a { v4 = Self.part(outcome) } else { v6 = Self.part(outcome) }
            alarm.ring()
        }
    }

    private static func part(_ outcome: Question.Outcome) -> Part {
        switch outcome {
        case .answered(let response) where !response.addresses.isEmpty:
            .addresses(response.addresses, secondsToLive: response.secondsToLive ?? 0)
        case .answered(let response):
            .none(isName: response.code == .success, secondsToLive: response.secondsToLive)
        case .failed: .failed(.failed)
        case .timedOut: .failed(.timedOut)
        case .noServers: .failed(.noServers)
        }
    }

    private func deliver(_ addresses: [IPAddress], isWhole: Bool) {
        let answer = Resolver.Answer(addresses: addresses, isWhole: isWhole)
        self.answer = answer
        desk.deliver(answer, from: self)
    }

    private var isSettled: Bool {
        if case .pending = v4 { return false }
        if case .pending = v6 { return false }
        return true
    }

    /// Whether the other family need not be waited for much longer. That there is no such name counts only of IPv4: some
    /// servers say so of a name that merely has no IPv6 address (RFC 4074 §4.2).
    private var mayGo: Bool {
        if addresses != nil { return true }
        if case .none(isName: false, _) = v4 { return true }
        return false
    }

    /// Whether the name server says 0.0.0.0 or :: and nothing else, by which it means that the name is not to be reached.
    private var isBlocked: Bool { addresses?.allSatisfy(\.isUnspecified) ?? false }

    /// IPv6 and IPv4 in turns (RFC 8305 §4); nil: there is none yet.
    private var addresses: [IPAddress]? {
        switch (v6, v4) {
        case (.addresses(let v6, _), .addresses(let v4, _)): Self.interleaved(v6, v4)
        case (.addresses(let only, _), _), (_, .addresses(let only, _)): Array(only.prefix(Self.mostAddresses))
        default: nil
        }
    }

    static func interleaved(_ v6: [IPAddress], _ v4: [IPAddress]) -> [IPAddress] {
        var addresses: [IPAddress] = []
        for index in 0..<max(v4.count, v6.count) {
            if index < v6.count { addresses.append(v6[index]) }
            if index < v4.count { addresses.append(v4[index]) }
        }
        return Array(addresses.prefix(mostAddresses))
    }

    private var ending: Ending {
        var seconds: Int?
        for case .addresses(_, let own) in [v6, v4] { seconds = min(seconds ?? .max, own) }
        if let addresses { return .found(addresses, secondsToLive: seconds ?? 0) }
        if isGivenUp { return .failed(isAbandoned ? .abandoned : .overloaded) }
        switch (v6, v4) {
        case (_, .none(isName: false, let seconds)): return .none(secondsToLive: seconds)
        case (.none(_, let first), .none(_, let second)):
            return .none(secondsToLive: min(first ?? Self.negativeSeconds, second ?? Self.negativeSeconds))
        case (_, .failed(let failure)), (.failed(let failure), _): return .failed(failure)
        default: return .failed(.timedOut)
        }
    }
}
