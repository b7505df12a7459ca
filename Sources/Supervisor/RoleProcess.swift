import Address
import CLinux
import Glibc
import Logging
import Policy
import Reactor
import Ruleset

/// A child process as the supervisor sees it: its life, and orders with their answers.
///
/// Belongs to the gateway and its thread.
final class RoleProcess {
    enum State: String {
        case starting, running, failed, stopped
    }

    let role: Role
    let counters: Counters
    private(set) var state = State.starting
    private(set) var pid: Int32 = 0
    private var restartCount = Restarts()
    /// Counts the processes of this role, so that a task that waits for one does not take its successor for it.
    private(set) var generation = 0
    /// Why the last process of the role ended.
    private(set) var lastEnd = ""
    /// The sockets that the process has and accepts from.
    private(set) var sockets: Set<ListenerSockets.Key> = []
    /// The accounts that a process of this role has counted on. A restarted process goes on counting there.
    private var counted: Set<UInt16> = []
    /// The sockets that the process was offered since the last commit.
    private var offered: Set<ListenerSockets.Key> = []
    /// The share in force. nil: the process has none yet.
    private(set) var share: Share?
    /// The blocklists whose names the process has, by their contents.
    private var lent: Set<String> = []
    /// The share that the next commit puts in force. nil: the process was given no other.
    private var staged: Share?

    private let reactor: Reactor
    private let lists: BlocklistFiles
    private let log: Logger
    private var channel: Channel?
    private var pidfd: Int32 = -1
    private var serial = 0
    private var exchanges: [Int: Exchange] = [:]

    /// An order that waits for its answer.
    private final class Exchange {
        let alarm: Alarm
        var answer: Answer?
        /// The memfd of an answer that brings one.
        var memory: Descriptor?

        init(alarm: Alarm) {
            self.alarm = alarm
        }
    }

    init(role: Role, reactor: Reactor, lists: BlocklistFiles, log: Logger) throws(Errno) {
        self.lists = lists
        self.role = role
        self.reactor = reactor
        self.log = log
        counters = try Counters()
    }

    /// The process has dropped its privileges and takes any order.
    private(set) var hasBegun = false

    var isRunning: Bool { state == .running }
    var isAlive: Bool { channel != nil }
    /// nil: the process has ended.
    var channelDescriptor: Int32? { channel?.descriptor }

    // MARK: life

    /// Starts the process. Until it has answered `begin` it runs as the supervisor's user, with nothing but its channel and
    /// its counters.
    func launch() throws(Errno) {
        restartCount.began()
        let ends = try Channel.pair()
        let parent = Descriptor(adopting: ends.parent)
        let child = Descriptor(adopting: ends.child)
        let started = linux_spawn_self(role.title, child.number, counters.memory.number)
        guard started > 0 else { throw Errno(-started) }
        let descriptor = linux_pidfd_open(started)
        guard descriptor >= 0 else {
            _ = Glibc.kill(started, SIGKILL)
            _ = waitpid(started, nil, 0)
            throw Errno(-descriptor)
        }
        pid = started
        pidfd = descriptor
        generation += 1
        hasBegun = false
        channel = Channel(adopting: parent, on: reactor)
        state = .starting
        sockets = []
        offered = []
        share = nil
        lent = []
        staged = nil
        log.debug("started \(role.title)", metadata: ["pid": "\(started)"])
    }

    func didFailToStart(_ reason: String) { lastEnd = "cannot be started: \(reason)" }

    func didAnswerBegin(_ generation: Int) {
        if generation == self.generation, isAlive { hasBegun = true }
    }

    func didBegin(_ generation: Int) {
        // The process may have ended in the meantime, or be about to.
        if generation == self.generation, isAlive, state == .starting { state = .running }
    }

    /// Reads answers and events until the process closes its channel or sends anything else.
    func receive(_ onEvent: (Event) -> Void, _ onPlea: (Plea) -> Void) async {
        var bound = EventBound(limit: EventBound.borne)
        var pleas = EventBound(limit: EventBound.pleas)
        while let channel {
            guard var packet = try? await channel.receive() else { break }
            switch Message.decode(Word.self, from: packet.bytes) {
            case .answer(let answer):
                // A late answer only comes from a role that is being ended for it, and ends it as well.
                guard let exchange = exchanges[answer.serial] else { return disown("an answer that nobody waits for") }
                exchange.answer = answer
                exchange.memory = packet.takeDescriptor()
                exchange.alarm.ring()
            case .event(let event):
                guard bound.admits() else { return disown("more events than any of ours does") }
                onEvent(event)
            case .plea(let plea):
                guard !role.serves.isEmpty, pleas.admits() else { return disown("more pleas than any of ours does") }
                onPlea(plea)
            case nil:
                return disown("something that is neither an answer nor an event")
            }
        }
    }

    private func disown(_ what: String) {
        log.error("the \(role.name) role sent \(what); it is ended")
    }

    /// Ends the process if it has not ended by itself, reaps it, and fails whatever still waits for an answer.
    func finish() async {
        channel = nil
        hasBegun = false
        if state == .running { state = .failed }
        _ = linux_pidfd_signal(pidfd, SIGKILL)
        let source = Source(adopting: Descriptor(adopting: pidfd), on: reactor)
        try? await source.readable()
        var status: Int32 = 0
        _ = linux_reap(source.descriptor, &status)
        lastEnd = describe(exit: status)
        pidfd = -1
        if state != .stopped { state = .failed }
        for exchange in exchanges.values { exchange.alarm.ring() }
    }

    /// The pause before the next start.
    func nextPause() -> Duration { restartCount.nextPause() }

    /// How often it was started again.
    var restarts: Int { restartCount.count }

    /// True while the role ends again and again soon after its start. False once a process has lasted ten seconds.
    var isCrashLooping: Bool { restartCount.isCrashLooping(isRunning: isRunning) }

    /// The role is not started again after this.
    func stop() {
        state = .stopped
    }

    /// Kills the process of that generation, if it is still the one there is.
    func kill(_ generation: Int) {
        if generation == self.generation, pidfd >= 0 { _ = linux_pidfd_signal(pidfd, SIGKILL) }
    }

    // MARK: orders

    /// The certificate that its https listeners show.
    var identity: ServerIdentity? { share?.identity }
    var isStaged: Bool { staged != nil }

    /// Whether the process has to be given `share`: the share is another one than it has, or one of its sockets is.
    func needs(_ share: Share) -> Bool {
        share != self.share || share.accounts.contains { !sockets.contains(ListenerSockets.Key($0.listener)) }
    }

    /// Has the process get ready for a share. A refusal changes nothing.
    func stage(_ share: Share, _ sockets: ListenerSockets? = nil) async throws(Refusal) {
        for account in share.accounts {
            if let entry = sockets?[account.listener] { try await offer(account.listener, entry) }
        }
        for list in share.blocklists where !lent.contains(list.content) {
            guard let names = lists.memory(of: list.content) else {
                let what = "the blocklist \(list.name) cannot be read"
                let isNews = !(self.share?.blocklists.contains(list) ?? true)
                if isNews { throw Refusal("\(what); nothing was changed") }
                log.error("\(what); it refuses nothing")
                continue
            }
            try await order(.lend(list.content), descriptors: [names.number])
            lent.insert(list.content)
        }
        let memory: Descriptor
        do throws(Errno) { memory = try SealedMemory.create(share.encode(since: self.share)) } catch {
            throw Refusal("no memory for the configuration: \(error)")
        }
        // Before the answer: a process that does not answer may be ready all the same.
        staged = share
        try await order(.stage, descriptors: [memory.number])
    }

    /// Passes a socket down, unless the process has it already.
    private func offer(_ listener: Listener, _ entry: ListenerSockets.Entry) async throws(Refusal) {
        let key = ListenerSockets.Key(listener)
        guard !sockets.contains(key), !offered.contains(key) else { return }
        if counted.insert(entry.account).inserted { counters.reset(entry.account) }
        var descriptors = [entry.socket.number]
        if let datagrams = entry.datagrams { descriptors.append(datagrams.socket.number) }
        try await order(.offer(listener.endpoint), descriptors: descriptors)
        offered.insert(key)
    }

    /// Puts the staged share in force.
    func commit() async throws(Refusal) {
        try await order(.commit)
        didCommit()
    }

    /// The staged share is in force now.
    func didCommit() {
        // Sockets of its own role alone: an endpoint that becomes another role's is gone from this one.
        let own = (staged ?? share)?.accounts.map { ListenerSockets.Key($0.listener) } ?? []
        sockets = sockets.union(offered).intersection(own)
        offered = []
        share = staged ?? share
        lent.formIntersection(share?.blocklists.map(\.content) ?? [])
        staged = nil
        forgetCounts()
    }

    func abort() async throws(Refusal) {
        try await order(.abort)
        offered = []
        staged = nil
        forgetCounts()
    }

    /// Gives back the accounts that no listener of the role has any more.
    private func forgetCounts() { counted.formIntersection((share?.accounts ?? []).map(\.number)) }

    /// Gives an order and waits until it is carried out.
    ///
    /// - Throws: the role's refusal, and what `ask` throws.
    @discardableResult
    func order(
        _ verb: Order.Verb, descriptors: [Int32] = [], within limit: Duration = .seconds(10)
    ) async throws(Refusal) -> Answer {
        let answer = try await ask(verb, descriptors: descriptors, within: limit)
        if let refusal = answer.refusal { throw Refusal(refusal) }
        return answer
    }

    /// Gives an order and waits for its answer, which may be a refusal.
    ///
    /// - Throws: the role is gone; or it has not answered in time, and is killed. How far it came is not known then.
    func ask(
        _ verb: Order.Verb, descriptors: [Int32] = [], within limit: Duration = .seconds(10)
    ) async throws(Refusal) -> Answer {
        try await exchange(verb, descriptors, within: limit).answer!
    }

    /// The firewall role's report.
    func report() async throws(Refusal) -> Report { try await fetch(.report) }

    /// The sessions that the process has now.
    func sessions(_ query: SessionQuery) async throws(Refusal) -> SessionList {
        let list: SessionList = try await fetch(.sessions(query))
        try checkCount(list.total)
        return list
    }

    /// What the role for names has refused.
    func nameRefusals() async throws(Refusal) -> [NameRefusal] { try await fetch(.nameRefusals) }

    /// Which addresses the role for names has given devices that are watched, and for which names.
    func toldNames() async throws(Refusal) -> [ToldName] { try await fetch(.toldNames) }

    /// What came of its sessions lately.
    func sessionLog(_ query: SessionLogQuery) async throws(Refusal) -> SessionLogList {
        try await fetch(.sessionLog(query))
    }

    /// How much went for each device since the process began.
    func traffic() async throws(Refusal) -> [DeviceTraffic] { try await fetch(.traffic) }

    /// Has the firewall role change what live sets hold.
    func change(_ changes: [LiveChange], isWhole: Bool) async throws(Refusal) {
        let memory: Descriptor
        do throws(Errno) { memory = try SealedMemory.create(Message.encode(changes)) } catch {
            throw Refusal("no memory for the elements of the kernel's sets: \(error)")
        }
        try await order(.elements(isWhole: isWhole), descriptors: [memory.number])
    }

    /// How many packets the bans have stopped, by the sources' addresses.
    func stoppedPackets() async throws(Refusal) -> [String: Int] { try await fetch(.stoppedPackets) }

    /// Which packets were dropped lately, the oldest first.
    func droppedPackets() async throws(Refusal) -> [DroppedPacket] { try await fetch(.droppedPackets) }

    /// What the box began since the role told of it last.
    func heldDepartures() async throws(Refusal) -> [HeldDeparture] { try await fetch(.heldDepartures) }

    /// Ends sessions.
    ///
    /// - Returns: the number of sessions that were ended.
    func endSessions(_ selection: SessionSelection) async throws(Refusal) -> Int {
        let memory: Descriptor
        do throws(Errno) { memory = try SealedMemory.create(Message.encode(selection)) } catch {
            throw Refusal("no memory for the sessions to be ended: \(error)")
        }
        let count = try await order(.endSessions, descriptors: [memory.number]).count ?? 0
        try checkCount(count)
        return count
    }

    /// Refuses a count that no honest process gives: sums would overflow.
    private func checkCount(_ count: Int) throws(Refusal) {
        guard (0...Int(Int32.max)).contains(count) else { throw distrust() }
    }

    /// Kills a process whose answer makes no sense.
    private func distrust() -> Refusal {
        log.error("the \(role.name) role's answer makes no sense; it is ended")
        kill(generation)
        return Refusal("the \(role.name) role's answer makes no sense; it is restarted")
    }

    /// Gives an order whose answer brings a value in a memfd.
    private func fetch<Value: Decodable>(_ verb: Order.Verb) async throws(Refusal) -> Value {
        let exchange = try await exchange(verb, [], within: .seconds(10))
        if let refusal = exchange.answer?.refusal { throw Refusal(refusal) }
        guard let memory = exchange.memory.take(),
            let bytes = try? SealedMemory.read(memory, atMost: Message.limit),
            let value = Message.decode(Value.self, from: bytes)
        else { throw distrust() }
        return value
    }

    /// As `ask`, with the memfd that came along with the answer.
    private func exchange(
        _ verb: Order.Verb, _ descriptors: [Int32], within limit: Duration
    ) async throws(Refusal) -> Exchange {
        guard let channel else { throw Refusal("the \(role.name) role is not running (\(lastEnd))") }
        serial += 1
        let number = serial
        let generation = self.generation
        let exchange = Exchange(alarm: Alarm(on: reactor))
        exchanges[number] = exchange
        defer { exchanges[number] = nil }
        do {
            try channel.send(Message.encode(Order(serial: number, verb: verb)), descriptors: descriptors)
        } catch {
            throw Refusal("the \(role.name) role cannot be reached: \(error)")
        }
        await exchange.alarm.wait(atMost: limit)
        guard exchange.answer != nil else {
            guard isAlive, generation == self.generation else {
                throw Refusal("the \(role.name) role ended before it answered (\(lastEnd))")
            }
            kill(generation)
            throw Refusal("the \(role.name) role did not answer within \(limit); it is restarted")
        }
        return exchange
    }
}
