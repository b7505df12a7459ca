import Reactor
import Wire

/// A question that is put to the name servers for all clients that ask it, whose whole answer they get.
final class Inquiry {
    /// A client that waits for the answer.
    struct Waiter {
        let request: DNSRequest
        let message: [UInt8]
        let transport: DNSAnswer.Transport
        let visitor: Visitor
        let deliver: ([UInt8]) -> Void
    }

    enum Outcome {
        case answered(DNSAnswer)
        /// Servers said that they cannot tell, or there are none.
        case failed
        case timedOut
    }

    let name: DNSName
    let type: DNSType
    let key: [UInt8]
    let wishes: DNSQuery.Wishes
    /// Whoever asked first, in whose share it counts.
    let beginner: Visitor
    let start = ContinuousClock.now
    /// What was answered once, and is better than nothing; nil: nothing was.
    let stale: AnswerCache.Entry?
    var waiters: [Waiter] = []
    /// The waiters have had the stale answer: whoever joins gets it at once.
    private(set) var hasResorted = false
    private unowned let responder: Responder
    private let alarm: Alarm
    private var outcome: Outcome?
    private var question: Question?
    private var isGivenUp = false

    init(
        _ name: DNSName, _ type: DNSType, key: [UInt8], wishes: DNSQuery.Wishes, beginner: Visitor,
        stale: AnswerCache.Entry?, at responder: Responder
    ) {
        self.name = name
        self.type = type
        self.key = key
        self.wishes = wishes
        self.beginner = beginner
        self.stale = stale
        self.responder = responder
        alarm = Alarm(on: responder.reactor)
    }

    /// Whether the very message of this visitor, over UDP, waits for the answer already.
    func isAwaited(by visitor: Visitor, _ message: UnsafeRawBufferPointer) -> Bool {
        waiters.contains { waiter in
            guard case .datagram = waiter.transport else { return false }
            return waiter.visitor == visitor && waiter.message.prefix(2).elementsEqual(message.prefix(2))
        }
    }

    /// Ends it now, for want of room.
    func giveUp() {
        isGivenUp = true
        alarm.ring()
    }

    /// There are other servers from now on.
    func beginAnew() { question?.beginAnew() }

    func run() async {
        // The bit AD tells what the server found, and asking for it changes nothing else (RFC 6840 §5.7).
        let question = Question(
            name, type, wishes: wishes.union(.verdict), isWhole: true, to: responder.pool)
        self.question = question
        responder.reactor.begin { [self] in
            // Where nothing can be sent the question ends at once, and not within this very call.
            await responder.reactor.rest()
            let result = await question.run()
            outcome =
                switch result {
                case .answered: question.whole.map { .answered($0) } ?? .failed
                case .failed, .noServers: .failed
                case .timedOut: .timedOut
                }
            alarm.ring()
        }
        let end = start + Lookup.patience
        while outcome == nil, !isGivenUp {
            let now = ContinuousClock.now
            guard now < end else { break }
            var next = end
            if let stale, !hasResorted {
                let resort = start + Lookup.staleDelay
                if now >= resort {
                    await responder.prepare(self, stale.answer)
                    hasResorted = true
                    responder.resort(self, to: stale)
                } else {
                    next = resort
                }
            }
            await alarm.wait(atMost: next - now)
        }
        question.giveUp()
        switch outcome {
        case .answered(let answer)?: await responder.prepare(self, answer)
        // An answer of before is told again.
        case .failed?, .timedOut?, nil: if let stale { await responder.prepare(self, stale.answer) }
        }
        responder.finish(self, outcome ?? .timedOut)
    }
}
