import Address
import CLinux
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// What a session leaves with its reactor: it can be counted and ended from outside, whoever carries it.
@Suite("A session")
struct SessionTests {
    @Test("A tunnel's owner is told once what has moved", arguments: Mode.allCases)
    func ends(mode: Mode) throws {
        let (client, origin, relay) = try Attended.joined(mode.limits)
        let (up, down) = (noise(700_001, seed: 31), noise(3_000_001, seed: 32))
        let received = background { client.readToEnd() }
        let sent = background { origin.readToEnd() }
        try client.write(up)
        try origin.write(down)
        client.finish()
        origin.finish()
        #expect(try received.get().get() == .whole(down))
        #expect(try sent.get().get() == .whole(up))
        #expect(try relay.ended.get() == Traffic(sent: UInt64(up.count), received: UInt64(down.count)))
        let left = try on(relay.reactor) { relay.open($0) }
        #expect(left == 0)
    }

    @Test("A tunnel that is ended resets both ends", arguments: Mode.allCases)
    func cut(mode: Mode) throws {
        let (client, origin, relay) = try Attended.joined(mode.limits)
        try client.write("x")
        #expect(try origin.text(1) == "x")
        try on(relay.reactor) { relay.end($0) }
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        #expect(throws: Errno(ECONNRESET)) { try origin.read() }
        #expect(try relay.ended.get() == Traffic(sent: 1, received: 0))
        #expect(relay.reactor.load == 0)
    }

    @Test("A tunnel that is ended in mid-flood ends alone", arguments: Mode.allCases)
    func cutFlood(mode: Mode) throws {
        let (client, origin, relay) = try Attended.joined(mode.limits, clientBuffer: 16 << 10)
        let (other, otherOrigin, _) = try Attended.joined(mode.limits)
        let block = noise(1 << 20, seed: 33)
        let flood = background { while true { try origin.write(block) } }
        _ = try client.read(exactly: 100_000)
        try on(relay.reactor) { relay.end($0) }
        #expect(throws: (any Error).self) { try flood.get().get() }
        #expect(client.readToEnd().errno == Errno(ECONNRESET))
        try other.write("still here")
        #expect(try otherOrigin.text(10) == "still here")
    }

    @Test("A session whose task waits for its client is reset, and the task told")
    func task() throws {
        let seen = Outcome<Errno?>()
        let relay = try Attended { reactor, client, relay in
            relay.begin(client.socket)
            client.socket.setDeadline(after: .seconds(30))
            do throws(Errno) {
                while true { _ = try await client.socket.read(into: reactor.loop.scratch) }
            } catch {
                // No deadline brings it back.
                client.socket.setDeadline(after: .seconds(30))
                client.socket.clearDeadline()
                let isStill = (try? await client.socket.read(into: reactor.loop.scratch)) == nil
                seen.set(isStill ? error : nil)
            }
        }
        let client = try Peer(connectingTo: relay.address)
        try client.write("hello")
        eventually("the session is there") { relay.reactor.load == 1 }
        try on(relay.reactor) { relay.end($0) }
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        #expect(try seen.get() == Errno(ECANCELED))
        _ = try relay.ended.get()
    }

    @Test("A session whose task waits for another socket of it is told as well, and what left it is not")
    func joined() throws {
        let origin = try Origin()
        let (seen, kept) = (Outcome<Errno?>(), Outcome<Bool>())
        let relay = try Attended { reactor, client, relay in
            relay.begin(client.socket)
            guard
                let mine = try? await Dial.connect(to: [origin.address], timeout: .seconds(5), on: reactor),
                let pooled = try? await Dial.connect(to: [origin.address], timeout: .seconds(5), on: reactor)
            else { return }
            relay.own(mine.socket)
            relay.own(pooled.socket)
            pooled.socket.leaveSession()
            do throws(Errno) {
                _ = try await mine.socket.read(into: reactor.loop.scratch)
            } catch {
                seen.set(error)
            }
            kept.set((try? await pooled.socket.write([1])) != nil)
        }
        let client = try Peer(connectingTo: relay.address)
        let (mine, pooled) = (try origin.accept(), try origin.accept())
        eventually("the task waits") { relay.owns(2) }
        try on(relay.reactor) { relay.end($0) }
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        #expect(throws: Errno(ECONNRESET)) { try mine.read() }
        #expect(try seen.get() == Errno(ECANCELED))
        #expect(try kept.get())
        #expect(try pooled.read(exactly: 1) == [1])
    }

    @Test("An idle tunnel's place in the table is not a new one each time")
    func reuse() throws {
        var table = PagedTable(vacancy: SessionEntry())
        let owner = Nobody()
        let first = table.allocate()
        table[first].pointee = SessionEntry(owner: owner)
        for _ in 0..<1000 {
            let index = table.allocate()
            table[index].pointee = SessionEntry(owner: owner)
            table.release(index)
        }
        #expect(table.indices.count == 128)
        table.release(first)
        #expect(table.indices.allSatisfy { table[$0].pointee.owner == nil })
    }
    /// Each looked at every slot there was: a user with thirty thousand idle connections, removed, held the reactor for
    /// seconds, and the role was killed for it.
    @Test("Ending a session costs no more for all the others that there are")
    func many() throws {
        let loop = try Loop(counters: Counters(), limits: TunnelLimits())
        let owner = Nobody()
        let sessions = (0..<5000).map { _ in
            var client = Socket(slot: loop.openAlarm(), loop: loop)
            let session = client.beginSession(of: owner)
            var origin = Socket(slot: loop.openAlarm(), loop: loop)
            origin.join(session)
            return (session, client.moveOut(), origin.moveOut())
        }
        let start = MonotonicClock.nanoseconds
        for (session, _, _) in sessions { session.end() }
        #expect(MonotonicClock.nanoseconds - start < 1_000_000_000)
        for (_, client, origin) in sessions {
            #expect(loop.slots[client].pointee.flags.contains(.revoked))
            #expect(loop.slots[origin].pointee.flags.contains(.revoked))
        }
    }

    /// What had joined a session kept its number, which the next session got.
    @Test("What outlives its session does not end with the one that has its place in the table")
    func outlived() throws {
        let loop = try Loop(counters: Counters(), limits: TunnelLimits())
        let owner = Nobody()
        func client() -> Socket { Socket(slot: loop.openAlarm(), loop: loop) }
        var first = client()
        let session = first.beginSession(of: owner)
        let left = client()
        left.join(session)
        var gone = client()
        gone.join(session)
        let kept = client()
        kept.join(session)
        left.leaveSession()
        loop.close(gone.moveOut())
        loop.close(first.moveOut())
        let second = client()
        let next = second.beginSession(of: owner)
        let mine = client()
        mine.join(next)
        next.end()
        #expect(loop.slots[mine.slot].pointee.flags.contains(.revoked))
        for slot in [left.slot, kept.slot] { #expect(!loop.slots[slot].pointee.flags.contains(.revoked)) }
    }

    /// Kernel TLS refuses to be disconnected (tls_disconnect() in the kernel), and so does a Unix socket.
    @Test("A client whose connection cannot be aborted is told of its session's end all the same")
    func stubborn() throws {
        let loop = try Loop(counters: Counters(), limits: TunnelLimits())
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let client = Socket(slot: loop.open(ends[0]), loop: loop)
        client.beginSession(of: Nobody()).end()
        var byte: UInt8 = 0
        #expect(recv(ends[1], &byte, 1, Int32(MSG_DONTWAIT)) == 0)
    }
}

private final class Nobody: SessionOwner {
    func sessionEnded(_ traffic: Traffic) {}
}

/// A relay of one reactor whose sessions have an owner.
final class Attended: SessionOwner, @unchecked Sendable {
    let reactor: Reactor
    let address: Endpoint
    let ended = Outcome<Traffic>()
    private let acceptor: Mutex<Acceptor?> = Mutex(nil)
    private var handle: SessionHandle?
    private let owned = Atomic<Int>(0)

    typealias Body = @Sendable (isolated Reactor, Connection, Attended) async -> Void

    private init(limits: TunnelLimits) throws {
        reactor = try Reactor(counters: Counters(), limits: limits)
        reactor.start()
        let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
        address = try ListeningSocket.address(of: listener)
        self.listener = listener.release()
    }

    private let listener: Int32

    /// Sessions that a task carries.
    convenience init(limits: TunnelLimits = TunnelLimits(), _ body: @escaping Body) throws {
        try self.init(limits: limits)
        accept { [unowned self] reactor, client in await body(reactor, client, self) }
    }

    /// A client and its origin, joined.
    static func joined(
        _ limits: TunnelLimits, clientBuffer: Int32? = nil,
        prepare: @escaping @Sendable (SessionHandle) -> Void = { _ in }
    ) throws -> (client: Peer, origin: Peer, relay: Attended) {
        let listener = try Origin()
        let relay = try Attended(limits: limits)
        let target = listener.address
        relay.accept { [unowned relay] reactor, client in
            relay.begin(client.socket)
            prepare(relay.handle!)
            guard let dialed = try? await Dial.connect(to: [target], timeout: .seconds(5), on: reactor) else { return }
            reactor.tunnel(client: client, origin: dialed)
        }
        let client = try Peer(connectingTo: relay.address, receiveBuffer: clientBuffer)
        let origin = try listener.accept()
        (client.companion, origin.companion) = (relay, relay)
        return (client, origin, relay)
    }

    deinit {
        acceptor.withLock { $0?.close() }
        reactor.stop()
    }

    private func accept(_ session: @escaping SessionBody) {
        let new = Acceptor(
            listener: Descriptor(adopting: listener), account: 0, reactors: [reactor], onPause: { _ in },
            session: session)
        acceptor.withLock { $0 = new }
    }

    func begin(_ client: borrowing Socket) { handle = client.beginSession(of: self) }

    func own(_ socket: borrowing Socket) {
        if let handle { socket.join(handle) }
        owned.add(1, ordering: .relaxed)
    }

    func owns(_ count: Int) -> Bool { owned.load(ordering: .relaxed) == count }

    func end(_ reactor: isolated Reactor) { handle?.end() }

    func hold(_ reactor: isolated Reactor, to throttle: Throttle?) { handle?.hold(to: throttle) }

    func pause(_ reactor: isolated Reactor) -> Duration? { handle?.pause(isUp: true) }
    func open(_ reactor: isolated Reactor) -> Int {
        var count = 0
        reactor.forEachSession { _ in count += 1 }
        return count
    }

    func sessionEnded(_ traffic: Traffic) {
        handle = nil
        ended.set(traffic)
    }
}
