import Address
import Glibc
import Policy
import Proxy
import TestProcess
import Testing

import class TestNetwork.Namespace

private let success: [UInt8] = [5, 0, 0, 1, 127, 0, 0, 1]

/// BIND, and what SOCKS4 makes of it all.
@Suite(.timeLimit(.minutes(1))) struct SOCKSCommandTests {
    private func bind(_ client: Peer, _ request: [UInt8] = [5, 2, 0, 1, 127, 0, 0, 1, 0, 21]) async throws -> UInt16 {
        try await client.send(request)
        let reply = try await client.receive(10)
        #expect(Array(reply[..<8]) == success)
        return UInt16(reply[8]) << 8 | UInt16(reply[9])
    }

    @Test func `18 BIND replies where it listens, then who came, and then is a tunnel`() async throws {
        let gateway = try Gateway()
        let client = try await gateway.greeted()
        let port = try await bind(client)
        let peer = try await Peer.connect(to: port)
        #expect(try await client.receive(10) == success + [UInt8(peer.port >> 8), UInt8(peer.port & 255)])
        try await peer.send("data")
        #expect(try await client.receive(4) == Array("data".utf8))
        try await client.send("more")
        #expect(try await peer.receive(4) == Array("more".utf8))
        peer.finish()
        client.finish()
        #expect(try await client.receiveAll().end == .fin)
        #expect(try await peer.receiveAll().end == .fin)
    }

    @Test func `18 BIND takes nobody but the peer that the request names, and goes on waiting for it`() async throws {
        let gateway = try Gateway()
        let client = try await gateway.greeted()
        // The way to 127.0.0.2 is from 127.0.0.1, and so is who comes.
        try await client.send([5, 2, 0, 1, 127, 0, 0, 2, 0, 21])
        let reply = try await client.receive(10)
        let port = UInt16(reply[8]) << 8 | UInt16(reply[9])
        try await expectReset(at: port)
        let expected = try await Peer.connect(to: port, from: 0x7f00_0002)
        #expect(try await client.receive(8) == [5, 0, 0, 1, 127, 0, 0, 2])
        withExtendedLifetime(expected) {}
    }

    @Test func `18 BIND for a peer that the rules refuse is refused, and so is one who comes under new rules`()
        async throws
    {
        let gateway = try Gateway()
        let refused = try await gateway.greeted()
        try await refused.send([5, 2, 0, 1, 10, 0, 0, 1, 0, 21])
        #expect(try await refused.receiveAll().bytes == failure(2))
        let client = try await gateway.greeted()
        let port = try await bind(client)
        gateway.change { $0.rules = [] }
        try await expectReset(at: port)
    }

    private func expectReset(at port: UInt16) async throws {
        // It may come before connect(2) has returned.
        do {
            let stranger = try await Peer.connect(to: port)
            let (bytes, end) = try await stranger.receiveAll()
            #expect(bytes.isEmpty && end == .reset)
        } catch {
            #expect("\(error)".contains("reset"))
        }
    }

    @Test func `18 BIND waits no longer than it may, and not for a client that is gone`() async throws {
        var limits = Relay.Limits()
        limits.incoming = .milliseconds(50)
        let port = freePorts(1, SOCK_STREAM).lowerBound
        let range = try #require(PortRange(port, port))
        let gateway = try Gateway(socks: .init(bindPorts: range), limits: limits)
        let client = try await gateway.greeted()
        #expect(try await bind(client) == port)
        #expect(try await client.receiveAll().bytes == failure(6))

        let patient = try Gateway(socks: .init(bindPorts: range))
        let gone = try await patient.greeted()
        #expect(try await bind(gone) == port)
        let waiting = try await patient.greeted()
        try await waiting.send([5, 2, 0, 1, 127, 0, 0, 1, 0, 21])
        #expect(try await waiting.receiveAll().bytes == failure(1), "the only port is taken")
        gone.finish()
        #expect(try await gone.receiveAll().end == .fin)
        #expect(try await bind(try await patient.greeted()) == port)
    }

    /// It was judged by the port that its peer had come from, and ended with the next change of anything.
    @Test func `18 A connection that BIND took is judged by the port that the request named`() async throws {
        let ftp = try #require(PortRange(21, 21))
        let gateway = try Gateway(
            rules: [Rule(id: 1, action: .allow, destination: Network("127.0.0.0/8")!, ports: ftp)], defaultAction: .deny
        )
        let client = try await gateway.greeted()
        let peer = try await Peer.connect(to: try await bind(client))
        _ = try await client.receive(10)
        gateway.change { policy in
            policy.rules.append(Rule(id: 2, action: .deny, destination: Network("192.0.3.0/24")!))
        }
        await gateway.relay.review()
        try await peer.send("data")
        #expect(try await client.receive(4) == Array("data".utf8))
        gateway.change { $0.rules.append(Rule(id: 0, action: .deny, ports: ftp)) }
        await gateway.relay.review()
        #expect(try await client.receiveAll() == ([], .reset))
        #expect(try await peer.receiveAll() == ([], .reset))
    }

    /// The first address of a name is an IPv6 one, if it has any.
    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace in which IPv6 goes nowhere"))
    func `18 BIND for a name listens where there is a way to one of its addresses`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "set", "lo", "up")
        let names = try network.enter {
            try NameServer(["dual.example": .init(v4: [loopback], v6: [0x2600 << 112 | 1])])
        }
        defer { names.stop() }
        let gateway = try Gateway(nameServer: names, network: network)
        let client = try await gateway.greeted()
        let name = Array("dual.example".utf8)
        try await client.send([5, 2, 0, 3, UInt8(name.count)] + name + [0, 21])
        let reply = try await client.receive(10)
        #expect(Array(reply[..<8]) == success)
        let peer = try network.enter { Peer(adopting: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)) }
        withIPv4(loopback, UInt16(reply[8]) << 8 | UInt16(reply[9])) { address, length in
            #expect(Glibc.connect(peer.descriptor, address, length) == 0)
        }
        #expect(try await client.receive(8) == success)
        try await peer.send("data")
        #expect(try await client.receive(6).suffix(4) == Array("data".utf8))
    }

    @Test func `Early data behind BIND belongs to the peer`() async throws {
        let gateway = try Gateway()
        let client = try await gateway.greeted()
        let port = try await bind(client, [5, 2, 0, 1, 127, 0, 0, 1, 0, 21] + Array("early".utf8))
        let peer = try await Peer.connect(to: port)
        #expect(try await peer.receive(5) == Array("early".utf8))
    }

    // MARK: SOCKS4

    private static let version4 = Listener.SOCKSOptions(allowsVersion4: true)

    private func connect4(_ port: UInt16, _ address: [UInt8] = [127, 0, 0, 1], _ rest: [UInt8] = [0]) -> [UInt8] {
        [4, 1, UInt8(port >> 8), UInt8(port & 255)] + address + rest
    }

    @Test func `SOCKS4 connects, with early data, where the listener allows it`() async throws {
        let gateway = try Gateway(socks: Self.version4)
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(connect4(origin.port, [127, 0, 0, 1], Array("user\0early".utf8)))
        #expect(try await client.receive(2) == [0, 90])
        _ = try await client.receive(6)
        let (server, _) = try await origin.accept()
        #expect(try await server.receive(5) == Array("early".utf8))
        try await server.send("pong")
        #expect(try await client.receive(4) == Array("pong".utf8))
    }

    @Test func `SOCKS4a has its names looked up here`() async throws {
        let names = try NameServer(["origin.example": .init(v4: [loopback])])
        defer { names.stop() }
        let gateway = try Gateway(socks: Self.version4, nameServer: names)
        let origin = try Origin()
        for (name, code) in [("origin.example", UInt8(90)), ("127.0.0.1", 90), ("nowhere.example", 91)] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send(connect4(origin.port, [0, 0, 0, 1], Array("\0\(name)\0".utf8)))
            #expect(try await client.receive(2) == [0, code], "\(name)")
        }
    }

    @Test func `SOCKS4 binds`() async throws {
        let gateway = try Gateway(socks: Self.version4)
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([4, 2, 0, 21, 127, 0, 0, 1, 0])
        let reply = try await client.receive(8)
        #expect(reply[0...1] == [0, 90] && reply[4...] == [127, 0, 0, 1])
        let peer = try await Peer.connect(to: UInt16(reply[2]) << 8 | UInt16(reply[3]))
        #expect(try await client.receive(8) == [0, 90, UInt8(peer.port >> 8), UInt8(peer.port & 255), 127, 0, 0, 1])
        try await peer.send("data")
        #expect(try await client.receive(4) == Array("data".utf8))
    }

    @Test func `SOCKS4 is refused unless the operator allows it, and never gets past a password`() async throws {
        let origin = try Origin()
        let plain = try Gateway()
        let locked = try Gateway(authentication: .required, socks: Self.version4)
        for gateway in [plain, locked] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send(connect4(origin.port))
            let (bytes, end) = try await client.receiveAll()
            #expect(bytes == [0, 91, 0, 0, 0, 0, 0, 0] && end == .fin)
        }
    }

    @Test func `SOCKS4 to a place that is not allowed, or to nobody, is refused`() async throws {
        let gateway = try Gateway(socks: Self.version4)
        let dead = try DeadPort()
        for request in [connect4(80, [10, 0, 0, 1]), connect4(dead.port), connect4(0), [4, 3, 0, 80]] as [[UInt8]] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send(request)
            #expect(try await client.receiveAll().bytes == [0, 91, 0, 0, 0, 0, 0, 0])
        }
    }
}
