import Address
import Foundation
import Policy
import Proxy
import Reactor
import Testing

/// What clients and users may use up, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct LimitTests {
    private let alice = [User(name: "alice", passwordHash: Password.hash(Array("a".utf8)).description)]
    private var login: [UInt8] { [1, 5] + Array("alice".utf8) + [1, UInt8(ascii: "a")] }
    private var basic: String { "Proxy-Authorization: Basic \(Data("alice:a".utf8).base64EncodedString())\r\n" }

    @Test func `A client has as many sessions as it may, over both proxies, and then is told so`() async throws {
        let ledger = try Ledger()
        let quotas = [Limit(subject: .eachClient, sessions: 3)]
        // Two gateways with one ledger, as the two relay processes have it.
        let (first, second) = (try Gateway(quotas: quotas, ledger: ledger), try Gateway(quotas: quotas, ledger: ledger))
        let origin = try Origin()
        let one = try await tunnel(first, origin)
        let two = try await tunnel(second, origin)
        // Counted from the first moment, nothing said.
        let three = try await Peer.connect(to: first.http)
        while await first.sessionCount < 2 { await Task.yield() }
        let refused = try await second.greeted()
        try await refused.send(connect(loopback, origin.port))
        #expect(try await refused.receiveAll().bytes == failure(2))
        // UDP ASSOCIATE and BIND are refused as CONNECT is.
        for command: UInt8 in [2, 3] {
            let other = try await second.greeted()
            try await other.send([5, command, 0, 1, 0, 0, 0, 0, 0, 0])
            #expect(try await other.receiveAll().bytes == failure(2))
        }
        let browser = try await Peer.connect(to: first.http)
        try await browser.send(connectRequest("127.0.0.1:\(origin.port)"))
        let (head, body) = try await browser.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
        #expect(head.contains("\r\nRetry-After: 1\r\n") && head.contains("\r\nConnection: close\r\n"))
        #expect(body.contains("as many sessions as it may have"))
        #expect(try await browser.receiveAll().end == .fin)
        // Room again as soon as one ends.
        three.finish()
        while await first.sessionCount > 1 { await Task.yield() }
        _ = try await tunnel(second, origin)
        withExtendedLifetime((one, two)) {}
    }

    @Test func `New sessions come as fast as they may, and five seconds' worth at once`() async throws {
        let gateway = try Gateway(quotas: [Limit(subject: .client(Network("127.0.0.0/8")!), rate: 5)])
        let origin = try Origin()
        var codes: [UInt8] = []
        let began = ContinuousClock.now
        while !codes.contains(2), codes.count < 200 {
            let client = try await gateway.greeted()
            try await client.send(connect(loopback, origin.port))
            codes.append(try await client.receive(10)[1])
        }
        let most = 26 + 5 * ((ContinuousClock.now - began) / .seconds(1))
        #expect(codes.prefix(25).allSatisfy { $0 == 0 } && codes.contains(2), "\(codes)")
        #expect(Double(codes.count { $0 == 0 }) <= most, "\(codes)")
        try await Task.sleep(for: .milliseconds(1200))
        _ = try await tunnel(gateway, origin)
    }

    @Test func `Clients that say nothing are bounded, over both proxies, and those that ask for something are not`()
        async throws
    {
        let ledger = try Ledger()
        let quotas = [Limit(subject: .eachClient, handshakes: 4)]
        let (first, second) = (try Gateway(quotas: quotas, ledger: ledger), try Gateway(quotas: quotas, ledger: ledger))
        let origin = try Origin()
        // Past their handshakes, they count no more.
        var standing: [Peer] = []
        for _ in 0..<10 { standing.append(try await tunnel(first, origin)) }
        var silent: [Peer] = []
        for index in 0..<4 {
            silent.append(try await Peer.connect(to: index.isMultiple(of: 2) ? first.http : second.socks5))
        }
        while await first.sessionCount < 12 { await Task.yield() }
        while await second.sessionCount < 2 { await Task.yield() }
        for port in [first.http, first.socks5, second.mixed] {
            let one = try await Peer.connect(to: port)
            #expect(try await one.receiveAll() == ([], .reset))
        }
        // From elsewhere it is another client.
        let other = try await Peer.connect(to: first.socks5, from: 0x7f00_0002)
        try await other.send([5, 1, 0])
        #expect(try await other.receive(2) == [5, 0])
        silent.removeLast()
        while await second.sessionCount > 1 { await Task.yield() }
        _ = try await tunnel(first, origin)
        withExtendedLifetime((standing, silent)) {}
    }

    @Test func `A client over its limit costs no derivation of a password, and is not told that it is wrong`()
        async throws
    {
        let gateway = try Gateway(
            authentication: .required, users: alice, quotas: [Limit(subject: .eachClient, sessions: 1)])
        let first = try await Peer.connect(to: gateway.http)
        while await gateway.sessionCount < 1 { await Task.yield() }
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([5, 1, 2] + login)
        #expect(try await client.receiveAll() == ([5, 2], .fin))
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("127.0.0.1:1", basic))
        #expect(try await browser.receiveHead().hasPrefix("HTTP/1.1 429 "))
        withExtendedLifetime(first) {}
    }

    @Test func `A user's sessions count from the login, wherever the user logs in`() async throws {
        let gateway = try Gateway(
            authentication: .required, users: alice, quotas: [Limit(subject: .user("alice"), sessions: 2)])
        let origin = try Origin()
        var standing: [Peer] = []
        for _ in 0..<2 {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 1, 2] + login + connect(loopback, origin.port))
            #expect(try await client.receive(6) == [5, 2, 1, 0, 5, 0])
            standing.append(client)
        }
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("127.0.0.1:\(origin.port)", basic))
        #expect(try await browser.receiveAnswer().head.hasPrefix("HTTP/1.1 429 "))
        let third = try await Peer.connect(to: gateway.socks5)
        try await third.send([5, 1, 2] + login + connect(loopback, origin.port))
        #expect(try await third.receive(6) == [5, 2, 1, 0, 5, 2])
        withExtendedLifetime(standing) {}
    }

    @Test func `Bandwidth holds for all of a client's tunnels together, from the moment it is limited`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let block = [UInt8](repeating: 7, count: 1 << 16)
        var readers: [Peer] = []
        for _ in 0..<2 {
            let client = try await tunnel(gateway, origin)
            let (server, _) = try await origin.accept()
            Thread.detachNewThread { while send(server.descriptor, block, block.count, Int32(MSG_NOSIGNAL)) > 0 {} }
            readers.append(client)
        }
        let rate = 1_000_000
        gateway.change { $0.limits = [Limit(subject: .eachClient, bandwidth: rate)] }
        await gateway.relay.review()
        // What was under way already.
        _ = try await readBytes(readers, for: .seconds(1))
        // A machine that stands still moves bytes from one window to the next; two limits in place of one never fit.
        var count = 0
        for _ in 0..<10 where abs(count - 3 * rate) >= rate * 3 / 7 {
            count = try await readBytes(readers, for: .seconds(3))
        }
        #expect(abs(count - 3 * rate) < rate * 3 / 7, "\(count)")
    }

    private func readBytes(_ peers: [Peer], for duration: Duration) async throws -> Int {
        let end = ContinuousClock.now + duration
        return try await withThrowingTaskGroup(of: Int.self) { group in
            for peer in peers {
                group.addTask {
                    try await blocking {
                        var buffer = [UInt8](repeating: 0, count: 1 << 16)
                        var count = 0
                        while ContinuousClock.now < end {
                            let more = recv(peer.descriptor, &buffer, buffer.count, 0)
                            guard more > 0 else { throw Peer.Failure("the tunnel ended") }
                            count += more
                        }
                        return count
                    }
                }
            }
            return try await group.reduce(0, +)
        }
    }

    /// Sessions get their numbers from memory that the other relay writes to: one may have the number of another that moved more.
    @Test func `Rates are measured whatever numbers sessions have`() async {
        await #expect(processExitsWith: .success) {
            let ledger = try Ledger()
            let gateway = try Gateway(ledger: ledger)
            let origin = try Origin()
            func list() async -> [SessionRecord] {
                await gateway.relay.sessions[0].list(SessionQuery(measuresRates: true, now: 0)).sessions
            }
            func begin() async throws -> Peer {
                let client = try await gateway.greeted()
                try await client.send(connect(loopback, origin.port))
                #expect(try await client.receive(10).prefix(2) == [5, 0])
                return client
            }
            let first = try await begin()
            try await first.send("some bytes")
            while await list().first?.sent != 10 { await Task.yield() }
            // Measured when they had moved, and not again before the second one is there.
            while await list().first?.sentRate == nil { await Task.yield() }
            first.resetAtClose()
            _ = consume first
            while await gateway.sessionCount > 0 { await Task.yield() }
            let header = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ledger.memory.number, 0)!
            header.storeBytes(of: 0, toByteOffset: 16, as: Int.self)
            let second = try await begin()
            // What is 0.3 s old is measured anew.
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .milliseconds(400) { _ = await list() }
            #expect(await list().first?.id == 1)
            withExtendedLifetime((second, gateway)) {}
        }
    }

    private func tunnel(_ gateway: Gateway, _ origin: Origin) async throws -> Peer {
        let client = try await gateway.greeted()
        try await client.send(connect(loopback, origin.port))
        #expect(try await client.receive(10).prefix(2) == [5, 0])
        return client
    }
}
