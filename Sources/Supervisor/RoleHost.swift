package import Address
import CLinux
import Glibc
package import Logging
package import Machine
package import Policy
package import Reactor
package import Ruleset

/// A role's own part: carries the supervisor's orders out. Runs on its process's main reactor.
package protocol RoleService: Sendable {
    /// The role's share of what the supervisor knows.
    associatedtype Assignment: Decodable, Sendable

    /// Takes a listening socket that a later assignment will name.
    ///
    /// - Parameter datagrams: the UDP socket beside it; nil: there is none.
    func offer(_ endpoint: Endpoint, _ socket: consuming Descriptor, datagrams: consuming Descriptor?) async
    /// Takes the names or networks of a blocklist that a later assignment will name by `content`.
    func lend(_ content: String, _ names: [UInt8]) async
    /// Gets ready for `assignment` and changes nothing yet.
    func stage(_ assignment: Assignment) async throws(Refusal)
    /// Puts the staged assignment in force.
    func commit() async throws(Refusal)
    /// Forgets the sockets that were offered and the assignment that was staged.
    func abort() async
    /// Looks names up by these servers from now on.
    ///
    /// - Parameter hosts: as `HostList` has them; nil: as before.
    func use(_ servers: NameServerList, hosts: [UInt8]?) async
    /// Accepts nothing more and waits for the sessions to end, `limit` at most.
    func drain(for limit: Duration) async
    /// Tells how the kernel's table stands. Only the firewall role is asked.
    func report() async throws(Refusal) -> Report
    func sessions(_ query: SessionQuery) async -> SessionList
    /// Tells which names were refused to whom. Only the role for names is asked.
    func nameRefusals() async -> [NameRefusal]
    /// Tells which addresses devices that are watched were given for which names. Only the role for names is asked.
    func toldNames() async -> [ToldName]
    func sessionLog(_ query: SessionLogQuery) async -> SessionLogList
    /// How much went for each device since the role began.
    func traffic() async -> [DeviceTraffic]
    /// The kernel has what the event of this number brought. Only the names role waits for it.
    func confirm(_ serial: Int) async
    /// Elements come into the kernel's live sets, and go. Only the firewall role is asked.
    ///
    /// - Parameter isWhole: the sets hold nothing else.
    func change(_ changes: [LiveChange], isWhole: Bool) async throws(Refusal)
    /// Of the firewall role how many packets the bans have stopped, by the sources' addresses; of a relay how often each rule has refused
    /// what a client wanted, by its number, and the default, by 0.
    func stoppedPackets() async -> [String: Int]
    /// Which packets were dropped lately, the oldest first.
    func droppedPackets() async -> [DroppedPacket]
    /// What the box began since that was told last, which is told by this. Only the firewall role is asked.
    func heldDepartures() async -> [HeldDeparture]
    /// Ends these sessions and tells how many they were.
    func endSessions(_ selection: SessionSelection) async -> Int
}

extension RoleService {
    package func confirm(_ serial: Int) {}

    package func change(_ changes: [LiveChange], isWhole: Bool) async throws(Refusal) {
        throw Refusal("this role has no sets in the kernel")
    }

    package func report() async throws(Refusal) -> Report { throw Refusal("this role has no table in the kernel") }
}

/// The parts that a role's service is made from.
package struct RoleEquipment {
    package let reactor: Reactor
    package let counters: Counters
    /// nil: the role counts no clients.
    package let ledger: Ledger?
    /// What the role may have in memory.
    package let memory: MemoryAllotment
    /// The way to tell the supervisor something unasked.
    package let events: EventLine
    /// The way to ask it for pinholes.
    package let pleas: PleaLine
    package let log: Logger
}

/// How much memory a role may have.
package struct MemoryAllotment {
    package let bytes: Int
    /// /proc/self/statm, for whoever takes it. Negative: it could not be opened.
    package let statm: Int32
}

extension RoleService {
    package func use(_ servers: NameServerList, hosts: [UInt8]?) {}
    package func lend(_ content: String, _ names: [UInt8]) {}
    package func nameRefusals() -> [NameRefusal] { [] }
    package func sessionLog(_ query: SessionLogQuery) -> SessionLogList { SessionLogList() }
    package func toldNames() -> [ToldName] { [] }
    package func traffic() -> [DeviceTraffic] { [] }
    package func stoppedPackets() -> [String: Int] { [:] }
    package func droppedPackets() -> [DroppedPacket] { [] }
    package func heldDepartures() -> [HeldDeparture] { [] }
}

/// The main loop of a role's process: drops its privileges, then carries out orders until its parent is gone.
package enum RoleHost {
    /// Where the parent left the channel and the counters (`linux_spawn_self`).
    private static let channelNumber: Int32 = 3
    private static let pageNumber: Int32 = 4

    /// Never returns. `compose` makes the role's service on its main reactor, after privileges were dropped.
    package static func run(
        _ role: Role, compose: (RoleEquipment) throws -> any RoleService
    ) -> Never {
        do {
            // A write to a connection that was reset is an error to handle and not a reason to die.
            signal(SIGPIPE, SIG_IGN)
            Privileges.becomeExpendable()
            let statm = role.party == nil ? -1 : open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
            let (first, memory) = try firstOrder()
            guard case .begin(let beginning) = first.verb else { fail(role, "the first order was not to begin") }
            let log = Log.start(label: role.name, level: beginning.logLevel)
            try Privileges.drop(to: beginning.user, keepingNetAdmin: role.keepsNetAdmin)
            Sandbox.enter(role.sandbox, log: log)
            linux_name_thread("gatehoused")
            let counters = try Counters(memory: Descriptor(adopting: pageNumber))
            let reactor = try Reactor(counters: counters)
            var ledger: Ledger?
            if let memory, let party = role.party {
                ledger = try Ledger(memory: Descriptor(adopting: memory), party: party)
            }
            let events = EventLine(channel: channelNumber)
            let pleas = PleaLine(channel: channelNumber, reactor: reactor)
            let service = try compose(
                RoleEquipment(
                    reactor: reactor, counters: counters, ledger: ledger,
                    memory: MemoryAllotment(bytes: beginning.memory, statm: statm), events: events, pleas: pleas,
                    log: log))
            reactor.spawn { reactor in
                let channel = Channel(adopting: Descriptor(adopting: channelNumber), on: reactor)
                await serve(
                    service, on: channel, begun: first.serial, reactor: reactor, events: events, pleas: pleas, log: log)
                exit(0)
            }
            reactor.run()
            exit(0)
        } catch {
            fail(role, "\(error)")
        }
    }

    private static func fail(_ role: Role, _ reason: String) -> Never {
        Log.start(label: role.name, level: "info").critical("\(reason)")
        exit(EX_OSERR)
    }

    /// Waits for `begin` without a reactor: while there is one thread, dropping privileges drops them for all. With it a relay
    /// gets its ledger.
    private static func firstOrder() throws -> (Order, memory: Int32?) {
        var poll = pollfd(fd: channelNumber, events: Int16(POLLIN), revents: 0)
        while Glibc.poll(&poll, 1, -1) < 0 && errno == EINTR {}
        var bytes = [UInt8](repeating: 0, count: Channel.packetLimit)
        var descriptors = [Int32](repeating: -1, count: Channel.descriptorLimit)
        var count: Int32 = 0
        let length = linux_receive_packet(channelNumber, &bytes, bytes.count, &descriptors, &count)
        guard length > 0, let order = Message.decode(Order.self, from: Array(bytes[..<length])) else {
            throw Refusal("the supervisor sent something that is no order")
        }
        return (order, count > 0 ? descriptors[0] : nil)
    }

    private static func serve(
        _ service: some RoleService, on channel: Channel, begun: Int, reactor: Reactor, events: EventLine,
        pleas: PleaLine, log: Logger
    ) async {
        do {
            try channel.send(Message.encode(Word.answer(Answer(serial: begun))))
            events.open()
            while var packet = try await channel.receive() {
                guard let order = Message.decode(Order.self, from: packet.bytes) else {
                    log.critical("the supervisor sent something that is no order")
                    exit(EX_PROTOCOL)
                }
                var memory: Descriptor?
                let answer = await carryOut(order, with: &packet, service, reactor, pleas, &memory)
                let bytes = Message.encode(Word.answer(answer))
                if let memory = memory.take() {
                    try await deliver(bytes, [memory.number], by: channel, reactor)
                } else {
                    try await deliver(bytes, [], by: channel, reactor)
                }
            }
        } catch Errno(EMSGSIZE) {
            // The kernel dropped the descriptor that came along (MSG_CTRUNC, recv(2)): this process had no number left for it.
            log.critical("an order came without what belongs to it: this process may open no more descriptors")
        } catch {
            log.debug("the channel to the supervisor is gone: \(error)")
        }
    }

    /// Waits for room: pleas of hundreds of sessions may be before it.
    private static func deliver(
        _ bytes: [UInt8], _ descriptors: [Int32], by channel: Channel, _ reactor: Reactor
    ) async throws(Errno) {
        while true {
            do throws(Errno) {
                return try channel.send(bytes, descriptors: descriptors)
            } catch {
                guard error == Errno(EAGAIN) else { throw error }
                await reactor.sleep(for: .milliseconds(10))
            }
        }
    }

    private static func carryOut(
        _ order: Order, with packet: inout Channel.Packet, _ service: some RoleService, _ reactor: Reactor,
        _ pleas: PleaLine, _ memory: inout Descriptor?
    ) async -> Answer {
        var answer = Answer(serial: order.serial)
        do throws(Refusal) {
            switch order.verb {
            case .begin: throw Refusal("this role has begun already")
            case .offer(let endpoint):
                guard let socket = packet.takeDescriptor() else { throw Refusal("no socket came along") }
                await service.offer(endpoint, socket, datagrams: packet.takeDescriptor())
            case .lend(let content):
                guard let names = try text(in: packet.takeDescriptor()) else { throw Refusal("no names came along") }
                await service.lend(content, names)
            case .stage:
                try await service.stage(try enclosed(in: &packet))
            case .commit:
                try await service.commit()
            case .abort:
                await service.abort()
            case .names(let servers):
                await service.use(servers, hosts: try text(in: packet.takeDescriptor()))
            case .granted(let number, let refusal):
                pleas.answer(number, refusal)
            case .drain(let milliseconds):
                pleas.leave()
                await service.drain(for: .milliseconds(milliseconds))
            case .outlive(let milliseconds):
                try Privileges.outliveParent()
                pleas.leave()
                await service.drain(for: .zero)
                reactor.spawn { _ in
                    await service.drain(for: .milliseconds(milliseconds))
                    exit(0)
                }
            case .report:
                let report = try await service.report()
                memory = try await sealed { () throws(Errno) in Message.encode(report) }
            case .sessions(let query):
                let list = await service.sessions(query)
                memory = try await sealed { () throws(Errno) in try await scribe.run { Message.encode(list) } }
            case .sessionLog(let query):
                let list = await service.sessionLog(query)
                memory = try await sealed { () throws(Errno) in try await scribe.run { Message.encode(list) } }
            case .nameRefusals:
                let list = await service.nameRefusals()
                memory = try await sealed { () throws(Errno) in Message.encode(list) }
            case .toldNames:
                let names = await service.toldNames()
                memory = try await sealed { () throws(Errno) in Message.encode(names) }
            case .traffic:
                let traffic = await service.traffic()
                memory = try await sealed { () throws(Errno) in Message.encode(traffic) }
            case .confirm(let serial): await service.confirm(serial)
            case .elements(let isWhole):
                try await service.change(try enclosed(in: &packet), isWhole: isWhole)
            case .droppedPackets:
                let packets = await service.droppedPackets()
                memory = try await sealed { () throws(Errno) in Message.encode(packets) }
            case .heldDepartures:
                let held = await service.heldDepartures()
                memory = try await sealed { () throws(Errno) in Message.encode(held) }
            case .stoppedPackets:
                let counts = await service.stoppedPackets()
                memory = try await sealed { () throws(Errno) in Message.encode(counts) }
            case .endSessions:
                answer.count = await service.endSessions(try enclosed(in: &packet))
            }
        } catch {
            answer.refusal = error.description
        }
        return answer
    }

    /// Encodes long lists on a thread of its own: thousands of sessions would hold up the loop that they run on.
    private static let scribe = Workers(count: 1, capacity: 4)

    private static func sealed(_ encode: () async throws(Errno) -> [UInt8]) async throws(Refusal) -> Descriptor {
        do throws(Errno) {
            return try SealedMemory.create(try await encode())
        } catch {
            throw Refusal("no memory for the answer: \(error)")
        }
    }

    private static func text(in memory: consuming Descriptor?) throws(Refusal) -> [UInt8]? {
        guard let memory else { return nil }
        do throws(Errno) {
            return try SealedMemory.read(memory, atMost: Message.limit)
        } catch {
            throw Refusal("what came along with the order cannot be read: \(error)")
        }
    }

    private static func enclosed<Value: Decodable>(in packet: inout Channel.Packet) throws(Refusal) -> Value {
        guard let memory = packet.takeDescriptor(),
            let bytes = try? SealedMemory.read(memory, atMost: Message.limit),
            let value = Message.decode(Value.self, from: bytes)
        else { throw Refusal("what came along with the order cannot be read") }
        return value
    }
}

private let EX_OSERR: Int32 = 71
private let EX_PROTOCOL: Int32 = 76
