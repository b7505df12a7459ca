import Foundation
import Glibc
import Synchronization
import TestNetwork
import Testing

@Suite("Sessions are seen and ended", .enabled(if: isRoot, "needs root: network namespaces"))
struct SessionTests {
    let home: Home

    init() throws {
        home = try Home.ready()
        try home.ctl("listener", "add", "http", "192.168.77.1:3129", "--auth", "required", "--interface", "lan0")
        try home.ctl("user", "add", "alice", "--password-stdin", "--weak", input: "a\n")
        try home.ctl("user", "add", "bob", "--password-stdin", "--weak", input: "b\n")
    }

    @Test("session list shows each session as it is")
    func list() throws {
        let origin = try echo(in: home)
        let plain = try home.tunnel(.socks5, to: "origin.example", origin.port)
        let alice = try home.tunnel(as: "alice", "a", origin.port)
        try plain.send("12345")
        #expect(try plain.receive(exactly: 5).count == 5)
        let greeting = try home.dial(.http)
        #expect(try eventually { try home.sessions().count == 3 })
        let sessions = try home.sessions()
        let ids = sessions.compactMap { $0["id"] as? Int }
        #expect(Set(ids).count == 3 && ids == ids.sorted())

        let first = try #require(sessions.first { $0["client"] as? String == plain.nearEnd })
        #expect(first["kind"] as? String == "socks5" && first["listener"] as? String == "192.168.77.1:1080")
        #expect(first["host"] as? String == "origin.example")
        #expect(first["origin"] as? String == "\(Home.wanHost):\(origin.port)")
        #expect(first["sent"] as? Int == 5 && first["received"] as? Int == 5)
        #expect(first["activity"] as? String == "tunnel" && first["user"] == nil)
        let second = try #require(sessions.first { $0["client"] as? String == alice.nearEnd })
        #expect(second["kind"] as? String == "http" && second["user"] as? String == "alice" && second["host"] == nil)
        let third = try #require(sessions.first { $0["client"] as? String == greeting.nearEnd })
        #expect(third["activity"] as? String == "handshake" && third["origin"] == nil)

        #expect(try home.sessions("--user", "alice").count == 1)
        #expect(try home.sessions("--client", "192.168.77.0/24").count == 3)
        #expect(try home.sessions("--client", "10.0.0.0/8").isEmpty)
        let table = try home.ctl("session", "list")
        #expect(table.contains("origin.example:\(origin.port)") && table.contains(alice.nearEnd), "\(table)")
        let picture = try home.ctl("top")
        #expect(picture.contains("3 sessions") && picture.contains("origin.example:\(origin.port)"), "\(picture)")
    }

    @Test("session kill resets client and origin of what it names, and of nothing else")
    func kill() throws {
        let origin = try echo(in: home)
        let tunnels = try (0..<4).map { try Stream(home.tunnel($0 % 2 == 0 ? .socks5 : .http, origin.port)) }
        let alice = try Stream(home.tunnel(as: "alice", "a", origin.port))
        let bob = try Stream(home.tunnel(as: "bob", "b", origin.port))
        let session = try #require(try home.sessions().first { $0["client"] as? String == tunnels[1].client.nearEnd })
        let id = try #require(session["id"] as? Int)
        #expect(try home.ctl("session", "kill", "\(id)").contains("1 session ended"))
        // A session whose task had not noticed yet was listed once more.
        #expect(try !home.sessions().contains { $0["id"] as? Int == id })
        #expect(tunnels[1].wasReset())
        #expect(try home.attempt("session", "kill", "\(id)").status == 1)
        try home.ctl("session", "kill", "--user", "alice")
        #expect(alice.wasReset())
        for stream in [tunnels[0], tunnels[2], tunnels[3], bob] { #expect(stream.goesOn()) }
        #expect(try home.attempt("session", "kill").status == 2)
        #expect(try home.ctl("session", "kill", "--client", "192.168.77.10").contains("4 sessions ended"))
        for stream in [tunnels[0], tunnels[2], tunnels[3], bob] { #expect(stream.wasReset()) }
        #expect(try home.sessions().isEmpty)
    }

    @Test("session watch tells beginnings and ends, those of short sessions too")
    func watch() throws {
        let watch = try RunningProgram(
            [programs + "gatehousectl", "--socket", home.socket, "session", "watch"], in: home.gateway,
            log: home.directory + "/watch")
        let origin = try echo(in: home)
        let standing = try home.tunnel(.socks5, origin.port)
        #expect(eventually { watch.said.contains("\(standing.nearEnd) → \(Home.wanHost):\(origin.port)") })
        var short: [String] = []
        for _ in 0..<20 {
            let tunnel = try home.tunnel(.http, origin.port)
            try tunnel.send("hello")
            #expect(try tunnel.receive(exactly: 5).count == 5)
            short.append(tunnel.nearEnd)
        }
        #expect(
            eventually {
                let lines = watch.said.split(separator: "\n")
                return short.allSatisfy { client in
                    lines.contains {
                        $0.hasPrefix("- ") && $0.contains(" \(client) ") && $0.contains("5 B sent, 5 B re")
                    }
                }
            }, "\(watch.said)")
        #expect(!watch.said.split(separator: "\n").contains { $0.hasPrefix("- ") && $0.contains(standing.nearEnd) })
        watch.signal(SIGINT)
        #expect(watch.ended() != nil)
    }

    @Test("a change of the policy ends within a second the sessions that it no longer allows, and no other")
    func changes() throws {
        let other = "203.0.112.11"
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1081", "--interface", "lan0")
        try home.ctl("user", "add", "carol", "--password-stdin", "--weak", input: "c\n")
        let (origin, otherOrigin) = (try echo(in: home), try echo(in: home, other))
        var streams: [String: Stream] = [:]
        streams["plain"] = try Stream(home.tunnel(.socks5, origin.port))
        streams["elsewhere"] = try Stream(home.tunnel(.http, to: other, otherOrigin.port))
        streams["alice"] = try Stream(home.tunnel(as: "alice", "a", origin.port))
        streams["bob"] = try Stream(home.tunnel(as: "bob", "b", origin.port))
        let second = try Peer(to: Home.gatewayOnLAN, 1081, from: home.lan)
        try second.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, origin.port))
        #expect(try second.receive(exactly: 2) == [5, 0])
        #expect(try SOCKS5.reply(from: second).code == 0)
        streams["second listener"] = Stream(second)
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1082", "--interface", "lan0")
        let third = try Peer(to: Home.gatewayOnLAN, 1082, from: home.lan)
        try third.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, origin.port))
        #expect(try third.receive(exactly: 2) == [5, 0])
        #expect(try SOCKS5.reply(from: third).code == 0)
        streams["third listener"] = Stream(third)
        streams["named"] = try Stream(home.tunnel(.http, to: "origin.example", origin.port))
        streams["carol"] = try Stream(home.tunnel(as: "carol", "c", origin.port))

        func expect(_ change: [String], input: String? = nil, ends name: String) throws {
            let ended = try #require(streams[name])
            streams[name] = nil
            let command = [programs + "gatehousectl", "--socket", home.socket] + change
            #expect(try home.gateway.attempt(command, input: input).status == 0, "\(change)")
            // What ctl has answered is in force.
            #expect(ended.wasResetWithinASecond(), "\(change) does not end \(name)")
            for (name, stream) in streams { #expect(stream.goesOn(), "\(change) ends \(name)") }
        }
        try expect(["rule", "add", "deny", "--to", other], ends: "elsewhere")
        try expect(["rule", "add", "deny", "--domain", "example"], ends: "named")
        try expect(["rule", "add", "deny", "--user", "carol", "--port", "\(origin.port)"], ends: "carol")
        try expect(["listener", "set", "192.168.77.1:1082", "--from", "10.0.0.0/8"], ends: "third listener")
        try expect(["user", "remove", "alice"], ends: "alice")
        try expect(["user", "passwd", "bob", "--password-stdin", "--weak"], input: "c\n", ends: "bob")
        try expect(["listener", "remove", "192.168.77.1:1081"], ends: "second listener")
        #expect(streams.count == 1)
        #expect(try home.sessions().count == 1)
    }
}

extension Home {
    /// A tunnel through the listener that asks for a password.
    func tunnel(as user: String, _ password: String, _ port: UInt16) throws -> Peer {
        let client = try Peer(to: Self.gatewayOnLAN, 3129, from: lan)
        let login = Data("\(user):\(password)".utf8).base64EncodedString()
        try client.send(HTTP.connect(Self.wanHost, port, fields: ["Proxy-Authorization: Basic \(login)"]))
        let head = try client.receiveHead()
        guard head.hasPrefix("HTTP/1.1 200") else { throw Failure(head) }
        return client
    }

    /// What `session list` says.
    func sessions(_ arguments: String...) throws -> [[String: Any]] {
        let command = [programs + "gatehousectl", "--socket", socket, "--json", "session", "list"] + arguments
        let outcome = try gateway.attempt(command)
        guard outcome.status == 0 else { throw Failure("session list: \(outcome)\n\(daemon?.said ?? "")") }
        let reply = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        return reply?["sessions"] as? [[String: Any]] ?? []
    }
}

/// A client that sends blocks through an echo, each checked, as long as its tunnel stands.
final class Stream: Sendable {
    let client: Peer
    private let count = Atomic<Int>(0)
    /// errno of the end; -1: what came back was not what was sent.
    private let code = Atomic<Int32>(0)

    init(_ client: Peer) {
        self.client = client
        Thread.detachNewThread { [self] in
            var seed: UInt64 = 1
            do {
                while true {
                    let block = (0..<2048).map { index -> UInt8 in
                        seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                        return UInt8(truncatingIfNeeded: seed >> 33)
                    }
                    try client.send(block)
                    let back = try client.receive(exactly: block.count)
                    guard back == block else { return code.store(-1, ordering: .relaxed) }
                    count.add(1, ordering: .relaxed)
                    usleep(1000)
                }
            } catch {
                code.store((error as? SocketFailure)?.code ?? -1, ordering: .relaxed)
            }
        }
    }

    /// The second is counted in waits that came to their end: a machine that stands still takes one of them.
    func wasResetWithinASecond() -> Bool {
        for _ in 0..<200 where code.load(ordering: .relaxed) == 0 { usleep(5000) }
        return code.load(ordering: .relaxed) != 0 && wasReset()
    }

    func wasReset() -> Bool {
        guard eventually({ code.load(ordering: .relaxed) != 0 }) else { return false }
        // A send finds the connection that was reset gone.
        return [ECONNRESET, EPIPE].contains(code.load(ordering: .relaxed))
    }

    func goesOn() -> Bool {
        let before = count.load(ordering: .relaxed)
        return eventually { count.load(ordering: .relaxed) > before + 5 } && code.load(ordering: .relaxed) == 0
    }
}
