import Policy
import Proxy
import Resolver
import Testing

/// A look-up of a client that left went on for eight seconds, and took a place in the client's share all that time.
@Suite(.timeLimit(.minutes(1))) struct AbandonedLookupTests {
    private let names: NameServer
    private let gateway: Gateway

    init() throws {
        names = try NameServer(["known.example": .init(v4: [loopback])])
        names.fallSilent()
        // One at a time, so that whoever waits behind one that was left behind would be seen to.
        gateway = try Gateway(nameServer: names, quotas: [Limit(subject: .eachClient, lookups: 1)])
    }

    enum Way: CaseIterable { case socks5, connect, request, bind, association }

    /// A client that wants to go to `host`, whose name server is silent.
    private func ask(_ way: Way, _ host: String, _ port: UInt16 = 80) async throws -> Peer {
        switch way {
        case .socks5:
            let client = try await gateway.greeted()
            try await client.send(connect(host, port))
            return client
        case .bind, .association:
            let client = try await gateway.greeted()
            var request = connect(host, port)
            request[1] = way == .bind ? 2 : 3
            try await client.send(way == .bind ? request : [5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
            guard way == .association else { return client }
            let reply = try await client.receive(10)
            let peer = try DatagramPeer()
            try peer.send([0, 0, 0] + connect(host, port)[3...] + [1], to: UInt16(reply[8]) << 8 | UInt16(reply[9]))
            return client
        case .connect, .request:
            let client = try await Peer.connect(to: gateway.http)
            try await client.send(
                way == .connect
                    ? connectRequest("\(host):\(port)")
                    : "GET http://\(host):\(port)/ HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            return client
        }
    }

    private func until(_ condition: () async throws -> Bool) async rethrows {
        while try await !condition() { try? await Task.sleep(for: .milliseconds(2)) }
    }

    @Test(arguments: Way.allCases)
    func `A look-up ends with the client that asked for it`(_ way: Way) async throws {
        let origin = try Origin()
        let gone = try await ask(way, "silent.example")
        await until { names.questions.contains("A silent.example") }
        // Another one of the same client waits for its turn.
        let next = try await ask(.socks5, "known.example", origin.port)
        await until { await gateway.sessionCount == 2 }
        gone.reset()
        names.speak()
        let began = ContinuousClock.now
        #expect(try await next.receive(10)[1] == 0)
        // The server is asked again after five seconds, and a look-up lasts eight.
        #expect(.now - began < .seconds(2))
        await until { await gateway.sessionCount == 1 }
    }

    @Test func `A look-up that another client waits for goes on, and ends with the last`() async throws {
        let (first, second) = (try await ask(.connect, "silent.example"), try await ask(.socks5, "silent.example"))
        await until { names.questions.contains("A silent.example") }
        await until { await gateway.sessionCount == 2 }
        first.reset()
        await until { await gateway.sessionCount == 1 }
        let third = try await ask(.socks5, "silent.example")
        await until { await gateway.sessionCount == 2 }
        // One question of each family for all of them.
        #expect(names.questions.count == 2)
        second.reset()
        third.reset()
        await until { await gateway.sessionCount == 0 }
        // Whoever comes then begins anew, and is not told what became of the one that was given up.
        names.set("silent.example", .init(v4: [loopback]))
        names.speak()
        let origin = try Origin()
        let fourth = try await ask(.socks5, "silent.example", origin.port)
        #expect(try await fourth.receive(10)[1] == 0)
        #expect(names.questions.count == 4)
    }

    @Test func `A client that has sent its FIN waits for the answer`() async throws {
        let origin = try Origin()
        names.set("silent.example", .init(v4: [loopback]))
        let client = try await ask(.socks5, "silent.example", origin.port)
        await until { names.questions.contains("A silent.example") }
        client.finish()
        names.speak()
        #expect(try await client.receive(10)[1] == 0)
    }
}
