import Address
import Foundation
import Policy
import Proxy
import Testing

/// Points 3 and 8 to 13 of what correct means for the proxies.
@Suite(.timeLimit(.minutes(1))) struct SOCKSConversationTests {
    @Test func `8 Success is replied after the dial, and both ends then talk to one another`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await gateway.greeted()
        try await client.send(connect(loopback, origin.port))
        #expect(try await client.receive(4) == [5, 0, 0, 1])
        _ = try await client.receive(6)
        let (server, _) = try await origin.accept()
        try await client.send("ping")
        #expect(try await server.receive(4) == Array("ping".utf8))
        try await server.send("pong")
        #expect(try await client.receive(4) == Array("pong".utf8))
        // Half-close (point 1): the other direction goes on.
        client.finish()
        let rest = try await server.receiveAll()
        #expect(rest.bytes.isEmpty && rest.end == .fin)
        try await server.send("bye")
        server.finish()
        let last = try await client.receiveAll()
        #expect(last.bytes == Array("bye".utf8) && last.end == .fin)
    }

    @Test func `8 A refused connection is replied as such, then closed`() async throws {
        let gateway = try Gateway()
        let dead = try DeadPort()
        let client = try await gateway.greeted()
        // More than the session reads: closing over the rest would be a RST, which may overtake the reply.
        try await client.send(connect(loopback, dead.port) + [UInt8](repeating: 7, count: 100_000))
        let (bytes, end) = try await client.receiveAll()
        #expect(bytes == failure(5))
        #expect(end == .fin)
    }

    @Test func `9 BND is the address that the origin sees`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await gateway.greeted()
        try await client.send(connect(loopback, origin.port))
        let reply = try await client.receive(10)
        let (_, port) = try await origin.accept()
        #expect(reply == [5, 0, 0, 1, 127, 0, 0, 1, UInt8(port >> 8), UInt8(port & 255)])
    }

    @Test(
        arguments: [
            ([5, 9, 0, 1, 127, 0, 0, 1, 0, 80], 7), ([5, 0, 0, 1, 127, 0, 0, 1, 0, 80], 7),
            ([5, 4, 0, 1, 127, 0, 0, 1, 0, 80], 7),
            ([5, 1, 0, 2, 127, 0, 0, 1, 0, 80], 8), ([5, 1, 0, 1, 127, 0, 0, 1, 0, 0], 1),
        ] as [([UInt8], UInt8)])
    func `10 An unknown command or address type gets its reply`(_ request: [UInt8], _ code: UInt8) async throws {
        let gateway = try Gateway()
        let client = try await gateway.greeted()
        try await client.send(request)
        let (bytes, end) = try await client.receiveAll()
        #expect(bytes == failure(code) && end == .fin)
    }

    @Test(arguments: [[5, 1, 1], [5, 0], [5, 2, 0x80, 0xfe]] as [[UInt8]])
    func `10 No acceptable method gets FF`(_ greeting: [UInt8]) async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(greeting)
        let (bytes, end) = try await client.receiveAll()
        #expect(bytes == [5, 0xff] && end == .fin)
    }

    @Test func `10 A listener that asks for a password takes nothing less`() async throws {
        let gateway = try Gateway(authentication: .required)
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([5, 1, 0])
        #expect(try await client.receiveAll().bytes == [5, 0xff])
    }

    @Test func `11 Messages may arrive byte by byte`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.socks5)
        for byte in [5, 1, 0] as [UInt8] { try await client.send([byte]) }
        #expect(try await client.receive(2) == [5, 0])
        for byte in connect("127.0.0.1", origin.port) { try await client.send([byte]) }
        #expect(try await client.receive(10).prefix(2) == [5, 0])
    }

    @Test func `3 and 11 All messages and the first data may arrive in one segment`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([5, 1, 0] + connect(loopback, origin.port) + Array("early".utf8))
        #expect(try await client.receive(12).prefix(4) == [5, 0, 5, 0])
        let (server, _) = try await origin.accept()
        client.finish()
        let all = try await server.receiveAll()
        #expect(all.bytes == Array("early".utf8) && all.end == .fin)
    }

    @Test func `3 More early data than the session reads reaches the origin whole`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.socks5)
        let early = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try await client.send([5, 1, 0] + connect(loopback, origin.port) + early)
        client.finish()
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveAll().bytes == early)
    }

    @Test(arguments: ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "a..b", "a b", "b\u{fc}cher.de", "a\u{0}b", "["])
    func `12 What is no name, or an address in disguise, is refused`(_ name: String) async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await gateway.greeted()
        try await client.send(connect(name, origin.port))
        #expect(try await client.receiveAll().bytes == failure(1))
    }

    @Test func `12 An address given as a name is that address, for the rules too`() async throws {
        let origin = try Origin()
        let open = try Gateway()
        for name in ["127.0.0.1", "127.0.0.1.", "::ffff:127.0.0.1"] {
            let client = try await open.greeted()
            try await client.send(connect(name, origin.port))
            #expect(try await client.receive(10).prefix(2) == [5, 0], "\(name)")
        }
        let shut = try Gateway(rules: [])
        for name in ["127.0.0.1", "127.0.0.1.", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::1"] {
            let client = try await shut.greeted()
            try await client.send(connect(name, origin.port))
            #expect(try await client.receiveAll().bytes == failure(2), "\(name)")
        }
    }

    @Test func `13 A wrong password and an unknown user are refused alike, a right one is not`() async throws {
        let alice = User(name: "alice", passwordHash: Password.hash(Array("secret".utf8)).description)
        let gateway = try Gateway(authentication: .required, users: [alice])
        let origin = try Origin()
        for (name, password) in [("alice", "wrong"), ("bob", "secret"), ("alic", "secret"), ("alice", "secret\u{0}")] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 2, 0, 2] + login(name, password))
            let (bytes, end) = try await client.receiveAll()
            #expect(bytes == [5, 2, 1, 1] && end == .fin, "\(name) \(password)")
        }
        for _ in 0..<3 {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 1, 2] + login("alice", "secret") + connect(loopback, origin.port))
            #expect(try await client.receive(14).prefix(6) == [5, 2, 1, 0, 5, 0])
        }
        // What was right yesterday is wrong once the password is another.
        gateway.replaceUsers([User(name: "alice", passwordHash: Password.hash(Array("other".utf8)).description)])
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([5, 1, 2] + login("alice", "secret"))
        #expect(try await client.receiveAll().bytes == [5, 2, 1, 1])
    }

    @Test func `13 An empty name or password is replied to as a failure`() async throws {
        let gateway = try Gateway(authentication: .required)
        for message in [[1, 0], [1, 1, 65, 0], [2]] as [[UInt8]] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 1, 2] + message)
            #expect(try await client.receiveAll().bytes == [5, 2, 1, 1])
        }
    }

    @Test func `30 Whoever does not come to the point is let go`() async throws {
        var limits = Relay.Limits()
        limits.handshake = .milliseconds(500)
        let gateway = try Gateway(limits: limits)
        let start = ContinuousClock.now
        for torn in [[], [5], [5, 1, 0], [5, 1, 0, 5, 1, 0, 3, 200, 65]] as [[UInt8]] {
            let client = try await Peer.connect(to: gateway.socks5)
            if !torn.isEmpty { try await client.send(torn) }
            #expect(try await client.receiveAll().bytes == (torn.count < 3 ? [] : [5, 0]))
        }
        // Deadlines were once sixteen times as long as they said; the four together took half a minute then.
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    /// HTTP and TLS have answers of their own (StrangerTests).
    @Test func `An unknown protocol is let go without an answer, and the next client is served`() async throws {
        let gateway = try Gateway()
        for noise in ["get / HTTP/1.1\r\n\r\n", "\u{6}\u{1}", "\u{0}\u{3}\u{1}"] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send(noise)
            #expect(try await client.receiveAll().bytes.isEmpty)
        }
        _ = try await gateway.greeted()
    }

    private func login(_ name: String, _ password: String) -> [UInt8] {
        [1, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(password.utf8.count)] + Array(password.utf8)
    }
}
