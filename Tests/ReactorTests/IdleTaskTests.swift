import Address
import Glibc
import Testing

@testable import Reactor

/// Tasks that have carried a session wait for the next client, in place of a new one.
@Suite("A task that is done with its session")
struct IdleTaskTests {
    /// Whoever connects is greeted and let go of.
    private final class Porch: Sendable {
        let reactor: Reactor
        let acceptor: Acceptor
        let address: Endpoint

        init(_ body: @escaping SessionBody) throws {
            let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
            address = try ListeningSocket.address(of: listener)
            reactor = try Reactor(counters: Counters())
            reactor.start()
            acceptor = Acceptor(
                listener: listener, account: 0, reactors: [reactor], onPause: { _ in }, session: body)
        }

        deinit {
            acceptor.close()
            reactor.stop()
        }

        func idleTasks() throws -> Int { try on(reactor) { $0.loop.idleTasks.count } }
    }

    @Test("It carries the next client's session: one task is enough for clients that come one after the other")
    func reuse() throws {
        let porch = try Porch { _, client in try? await client.socket.write(Array("hello".utf8)) }
        for _ in 0..<3 * IdleTasks.most {
            let client = try Peer(connectingTo: porch.address)
            #expect(client.readToEnd() == .whole(Array("hello".utf8)))
            try eventually("the task waits again") { try porch.idleTasks() == 1 }
        }
    }

    @Test("No more than a few are kept, however many sessions there were at once")
    func bound() throws {
        let porch = try Porch { _, client in _ = try? await client.fill() }
        let clients = try (0..<3 * IdleTasks.most).map { _ in try Peer(connectingTo: porch.address) }
        eventually("all are accepted") { porch.reactor.load == clients.count }
        #expect(try porch.idleTasks() == 0)
        for client in clients { try client.write("x") }
        for client in clients { _ = client.readToEnd() }
        try eventually("as many wait as may") { try porch.idleTasks() == IdleTasks.most }
        // All of them, and new ones beside them, are of use again.
        let others = try (0..<2 * IdleTasks.most).map { _ in try Peer(connectingTo: porch.address) }
        eventually("all are accepted") { porch.reactor.load == others.count }
        #expect(try porch.idleTasks() == 0)
    }

    @Test("It keeps nothing of that session, whose listener may be closed meanwhile")
    func letsGo() throws {
        final class Belonging: Sendable {
            let onEnd: Flag
            init(_ onEnd: Flag) { self.onEnd = onEnd }
            deinit { onEnd.set() }
        }
        let isGone = Flag()
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let address: Endpoint
        do {
            let belonging = Belonging(isGone)
            let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
            address = try ListeningSocket.address(of: listener)
            let acceptor = Acceptor(listener: listener, account: 0, reactors: [reactor], onPause: { _ in }) {
                _, client in
                defer { withExtendedLifetime(belonging) {} }
                try? await client.socket.write(Array("here".utf8))
            }
            #expect(try Peer(connectingTo: address).readToEnd() == .whole(Array("here".utf8)))
            try eventually("the task waits") { try on(reactor) { $0.loop.idleTasks.count } == 1 }
            #expect(!isGone.isSet)
            acceptor.close()
        }
        eventually("nothing of the session is left") { isGone.isSet }
        #expect(try on(reactor) { $0.loop.idleTasks.count } == 1)
    }

    @Test("It ends with its reactor")
    func end() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        let next = Outcome<Bool>()
        reactor.spawn { next.set(await $0.loop.idleTasks.next() == nil) }
        #expect(try on(reactor) { $0.loop.idleTasks.count } == 1)
        reactor.stop()
        #expect(try next.get())
    }
}
