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
