import Address
import Glibc
import Reactor
import Wire

/// One question, put to the name servers in turn until one of them answers. The servers asked before go on being listened to.
///
/// Each time it is put it has a socket, a port and an id of its own, so that whoever does not see it has to guess all of them
/// together (RFC 5452).
final class Question {
    enum Outcome {
        case answered(DNSResponse)
        /// A server said that it cannot tell, and no other could.
        case failed
        case timedOut
        /// There is nobody to ask.
        case noServers
    }

    /// A query under way.
    private struct Asked {
        let server: NameServers.Server
        let query: DNSQuery
        let socket: QuerySocket
    }

    private let name: DNSName
    private let type: DNSType
    private let wishes: DNSQuery.Wishes
    /// Whether the answer is wanted as it came, and not for its addresses alone.
    private let isWhole: Bool
    /// For whom this gateway's own server is asked.
    private let party: UInt32
    /// What was answered, if `isWhole`.
    private(set) var whole: DNSAnswer?
    private let pool: ServerPool
    private let alarm: Alarm
    private let start = ContinuousClock.now
    private var asked: [Asked] = []
    /// Servers that said they cannot tell, or cannot be reached.
    private var refused: Set<NameServers.Server> = []
    /// Servers that did not take the question with EDNS.
    private var plain: Set<NameServers.Server> = []
    /// Whether any server said anything.
    private var hasHeard = false
    /// The server that has more to say than fits a datagram.
    private var truncated: NameServers.Server?
    private var response: DNSResponse?
    private var isGivenUp = false
    private var generation = 0

    /// Sockets that one question has at once.
    private static let mostSockets = 4
    private static let streamPatience: Duration = .seconds(3)
    /// Datagrams that are no answer, read in one turn.
    private static let mostDatagrams = 16

    init(
        _ name: DNSName, _ type: DNSType, wishes: DNSQuery.Wishes = [], isWhole: Bool = false, for party: UInt32 = 0,
        to pool: ServerPool
    ) {
        self.name = name
        self.type = type
        self.wishes = wishes
        self.isWhole = isWhole
        self.party = party
        self.pool = pool
        alarm = Alarm(on: pool.reactor)
    }

    /// Ends it now: nobody waits any more.
    func giveUp() {
        isGivenUp = true
        alarm.ring()
    }

    /// Other servers are to be asked.
    func beginAnew() { alarm.ring() }

    func run() async -> Outcome {
        defer { asked = [] }
        var outcome: Outcome?
        while outcome == nil {
            asked = []
            refused = []
            generation = pool.generation
            outcome = await askAll()
        }
        if case .timedOut? = outcome, !isGivenUp { pool.wereSilent(since: start) }
        return outcome!
    }

    /// nil: there are other servers by now.
    private func askAll() async -> Outcome? {
        let rules = pool.rules
        let order = pool.order(at: .now)
        guard !order.isEmpty else { return .noServers }
        for round in 0..<max(1, rules.attempts) {
            for server in order where !refused.contains(server) {
                ask(server)
                let end = ContinuousClock.now + rules.patience(inRound: round)
                await wait(until: end) { self.refused.contains(server) }
                if let response { return .answered(response) }
                if isGivenUp { return .timedOut }
                if generation != pool.generation { return nil }
                if !refused.contains(server) { pool.wasSilent(server) }
            }
        }
        return hasHeard ? .failed : .timedOut
    }

    /// Waits until there is a response, `isOver` says so, or the time is up.
    private func wait(until end: ContinuousClock.Instant, or isOver: () -> Bool) async {
        while response == nil, !isGivenUp, generation == pool.generation {
            if let server = truncated.take() {
                await askOverStream(server)
                continue
            }
            let left = end - .now
            guard left > .zero, !isOver() else { return }
            await alarm.wait(atMost: left)
        }
    }

    private func query(_ server: NameServers.Server) -> DNSQuery {
        // From getrandom(2).
        let id = UInt16.random(in: .min ... .max)
        return DNSQuery(
            id: id, name: name, type: type, wishes: wishes,
            isExtended: !pool.isPlain(server) && !plain.contains(server),
            party: pool.rules.isOwn ? party : nil)
    }

    private func ask(_ server: NameServers.Server) {
        do throws(Errno) {
            if asked.count == Self.mostSockets { asked.removeFirst() }
            let query = query(server)
            let socket = try QuerySocket(to: server.endpoint, on: pool.reactor) {
                [unowned self] in hear()
            }
            try socket.send(query.encode())
            asked.append(Asked(server: server, query: query, socket: socket))
        } catch {
            refuse(server)
        }
    }

    /// Something came in on one of the sockets.
    private func hear() {
        for asked in asked {
            datagrams: for _ in 0..<Self.mostDatagrams {
                guard response == nil, generation == pool.generation else { return }
                switch asked.socket.receive() {
                case .datagram(let message): consider(message, from: asked)
                case .nothing: break datagrams
                case .failed:
                    refuse(asked.server)
                    break datagrams
                }
            }
        }
    }

    private func consider(_ message: [UInt8], from asked: Asked) {
        do throws(DNSError) {
            let response = try DNSResponse.parse(message.span, to: asked.query)
            take(response, try whole(message, response), from: asked.server, asked.query)
        } catch {
            if error == .malformed { refuse(asked.server) }
        }
    }

    /// The message to be passed on; nil: it is not to be, or is no answer yet.
    private func whole(_ message: [UInt8], _ response: DNSResponse) throws(DNSError) -> DNSAnswer? {
        guard isWhole, !response.isTruncated, response.code == .success || response.code == .noSuchName else {
            return nil
        }
        return try DNSAnswer(parsing: message.span)
    }

    private func take(_ response: DNSResponse, _ whole: DNSAnswer?, from server: NameServers.Server, _ query: DNSQuery)
    {
        hasHeard = true
        pool.didHear(server)
        if response.isTruncated {
            truncated = server
            return alarm.ring()
        }
        switch response.code {
        case .success where !response.isReferral, .noSuchName:
            // That it answers without shows that it was EDNS which it did not take, and not the question.
            if plain.contains(server), !query.isExtended { pool.doesNotExtend(server) }
            self.response = response
            self.whole = whole
            alarm.ring()
        case .formatError where query.isExtended, .notImplemented where query.isExtended:
            plain.insert(server)
            ask(server)
        default: refuse(server)
        }
    }

    private func refuse(_ server: NameServers.Server) {
        refused.insert(server)
        alarm.ring()
    }

    /// The same over TCP, where there is room for all of it (RFC 7766).
    private func askOverStream(_ server: NameServers.Server) async {
        do {
            let query = query(server)
            let message = query.encode()
            let socket = try Socket(connectingTo: server.endpoint, on: pool.reactor)
            socket.setDeadline(after: Self.streamPatience)
            try await socket.write([UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message)
            let length = try await Self.read(2, from: socket)
            let answer = try await Self.read(Int(length[0]) << 8 | Int(length[1]), from: socket)
            let response = try DNSResponse.parse(answer.span, to: query)
            if response.isTruncated { return refuse(server) }
            take(response, try whole(answer, response), from: server, query)
        } catch {
            refuse(server)
        }
    }

    private static func read(_ count: Int, from socket: borrowing Socket) async throws(Errno) -> [UInt8] {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { room.deallocate() }
        var filled = 0
        while filled < count {
            let length = try await socket.read(into: UnsafeMutableRawBufferPointer(rebasing: room[filled...]))
            guard length > 0 else { throw Errno(ECONNRESET) }
            filled += length
        }
        return Array(room)
    }
}
