import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite(
    "What many do wrong costs the others nothing", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct PressureTests {
    let home: Home

    init() throws {
        raiseDescriptorLimit()
        home = try Home()
    }

    private func ready() throws {
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        // All of the many come from one address, and what is tried is what holds without a limit for each.
        try home.liftClientLimit()
    }

    /// How long each of some new sessions takes, one after the other, shortest first.
    private func sessions(_ count: Int, _ kind: ProxyKind, _ origin: Origin) throws -> [Duration] {
        try (0..<count).map { _ in
            let began = ContinuousClock.now
            let tunnel = try home.tunnel(kind, origin.port)
            try tunnel.send("ping")
            guard try tunnel.receive(exactly: 4) == Array("ping".utf8) else { throw Failure("not what was sent") }
            tunnel.resetAtClose()
            return .now - began
        }.sorted()
    }

    /// As `sessions`, again if one of them took a second: the machine may have stood still.
    private func unhindered(_ count: Int, _ kind: ProxyKind, _ origin: Origin) throws -> [Duration] {
        try measure(until: { $0[count - 1] < .seconds(1) }) { try sessions(count, kind, origin) }
    }

    /// A process has 20 000 descriptors at most where this was written, so ten thousand handshakes, each with the right to an
    /// origin, are more than fit.
    @Test(
        "10 000 clients that say a byte a minute hold nobody up, and are ended by the deadline",
        arguments: ProxyKind.allCases)
    func slowClients(kind: ProxyKind) throws {
        try ready()
        let origin = try echo(in: home)
        let role = try #require(try home.processes()[kind.rawValue]?.first)
        let usual = try sessions(50, kind, origin)
        let before = try openDescriptors(of: role)
        let slow = try (0..<10_000).map { _ in
            let began = ContinuousClock.now
            let client = try home.dial(kind)
            try client.send([kind == .socks5 ? 5 : UInt8(ascii: "C")])
            return (began: began, client: client)
        }
        let beside = try unhindered(50, kind, origin)
        let held = try openDescriptors(of: role)
        // On a slow machine the first ones meet their deadline, of 10 s, while the last ones come.
        let due = slow.count { .now - $0.began < .seconds(9) } * 9 / 10
        #expect(held > due, "the slow ones are not there any more")
        #expect(beside[25] < usual[25] * 3 + .milliseconds(20), "\(beside[25]) instead of \(usual[25])")
        #expect(beside[49] < .seconds(1))
        #expect(try eventually(within: .seconds(30)) { try openDescriptors(of: role) < before + 100 })
        #expect(try home.gateway.run("ss", "-Htn", "state", "close-wait") == "")
        withExtendedLifetime(slow) {}
    }

    @Test(
        "7: out of descriptors: accepting pauses and resumes by itself, tunnels go on, and the log says so once",
        arguments: ProxyKind.allCases)
    func descriptors(kind: ProxyKind) throws {
        home.descriptorLimit = 256
        try ready()
        let origin = try echo(in: home)
        var tunnels: [Peer] = []
        // 192 of the 256 are for sessions, two each; the pool of pipes may have a few.
        for _ in 0..<80 { tunnels.append(try home.tunnel(kind, origin.port)) }
        let waiting = try (0..<40).map { _ in
            let client = try home.dial(kind)
            switch kind {
            case .socks5: try client.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, origin.port) + Array("waited".utf8))
            case .http: try client.send(HTTP.connect(Home.wanHost, origin.port) + "waited")
            }
            return client
        }
        func pauses() -> Int { (home.daemon?.said ?? "").components(separatedBy: "accepting pauses").count - 1 }
        #expect(eventually { pauses() > 0 })
        for tunnel in tunnels {
            try tunnel.send("still there")
            #expect(try tunnel.receive(exactly: 11) == Array("still there".utf8))
        }
        tunnels.removeLast(60)
        for client in waiting {
            switch kind {
            case .socks5:
                #expect(try client.receive(exactly: 2) == [5, 0])
                #expect(try SOCKS5.reply(from: client).code == 0)
            case .http: #expect(try client.receiveHead().hasPrefix("HTTP/1.1 200 "))
            }
            #expect(try client.receive(exactly: 6) == Array("waited".utf8))
        }
        for tunnel in tunnels {
            try tunnel.send("still there")
            #expect(try tunnel.receive(exactly: 11) == Array("still there".utf8))
        }
        #expect(pauses() == 1, "\(home.daemon?.said ?? "")")
    }

    /// A limit that many half-open clients are far beyond.
    struct Siege: Sendable, CustomTestStringConvertible {
        let listener: String
        let descriptors: Int
        let clients: Int

        var testDescription: String { "\(listener), \(clients) clients, \(descriptors) descriptors" }

        static let all = ["socks5", "http", "https"].flatMap {
            [
                Siege(listener: $0, descriptors: 256, clients: 600),
                Siege(listener: $0, descriptors: 1024, clients: 2000),
            ]
        }
    }

    /// A fixed share of the sessions was ended ten times a second, whatever waited: a newcomer behind 2000 half-open clients waited 11 s.
    @Test(
        "D4: out of descriptors by clients that say half a word: a newcomer is served within a second",
        arguments: Siege.all)
    func halfOpen(siege: Siege) throws {
        home.descriptorLimit = siege.descriptors
        try ready()
        try home.ctl("listener", "add", "https", "192.168.77.1:3129", "--interface", "lan0")
        let authority = home.directory + "/ca.pem"
        try home.ctl("tls", "export-ca").write(toFile: authority, atomically: false, encoding: .utf8)
        let origin = try echo(in: home)
        let page = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        }
        let kind: ProxyKind = siege.listener == "socks5" ? .socks5 : .http
        let tunnels = try (0..<8).map { _ in try home.tunnel(kind, origin.port) }
        let port: UInt16 = ["socks5": 1080, "http": 3128, "https": 3129][siege.listener]!
        let beginning: [String: [UInt8]] = ["socks5": [5], "http": [UInt8(ascii: "C")], "https": [0x16, 3, 1, 2, 0]]
        func newcomer() throws -> Duration {
            guard siege.listener == "https" else { return try sessions(1, kind, origin)[0] }
            let outcome = try home.lan.attempt([
                "curl", "-sS", "--max-time", "30", "--proxytunnel", "--proxy", "https://192.168.77.1:3129",
                "--proxy-cacert", authority, "-w", " %{time_total}", "http://\(Home.wanHost):\(page.port)/",
            ])
            let words = outcome.output.split(separator: " ")
            guard words.count == 2, words[0] == "hello", let seconds = Double(words[1]) else {
                throw Failure("\(outcome)")
            }
            return .seconds(seconds)
        }
        // Each time as many come, and more than a session's end has made room for are waiting before the newcomer. A machine that stood
        // still for a moment gets another turn.
        var crowd: [Peer] = []
        let wait = try measure(until: { $0 < .seconds(1) }) {
            crowd = try (0..<siege.clients).map { _ in
                let client = try Peer(to: Home.gatewayOnLAN, port, from: home.lan)
                // One of those that were ended already.
                try? client.send(beginning[siege.listener]!)
                return client
            }
            return try newcomer()
        }
        #expect(wait < .seconds(1), "\(wait)")
        #expect(home.daemon?.said.contains("accepting pauses") == true)
        for tunnel in tunnels {
            try tunnel.send("still there")
            #expect(try tunnel.receive(exactly: 11) == Array("still there".utf8))
        }
        withExtendedLifetime(crowd) {}
    }

    @Test(
        "half of all origins dead, silent or refusing: sessions to the others do not notice",
        arguments: ProxyKind.allCases)
    func deadOrigins(kind: ProxyKind) throws {
        try ready()
        let origin = try echo(in: home)
        try home.wan.run(
            "nft",
            "add table ip dead; add chain ip dead input { type filter hook input priority 0; };"
                + "add rule ip dead input ip daddr 203.0.112.11 drop")
        let usual = try sessions(100, kind, origin)
        let silent = try (0..<200).map { _ in
            let client = try home.dial(kind)
            switch kind {
            case .socks5: try client.send([5, 1, 0] + SOCKS5.connect("203.0.112.11", 80))
            case .http: try client.send(HTTP.connect("203.0.112.11", 80))
            }
            return client
        }
        let refusing = Crowd(of: 10) { [home] in
            do { _ = try home.tunnel(kind, 9) } catch is Failure {}
        }
        #expect(eventually { refusing.sessions.count > 20 })
        let beside = try unhindered(100, kind, origin)
        #expect(refusing.stop().allSatisfy { $0.failure == nil })
        #expect(beside[50] < usual[50] * 3 + .milliseconds(20), "\(beside[50]) instead of \(usual[50])")
        #expect(beside[99] < .seconds(1))
        // Those that wait for the silent one are told in the end, and their reason is the right one.
        switch kind {
        case .socks5:
            #expect(try silent[0].receive(exactly: 2) == [5, 0])
            #expect([4, 6].contains(try SOCKS5.reply(from: silent[0]).code))
        case .http: #expect(try silent[0].receiveHead().hasPrefix("HTTP/1.1 504 "))
        }
    }

    /// The whole million is scripts/soak's; what would leak there shows here.
    @Test("50 000 sessions leave the memory of a relay as it was", arguments: ProxyKind.allCases)
    func memory(kind: ProxyKind) throws {
        try ready()
        let role = try #require(try home.processes()[kind.rawValue]?.first)
        try home.ctl("listener", "add", kind.rawValue, "127.0.0.1:1090")
        try home.ctl("rule", "add", "allow", "--to", "127.0.0.0/8")
        let server = try RunningProgram(
            [programs + "gatehouse-load", "origin", "--port", "1234"], in: home.gateway, log: home.directory + "/origin"
        )
        try home.gateway.run(programs + "gatehouse-load", "wait", "--proxy", "127.0.0.1:1234", "--seconds", "10")
        func load(until count: Int) throws {
            var last = (count: -1, time: ContinuousClock.now)
            while case let now = try sessionCount("127.0.0.1:1090"), now < count {
                if now > last.count { last = (now, .now) }
                guard .now - last.time < .seconds(30) else { throw Failure("no more than \(now) sessions") }
                try home.gateway.run(
                    programs + "gatehouse-load", "sessions", "--origin", "127.0.0.1:1234", "--way", kind.rawValue,
                    "--proxy", "127.0.0.1:1090", "--seconds", "3")
            }
        }
        try load(until: 10_000)
        let before = try anonymousMemory(of: role)
        try load(until: 60_000)
        let after = try anonymousMemory(of: role)
        // A sanitizer keeps what was freed, to see who still uses it.
        #expect(after < before + 1024 || isSanitized, "\(after) kB instead of \(before) kB")
        #expect(try eventually { try home.gateway.run("ss", "-Htn", "state", "close-wait") == "" })
        withExtendedLifetime(server) {}
    }

    /// Sessions of a listener since it was added.
    private func sessionCount(_ endpoint: String) throws -> Int {
        let status =
            try JSONSerialization.jsonObject(with: Data(try home.ctl("--json", "status").utf8)) as? [String: Any]
        let listeners = status?["listeners"] as? [[String: Any]] ?? []
        let listener = listeners.first { $0["endpoint"] as? String == endpoint }
        guard let count = listener?["sessionsTotal"] as? Int else {
            throw Failure("no listener \(endpoint) in \(listeners)")
        }
        return count
    }
}

/// Up to what this process may have; tests hold both ends of thousands of connections.
func raiseDescriptorLimit() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

func openDescriptors(of process: pid_t) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
}

/// What the process itself has written, in kB: the pages of its files come and go as the kernel likes.
func anonymousMemory(of process: pid_t) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    guard let value = status.firstMatch(of: /RssAnon:\s+(\d+) kB/)?.1 else { throw Failure(status) }
    return Int(value) ?? 0
}
