package import Address
package import Reactor
package import Wire

/// The answering side: for clients that ask for any kind of records, it answers with what the box itself knows, from its cache, or
/// with what the name servers say, whole. Confined to its reactor's thread.
package final class Responder {
    package enum Response {
        /// So many bytes are in the room.
        case written(Int)
        /// There is nothing to be said.
        case nothing
        /// The answer is given later.
        case later
    }

    /// What a name was refused by, and to whom.
    package struct Refusal: Hashable, Sendable {
        /// The name of a list; nil: a rule.
        package var list: String?
        package var member: UInt16
    }

    /// What somebody does too much of.
    package enum Excess: Sendable {
        /// Asks for more names than this in a second.
        case questions(perSecond: Int)
        /// Has more questions than this under way with name servers.
        case waiting(Int)
    }

    /// Bytes that an answer may have.
    package static let longestAnswer = 65_535

    let reactor: Reactor
    let pool: ServerPool
    private var cache = AnswerCache(capacity: 8 << 20)
    private var knowledge = Knowledge()
    private var hosts = HostTable.empty
    /// Counts what was known before: what the cache says of it may be out of date.
    private var generation = 0
    private var inquiries: [[UInt8]: Inquiry] = [:]
    private var shares: [Visitor.Payer: Int] = [:]
    /// Questions that wait for an answer, whoever put them first.
    private var waiting: [Visitor.Payer: Int] = [:]
    private var waitingOfAll = 0
    private var pace = Pace()
    /// Who does too much of something, at most once a minute each.
    package var tellOfExcess: (Visitor, Excess) -> Void = { _, _ in }
    /// When that was told, in seconds.
    private var told: [Visitor.Payer: Int] = [:]
    private(set) package var refusals: [Refusal: Int] = [:]
    /// Seconds of CLOCK_MONOTONIC at the start of this turn.
    private var now = 0
    private var nanoseconds: UInt64 = 0
    private let key = UnsafeMutableRawBufferPointer.allocate(byteCount: DNSRequest.longestKey, alignment: 1)
    /// Where a late answer is made.
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: longestAnswer, alignment: 8)

    /// Questions that one client has under way: a page of a hundred hosts in two families, and more.
    private static let share = 256
    private static let capacity = 2048
    /// Questions of all clients that wait for an answer; a few hundred bytes each.
    private static let waitingCapacity = 8192
    /// Of these, questions that wait for one answer.
    private static let mostWaiters = 1024
    private static let mostTold = 1024
    /// When descriptors have run out, the reserve has to do.
    private static let leastCapacity = 8
    private static let mostRefusals = 65_536
    /// Nobody said for how long it is so.
    private static let negativeSeconds = 5
    /// A question that failed is not put again at once (RFC 9520 §3.2).
    private static let failureSeconds = 2
    /// A name that is not refused any more is reached within the minute.
    private static let refusalSeconds: UInt32 = 60

    /// Tells of a name's addresses, and for how many seconds they are its own, and returns once they are known, or cannot become
    /// so. nil: nobody wants to know.
    package var announce: ((DNSName, [IPAddress], Int) async -> Void)?

    /// The members of the household of whom it is told which addresses they were given for which names.
    package var watched: Set<UInt16> = []
    package var tellOfAnswer: (UInt16, DNSName, [IPAddress]) -> Void = { _, _, _ in }
    /// By the rule of that number the name is refused to the visitor. Told of each question.
    package var tellOfRuling: (Visitor, Int, DNSName) -> Void = { _, _, _ in }

    package init(on reactor: Reactor, telling counters: Counters? = nil) {
        self.reactor = reactor
        pool = ServerPool(on: reactor, telling: counters)
    }

    deinit {
        key.deallocate()
        room.deallocate()
    }

    package func use(_ servers: NameServers, hosts: HostTable) {
        beginTurn()
        if hosts !== self.hosts {
            self.hosts = hosts
            generation += 1
        }
        guard servers != pool.rules else { return }
        pool.use(servers)
        cache.expire(at: now)
        for inquiry in inquiries.values { inquiry.beginAnew() }
    }

    /// - Parameter news: names, each with all that is below it, of which somebody wants to know the addresses from now on, whoever
    ///   wanted to know of them before.
    package func use(_ knowledge: Knowledge, news: NameSet = .empty) {
        self.knowledge = knowledge
        generation += 1
        pace.changeRates()
        announceKept(news)
    }

    /// Devices go on with what they were told before anybody wanted to know of it.
    private func announceKept(_ news: NameSet) {
        guard let announce, !news.isEmpty else { return }
        beginTurn()
        for entry in cache.kept(at: now) {
            let (name, addresses) = (DNSName(unchecked: entry.key.prefix(entry.key.count - 3)), entry.answer.addresses)
            guard !addresses.isEmpty, news.contains(name) else { continue }
            reactor.begin { await announce(name, addresses, entry.answer.secondsToLive ?? Self.negativeSeconds) }
        }
    }

    /// To be called before a row of `respond`.
    package func beginTurn() {
        nanoseconds = MonotonicClock.nanoseconds
        now = Int(nanoseconds / 1_000_000_000)
    }

    /// Answers a message.
    ///
    /// - Parameters:
    ///   - room: `longestAnswer` bytes over a stream, and 1232 otherwise.
    ///   - later: makes what is to be called with an answer that is not at hand, on the reactor's thread.
    package func respond(
        to message: UnsafeRawBufferPointer, from visitor: Visitor, over transport: DNSAnswer.Transport,
        into room: UnsafeMutableRawBufferPointer, later: () -> ([UInt8]) -> Void
    ) -> Response {
        let bytes = message.bindMemory(to: UInt8.self)
        let isBeyondPace = !visitor.isRelay && isBeyondPace(visitor)
        // A datagram may be from anybody, and is not worth an answer.
        if isBeyondPace, case .datagram = transport { return .nothing }
        let request: DNSRequest
        do throws(DNSRequest.Fault) {
            request = try DNSRequest.parse(bytes.span)
        } catch {
            guard case .refused(let code) = error else { return .nothing }
            let answer = DNSRequest.refusal(of: bytes.span, code)
            room.copyBytes(from: answer)
            return .written(answer.count)
        }
        let visitor = visitor.isRelay ? Visitor(visitor, asksFor: request, message) : visitor
        if isBeyondPace {
            let answer = DNSAnswer(
                to: DNSName(unchecked: message, request), request.type, .refused,
                because: DNSExplanation(code: 0, text: "too many questions in one second"))
            return .written(write(answer, request, message, transport, into: room))
        }
        let length = request.fold(message, into: key)
        let key = UnsafeRawBufferPointer(rebasing: self.key[..<length])
        let found = request.isOfInternet ? cache.find(key, hash: AnswerCache.hash(key)) : nil
        if let found, cache.isFresh(found, at: now), isCurrent(found) {
            if found.lists & knowledge.filter.lists(for: visitor) != 0,
                let answer = refusal(of: request, message, on: found.lists, to: visitor)
            {
                return .written(write(answer, request, message, transport, into: room))
            }
            if !found.isOwn { tell(of: found.answer, DNSName(unchecked: message, request), to: visitor) }
            if found.isProlonged {
                return .written(writeStale(found, request, message, transport, into: room))
            }
            let age = found.isOwn ? 0 : UInt32(truncatingIfNeeded: now - found.start)
            return .written(
                found.answer.write(to: request, message, over: transport, age: age, into: room))
        }
        let name = DNSName(unchecked: message, request)
        if let answer = ownAnswer(name, request, for: visitor, key: key) {
            guard let announce, !answer.addresses.isEmpty, answer.explanation == nil, knowledge.announced.contains(name)
            else { return .written(write(answer, request, message, transport, into: room)) }
            let (deliver, message) = (later(), Array(message[..<request.end]))
            reactor.begin { [self] in
                await announce(name, answer.addresses, answer.secondsToLive ?? Self.negativeSeconds)
                let count = message.withUnsafeBytes { write(answer, request, $0, transport, into: self.room) }
                deliver(Array(self.room[..<count]))
            }
            return .later
        }
        return ask(
            name, request, message, key: Array(key), visitor, transport,
            stale: found.flatMap { isCurrent($0) && !$0.isOwn && cache.isOfUse($0, at: now) ? $0 : nil }, into: room,
            later)
    }

    /// Whether the visitor, or all of its neighbourhood, asks faster than it may.
    private func isBeyondPace(_ visitor: Visitor) -> Bool {
        var isBeyond = !pace.admits(visitor.payer, at: nanoseconds) { knowledge.questionsPerSecond(visitor) }
        if !isBeyond, let neighbourhood = visitor.neighbourhood {
            isBeyond = !pace.admits(neighbourhood, at: nanoseconds) {
                knowledge.questionsPerSecond(visitor).map { $0 * Visitor.neighbours }
            }
        }
        if isBeyond { tell(of: visitor) { .questions(perSecond: knowledge.questionsPerSecond(visitor) ?? 0) } }
        return isBeyond
    }

    private func tell(of visitor: Visitor, _ excess: () -> Excess) {
        if let last = told[visitor.payer], now - last < 60 { return }
        if told.count >= Self.mostTold { told = told.filter { now - $1 < 60 } }
        guard told.count < Self.mostTold else { return }
        told[visitor.payer] = now
        tellOfExcess(visitor, excess())
    }

    private func tell(of answer: DNSAnswer, _ name: @autoclosure () -> DNSName, to visitor: Visitor) {
        guard !watched.isEmpty, !visitor.isRelay, watched.contains(visitor.member) else { return }
        let addresses = answer.addresses
        if !addresses.isEmpty { tellOfAnswer(visitor.member, name(), addresses) }
    }

    // MARK: what is known here

    /// Whether what the box itself knows is as it was when the answer was kept. The lists are looked through again if not.
    private func isCurrent(_ entry: AnswerCache.Entry) -> Bool {
        guard entry.generation != generation else { return true }
        guard !entry.isOwn else { return false }
        let name = DNSName(unchecked: entry.key.prefix(entry.key.count - 3))
        let type = entry.key.suffix(3)
        guard
            known(name, DNSType(rawValue: UInt16(type[type.startIndex]) << 8 | UInt16(type[type.startIndex + 1])))
                == nil
        else { return false }
        // It was trusted once, perhaps.
        guard knowledge.objection(to: entry.answer, about: name) == nil else { return false }
        // Nobody may have been told of these addresses.
        guard !knowledge.announced.contains(name) else { return false }
        entry.lists = lists(with: name, entry.answer)
        entry.generation = generation
        return true
    }

    /// What no server is asked for; nil: it is theirs to say.
    private func known(_ name: DNSName, _ type: DNSType) -> DNSAnswer? {
        if let answer = knowledge.home.answer(name, type) { return answer }
        if type == .a || type == .aaaa, let addresses = hosts.addresses(of: "\(name)") {
            // What is the box itself to the box is somebody else to its clients.
            let outer = addresses.filter { !$0.isLoopback }
            if !outer.isEmpty {
                let data = outer.map { DNSData.address($0) }.filter { $0.isOf(type) }
                return DNSAnswer(to: name, type, .success, data, seconds: 60, by: data.isEmpty ? name : nil)
            }
        }
        return SpecialNames.answer(name, type)
    }

    private func ownAnswer(
        _ name: DNSName, _ request: DNSRequest, for visitor: Visitor, key: UnsafeRawBufferPointer
    ) -> DNSAnswer? {
        // A class that nobody here serves, transfers, and what is no record at all.
        guard request.isOfInternet else { return DNSAnswer(to: name, request.type, .refused) }
        guard !request.type.isMeta else { return DNSAnswer(to: name, request.type, .notImplemented) }
        if request.type == .any { return DNSAnswer(to: name, .any, .success, [.nothingToTell], seconds: 3600) }
        let lists = knowledge.filter.lists(with: name)
        if let answer = known(name, request.type) {
            // A name that the operator gave is on no list of somebody else's; a rule is the operator's own.
            let ruled = lists & NameFilter.ruled
            cache.keep(
                answer, for: Array(key), seconds: answer.secondsToLive ?? 0, at: now, lists: ruled,
                generation: generation, isOwn: true)
            guard ruled & knowledge.filter.lists(for: visitor) != 0 else { return answer }
            return refusal(of: request, name, on: ruled, to: visitor) ?? answer
        }
        guard lists & knowledge.filter.lists(for: visitor) != 0 else { return nil }
        return refusal(of: request, name, on: lists, to: visitor)
    }

    private func lists(with name: DNSName, _ answer: DNSAnswer) -> NameFilter.Lists {
        // A name that leads to a refused one by way of an alias is refused as well.
        answer.aliases.reduce(knowledge.filter.lists(with: name)) { $0 | knowledge.filter.lists(with: $1) }
    }

    private func refusal(
        of request: DNSRequest, _ message: UnsafeRawBufferPointer, on lists: NameFilter.Lists, to visitor: Visitor
    ) -> DNSAnswer? {
        return refusal(of: request, DNSName(unchecked: message, request), on: lists, to: visitor)
    }

    /// nil: it is not refused to this visitor after all.
    private func refusal(
        of request: DNSRequest, _ name: DNSName, on lists: NameFilter.Lists, to visitor: Visitor
    ) -> DNSAnswer? {
        let theirs = lists & knowledge.filter.lists(for: visitor)
        let explanation: DNSExplanation
        var list: String?
        if theirs & ~NameFilter.ruled != 0 {
            let first = knowledge.filter.lists[(theirs & ~NameFilter.ruled).trailingZeroBitCount].name
            list = first
            explanation = .blocked(by: "blocklist \(first)")
        } else if !visitor.isRelay, let rule = knowledge.filter.ruling(name, visitor) {
            explanation = .blocked(by: "rule \(rule)")
            tellOfRuling(visitor, rule, name)
        } else {
            return nil
        }
        let refusal = Refusal(list: list, member: visitor.member)
        if refusals.count < Self.mostRefusals || refusals[refusal] != nil { refusals[refusal, default: 0] += 1 }
        // An address that nobody has, as every blocker of the field says it: that there is no such name makes some programs
        // ask again and again.
        let data: [DNSData] =
            switch request.type {
            case .a: [.address(.v4(0))]
            case .aaaa: [.address(.v6(0))]
            default: []
            }
        return DNSAnswer(
            to: name, request.type, .success, data, seconds: Self.refusalSeconds, by: data.isEmpty ? name : nil,
            because: explanation)
    }

    private func write(
        _ answer: DNSAnswer, _ request: DNSRequest, _ message: UnsafeRawBufferPointer,
        _ transport: DNSAnswer.Transport, into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        answer.write(to: request, message, over: transport, age: 0, into: room)
    }

    // MARK: what the servers say

    private func ask(
        _ name: DNSName, _ request: DNSRequest, _ message: UnsafeRawBufferPointer, key: [UInt8], _ visitor: Visitor,
        _ transport: DNSAnswer.Transport, stale: AnswerCache.Entry?, into room: UnsafeMutableRawBufferPointer,
        _ later: () -> ([UInt8]) -> Void
    ) -> Response {
        let running = inquiries[key]
        // Whoever has to be told of the addresses first is told by an inquiry, though nobody can be asked.
        let isAnnounced = knowledge.announced.contains(name)
        if let stale, running?.hasResorted == true || pool.rules.servers.isEmpty && !isAnnounced {
            return .written(resort(to: stale, name, request, message, visitor, transport, into: room))
        }
        // Whoever asks again because nothing has come yet is answered once.
        if let running, case .datagram = transport, running.isAwaited(by: visitor, message) { return .later }
        let isCrowded = running.map { $0.waiters.count >= Self.mostWaiters } ?? false
        let isTooMuch = isCrowded || !visitor.isRelay && isTooMuch(of: visitor, begins: running == nil)
        if isTooMuch, !visitor.isRelay { tell(of: visitor) { .waiting(Self.share) } }
        if isTooMuch || pool.rules.servers.isEmpty && stale == nil {
            let reason =
                isTooMuch
                ? DNSExplanation(code: 0, text: "too many questions of this device are under way")
                : DNSExplanation(code: 22, text: "this gateway has no name server")
            let answer = DNSAnswer(to: name, request.type, .serverFailure, because: reason)
            return .written(write(answer, request, message, transport, into: room))
        }
        let inquiry = running ?? begin(name, request, key, visitor, stale)
        waitingOfAll += 1
        for (payer, _) in visitor.payers { waiting[payer, default: 0] += 1 }
        inquiry.waiters.append(
            Inquiry.Waiter(
                request: request, message: Array(message[..<request.end]), transport: transport, visitor: visitor,
                deliver: later()))
        return .later
    }

    /// Whether one more question would be more than the visitor, or all of its neighbourhood, may have under way.
    ///
    /// - Parameter begins: nobody has put this question yet.
    private func isTooMuch(of visitor: Visitor, begins: Bool) -> Bool {
        waitingOfAll >= Self.waitingCapacity
            || visitor.payers.contains { payer, count in
                waiting[payer, default: 0] >= Self.share * count
                    || begins && shares[payer, default: 0] >= Self.share * count
            }
    }

    private func begin(
        _ name: DNSName, _ request: DNSRequest, _ key: [UInt8], _ visitor: Visitor, _ stale: AnswerCache.Entry?
    ) -> Inquiry {
        makeRoom()
        let inquiry = Inquiry(
            name, request.type, key: key, wishes: request.wishes, beginner: visitor, stale: stale, at: self)
        inquiries[key] = inquiry
        for (payer, _) in visitor.payers { shares[payer, default: 0] += 1 }
        reactor.begin { await inquiry.run() }
        return inquiry
    }

    /// Of whoever has most under way the one that has taken longest goes: a name that resolves at all mostly does within a moment.
    private func makeRoom() {
        let capacity = DescriptorBudget.shared.hasRoom ? Self.capacity : Self.leastCapacity
        guard inquiries.count >= capacity else { return }
        // A relay asks for many.
        func weight(_ inquiry: Inquiry) -> Int {
            let payer = inquiry.beginner.payer
            return shares[payer, default: 0] / (payer == .relay ? Visitor.neighbours : 1)
        }
        guard let victim = inquiries.values.min(by: { (-weight($0), $0.start) < (-weight($1), $1.start) }) else {
            return
        }
        inquiries[victim.key] = nil
        victim.giveUp()
    }

    /// Has the addresses known by whoever has to know them first.
    func prepare(_ inquiry: Inquiry, _ answer: DNSAnswer) async {
        let addresses = answer.addresses
        guard let announce, !addresses.isEmpty, knowledge.announced.contains(inquiry.name) else { return }
        await announce(inquiry.name, addresses, answer.secondsToLive ?? Self.negativeSeconds)
    }

    func finish(_ inquiry: Inquiry, _ outcome: Inquiry.Outcome) {
        if inquiries[inquiry.key] === inquiry { inquiries[inquiry.key] = nil }
        for (payer, _) in inquiry.beginner.payers { shares.release(payer) }
        beginTurn()
        switch outcome {
        case .answered(let answer): conclude(inquiry, answer)
        case .failed, .timedOut:
            if let stale = inquiry.stale {
                cache.prolong(stale, at: now)
                return resort(inquiry, to: stale)
            }
            let answer = DNSAnswer(
                to: inquiry.name, inquiry.type, .serverFailure, because: .noReachableAuthority)
            cache.keep(
                answer, for: inquiry.key, seconds: Self.failureSeconds, at: now, lists: 0, generation: generation,
                isOwn: true)
            deliver(answer, to: inquiry, lists: 0)
        }
    }

    private func conclude(_ inquiry: Inquiry, _ answer: DNSAnswer) {
        if let objection = knowledge.objection(to: answer, about: inquiry.name) {
            let refusal = DNSAnswer(to: inquiry.name, inquiry.type, .refused, because: objection)
            cache.keep(
                refusal, for: inquiry.key, seconds: Int(Self.refusalSeconds), at: now, lists: 0, generation: generation,
                isOwn: true)
            return deliver(refusal, to: inquiry, lists: 0)
        }
        let lists = lists(with: inquiry.name, answer)
        cache.keep(
            answer, for: inquiry.key, seconds: answer.secondsToLive ?? Self.negativeSeconds, at: now, lists: lists,
            generation: generation, isOwn: false)
        deliver(answer, to: inquiry, lists: lists)
    }

    private func deliver(_ answer: DNSAnswer, to inquiry: Inquiry, lists: NameFilter.Lists) {
        for waiter in takeWaiters(of: inquiry) {
            var answer = answer
            if lists & knowledge.filter.lists(for: waiter.visitor) != 0,
                let refusal = refusal(of: waiter.request, inquiry.name, on: lists, to: waiter.visitor)
            {
                answer = refusal
            } else {
                tell(of: answer, inquiry.name, to: waiter.visitor)
            }
            let count = waiter.message.withUnsafeBytes {
                write(answer, waiter.request, $0, waiter.transport, into: room)
            }
            waiter.deliver(Array(room[..<count]))
        }
    }

    /// Those who wait wait no longer.
    private func takeWaiters(of inquiry: Inquiry) -> [Inquiry.Waiter] {
        let waiters = inquiry.waiters
        inquiry.waiters = []
        waitingOfAll -= waiters.count
        for waiter in waiters {
            for (payer, _) in waiter.visitor.payers { waiting.release(payer) }
        }
        return waiters
    }

    /// Gives all that wait what was answered once.
    func resort(_ inquiry: Inquiry, to stale: AnswerCache.Entry) {
        beginTurn()
        for waiter in takeWaiters(of: inquiry) {
            let count = waiter.message.withUnsafeBytes { message in
                resort(
                    to: stale, inquiry.name, waiter.request, message, waiter.visitor, waiter.transport, into: room)
            }
            waiter.deliver(Array(room[..<count]))
        }
    }

    /// What was refused stays so, however old the answer by which that is known.
    private func resort(
        to stale: AnswerCache.Entry, _ name: DNSName, _ request: DNSRequest, _ message: UnsafeRawBufferPointer,
        _ visitor: Visitor, _ transport: DNSAnswer.Transport, into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        let lists = lists(with: name, stale.answer)
        if lists & knowledge.filter.lists(for: visitor) != 0,
            let refusal = refusal(of: request, name, on: lists, to: visitor)
        {
            return write(refusal, request, message, transport, into: room)
        }
        tell(of: stale.answer, name, to: visitor)
        return writeStale(stale, request, message, transport, into: room)
    }

    private func writeStale(
        _ entry: AnswerCache.Entry, _ request: DNSRequest, _ message: UnsafeRawBufferPointer,
        _ transport: DNSAnswer.Transport, into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        entry.answer.write(
            to: request, message, over: transport, age: 0, staleSeconds: UInt32(AnswerCache.staleSeconds),
            because: .stale, into: room)
    }
}

extension Visitor {
    /// The one for whom the relay asks, if it says so.
    fileprivate init(_ relay: Visitor, asksFor request: DNSRequest, _ message: UnsafeRawBufferPointer) {
        self = relay
        guard let device = request.options?.device, device.count == 4 else { return }
        let number = message.loadUnaligned(fromByteOffset: device.lowerBound, as: UInt32.self).bigEndian
        member = UInt16(number >> 16)
        zone = UInt16(truncatingIfNeeded: number)
    }
}

extension DNSData {
    fileprivate func isOf(_ type: DNSType) -> Bool {
        switch self {
        case .address(.v4): type == .a
        case .address(.v6): type == .aaaa
        default: false
        }
    }
}

extension [Visitor.Payer: Int] {
    /// One less; whoever has none is not kept.
    fileprivate mutating func release(_ payer: Visitor.Payer) {
        let left = self[payer, default: 1] - 1
        self[payer] = left > 0 ? left : nil
    }
}

extension DNSName {
    /// The name that a message asks for, which was parsed.
    fileprivate init(unchecked message: UnsafeRawBufferPointer, _ request: DNSRequest) {
        self.init(unchecked: UnsafeRawBufferPointer(rebasing: message[DNSRequest.nameStart..<(request.end - 4)]))
    }

    fileprivate init(unchecked wire: ArraySlice<UInt8>) {
        self = wire.withUnsafeBytes { DNSName(unchecked: $0) }
    }
}
