import Address
import Foundation
import Logging
import Policy
import Reactor
import Synchronization
import Testing

@testable import Proxy

/// Why a client got nothing stays visible, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct SessionLogTests {
    private let alice = [User(name: "alice", passwordHash: Password.hash(Array("right".utf8)).description)]

    private func log(
        _ gateway: Gateway, leavesOutAllowed: Bool = false, client: Network? = nil, limit: Int = 100
    ) async -> [SessionLogEntry] {
        let query = SessionLogQuery(client: client, leavesOutAllowed: leavesOutAllowed, limit: limit)
        return await gateway.relay.sessions[0].log(query).entries
    }

    /// The only entry there is, once there is one.
    private func entry(_ gateway: Gateway) async throws -> SessionLogEntry {
        while await log(gateway).isEmpty { await Task.yield() }
        let all = await log(gateway)
        #expect(all.count == 1, "\(all)")
        return all[0]
    }

    private func basic(_ name: String, _ password: String) -> String {
        "Proxy-Authorization: Basic \(Data("\(name):\(password)".utf8).base64EncodedString())\r\n"
    }

    @Test(arguments: [true, false]) func `What was allowed is told with its target`(isSOCKS: Bool) async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client: Peer
        if isSOCKS {
            client = try await gateway.greeted()
            try await client.send(connect("localhost", origin.port))
            _ = try await client.receive(10)
        } else {
            client = try await Peer.connect(to: gateway.http)
            try await client.send(connectRequest("localhost:\(origin.port)"))
            _ = try await client.receiveHead()
        }
        let entry = try await entry(gateway)
        #expect(entry.verdict == .allowed && entry.reason == nil && entry.rule == nil && entry.user == nil)
        #expect(entry.target == "localhost:\(origin.port)")
        #expect(entry.client == Endpoint(address: .v4(loopback), port: client.port))
        #expect(abs(entry.time - Int(Date().timeIntervalSince1970 * 1000)) < 60_000)
        #expect(await log(gateway, leavesOutAllowed: true).isEmpty)
    }

    @Test(arguments: [true, false]) func `What a rule or the guard denied is told with the rule`(isSOCKS: Bool)
        async throws
    {
        let rule = Rule(id: 7, action: .deny, domain: "games.example")
        let gateway = try Gateway(rules: [rule])
        for (host, isRule) in [("games.example", true), ("10.0.0.1", false)] {
            if isSOCKS {
                let client = try await gateway.greeted()
                try await client.send(connect(host, 80))
                #expect(try await client.receive(2) == [5, 2])
            } else {
                let client = try await Peer.connect(to: gateway.http)
                try await client.send("GET http://\(host)/ HTTP/1.1\r\nHost: \(host)\r\n\r\n")
                #expect(try await client.receiveHead().hasPrefix("HTTP/1.1 403 "))
            }
            let last = try #require(await log(gateway).last)
            #expect(last.verdict == .denied && last.rule == (isRule ? 7 : nil) && last.target == "\(host):80")
            #expect(last.reason?.contains(isRule ? "rule 7 denies it" : "private range") == true, "\(last)")
        }
    }

    @Test func `A name that does not exist and a server that refuses are told as such`() async throws {
        let gateway = try Gateway()
        let dead = try DeadPort()
        let first = try await gateway.greeted()
        try await first.send(connect("nowhere.invalid", 80))
        _ = try await first.receive(2)
        let unresolved = try await entry(gateway)
        #expect(unresolved.verdict == .failed && unresolved.target == "nowhere.invalid:80")
        #expect(unresolved.reason?.contains("does not exist") == true, "\(unresolved)")
        let second = try await gateway.greeted()
        try await second.send(connect(loopback, dead.port))
        _ = try await second.receive(2)
        let refused = try #require(await log(gateway).last)
        #expect(refused.verdict == .failed && refused.reason?.contains("refused") == true, "\(refused)")
    }

    @Test(arguments: [true, false]) func `A wrong password is told with the name, never with the password`(
        isSOCKS: Bool
    ) async throws {
        let gateway = try Gateway(authentication: .required, users: alice)
        let client = try await Peer.connect(to: isSOCKS ? gateway.socks5 : gateway.http)
        if isSOCKS {
            try await client.send([5, 1, 2, 1, 5] + Array("alice".utf8) + [6] + Array("hunter".utf8))
            #expect(try await client.receive(4) == [5, 2, 1, 1])
        } else {
            try await client.send(connectRequest("a.example:443", basic("alice", "hunter")))
            #expect(try await client.receiveHead().hasPrefix("HTTP/1.1 407 "))
        }
        let entry = try await entry(gateway)
        #expect(entry.verdict == .denied && entry.user == "alice" && entry.reason == "wrong name or password")
        #expect(!"\(entry)".contains("hunter"))
    }

    /// Whoever asked why something does not work found nothing, or that it was allowed.
    @Test func `Whatever else comes to nothing is told as well, by either proxy`() async throws {
        let origin = try Origin()
        let garbage = "GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\n\r\n"
        let cases: [(says: [UInt8], isHTTP: Bool, isRequired: Bool, SessionLogEntry.Verdict, reason: String)] = [
            (Array("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n".utf8), true, true, .denied, "no password was given"),
            (
                Array("GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Bearer x\r\n\r\n".utf8), true, true,
                .denied, "no password was given"
            ),
            ([5, 1, 0], false, true, .denied, "no password was given"),
            ([5, 1, 7], false, false, .failed, "neither to go without a password nor to give one"),
            ([4, 1, 0, 80, 127, 0, 0, 1, 0], false, false, .failed, "SOCKS4"),
            ([4, 1, 0, 80, 127, 0, 0, 1, 0], false, true, .denied, "no password was given"),
            (Array("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".utf8), true, false, .failed, "Host"),
            (Array("GET http://a/ HTTP/1.1\r\n\u{1}: x\r\n\r\n".utf8), true, false, .failed, "control character"),
            (Array("CONNECT a:0 HTTP/1.1\r\nHost: a:0\r\n\r\n".utf8), true, false, .failed, "port"),
            ([5, 1, 0] + connect(loopback, 0), false, false, .failed, "port 0"),
            ([5, 1, 0, 5, 1, 0, 3, 1, 0x20, 0, 80], false, false, .failed, "name"),
            ([5, 1, 0, 5, 9, 0, 1, 127, 0, 0, 1, 0, 80], false, false, .failed, "command 9"),
            ([5, 1, 0, 5, 1, 0, 9, 127, 0, 0, 1, 0, 80], false, false, .failed, "address type 9"),
            (Array(garbage.utf8), true, false, .failed, "gives no proper answer"),
            (Array(garbage.utf8), true, false, .failed, "closed the connection without an answer"),
        ]
        for (says, isHTTP, isRequired, verdict, reason) in cases {
            let gateway = try Gateway(authentication: isRequired ? .required : .none, users: alice)
            let client = try await Peer.connect(to: isHTTP ? gateway.http : gateway.socks5)
            try await client.send(says)
            if says == Array(garbage.utf8) {
                let (server, _) = try await origin.accept()
                _ = try await server.receiveHead()
                if reason.contains("proper") { try await server.send("what is it?\r\n\r\n") }
                withExtendedLifetime(server) {}
            }
            // A client that is asked for its password may give it next.
            if isHTTP, isRequired {
                _ = try await client.receiveAnswer()
                #expect(await log(gateway).isEmpty)
            }
            client.finish()
            _ = try? await client.receiveAll()
            while await log(gateway, leavesOutAllowed: true).isEmpty { await Task.yield() }
            let last = try #require(await log(gateway, leavesOutAllowed: true).last)
            #expect(last.verdict == verdict && last.reason?.contains(reason) == true, "\(reason): \(last)")
        }
    }

    /// A browser asks first, and gives the password when it is asked for it.
    @Test func `A client that gives its password when it is asked for it is not told as one without`() async throws {
        let gateway = try Gateway(authentication: .required, users: alice)
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        let target = "http://127.0.0.1:\(origin.port)/"
        for (login, status) in [("", "407"), (basic("alice", "right"), "200")] {
            try await client.send("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\n\(login)\r\n")
            if status == "200" {
                let (server, _) = try await origin.accept()
                _ = try await server.receiveHead()
                try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 \(status) "))
        }
        client.finish()
        _ = try await client.receiveAll()
        while await gateway.sessionCount > 0 { await Task.yield() }
        #expect(await log(gateway).map(\.verdict) == [.allowed])
    }

    @Test func `A limit and too many logins are told as such`() async throws {
        let gateway = try Gateway(quotas: [Limit(subject: .eachClient, sessions: 1)])
        let first = try await gateway.greeted()
        let second = try await gateway.greeted()
        try await second.send(connect(loopback, 80))
        _ = try await second.receive(2)
        let limited = try await entry(gateway)
        #expect(limited.verdict == .denied && limited.reason?.contains("as many sessions as it may") == true)
        withExtendedLifetime(first) {}

        let guarded = try Gateway(authentication: .required, users: alice)
        var guesses: [Peer] = []
        for _ in 0..<40 {
            let guess = try await Peer.connect(to: guarded.http)
            try await guess.send(connectRequest("a.example:443", basic("alice", "wrong")))
            guesses.append(guess)
        }
        func isOverload(_ entry: SessionLogEntry) -> Bool { entry.reason?.contains("too many logins") == true }
        while await !log(guarded).contains(where: isOverload) { await Task.yield() }
        let busy = try #require(await log(guarded).first(where: isOverload))
        #expect(busy.verdict == .denied && busy.user == "alice")
        withExtendedLifetime(guesses) {}
    }

    @Test func `The wrong protocol and a network that is not served are told as such`() async throws {
        let gateway = try Gateway()
        let lost = try await Peer.connect(to: gateway.socks5)
        try await lost.send("GET / HTTP/1.1\r\n\r\n")
        #expect(try await entry(gateway).reason == "the client speaks HTTP")
        let elsewhere = try Gateway(clients: [Network("10.0.0.0/8")!])
        _ = try await Peer.connect(to: elsewhere.http).receiveAll()
        #expect(try await entry(elsewhere).reason?.contains("does not serve this network") == true)
    }

    @Test func `What is remembered is bounded, the latest stays, and what is allowed pushes out nothing else`()
        async throws
    {
        let gateway = try Gateway(
            quotas: [Limit(subject: .eachClient)])
        let origin = try Origin()
        Thread.detachNewThread {
            while case let client = accept(origin.descriptor, nil, nil), client >= 0 { close(client) }
        }
        let denied = try await gateway.greeted()
        try await denied.send(connect("denied.invalid", 80))
        _ = try await denied.receive(2)
        for _ in 0..<1200 {
            let client = try await gateway.greeted()
            try await client.send(connect(loopback, origin.port))
            _ = try await client.receive(10)
        }
        let all = await log(gateway, limit: .max)
        #expect(all.count == 1025)
        #expect(all == all.sorted { $0.time < $1.time } || all.map(\.time) == all.map(\.time).sorted())
        #expect(await log(gateway, leavesOutAllowed: true).map(\.target) == ["denied.invalid:80"])
        #expect(await log(gateway, limit: 3).count == 3)
        #expect(await log(gateway, client: Network("10.0.0.0/8")!).isEmpty)
        #expect(await log(gateway, client: Network("127.0.0.0/8")!, limit: .max).count == 1025)
    }
}
