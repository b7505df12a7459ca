import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite("Processes may die, the gateway stays", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ProcessTests {
    @Test("each role has no more privileges than it needs")
    func privileges() throws {
        let home = try Home.ready()
        let processes = try home.processes()
        #expect(Set(processes.keys) == ["supervisor", "socks5", "http", "names", "firewall"])
        for role in ["socks5", "http", "names", "firewall"] {
            let pid = try #require(processes[role]?.first)
            let status = try processStatus(pid)
            #expect(status["Uid"] == "65534\t65534\t65534\t65534", "\(role)")
            #expect(status["NoNewPrivs"] == "1", "\(role)")
            #expect(status["CapEff"] == (role == "firewall" ? "0000000000001000" : "0000000000000000"), "\(role)")
        }
    }

    /// Accepting was reported to pause on every listener, for the sockets had been shut by then.
    @Test("a gateway that is asked to end does so without a word of warning")
    func ending() throws {
        let home = try Home.ready()
        let daemon = try #require(home.daemon)
        let before = daemon.said.count
        daemon.signal(SIGTERM)
        #expect(eventually(within: .seconds(30)) { !daemon.isRunning })
        let said = daemon.said.dropFirst(before)
        let worries = said.split(separator: "\n").filter { $0.contains(#/^[\d:]+ (warning|error|critical) /#) }
        #expect(worries.isEmpty, "\(said)")
    }

    /// libdispatch watches the threads of its pool by files of /proc. A sandboxed role may not open them, and libdispatch
    /// then ends the process: about one name lookup in two thousand did, as long as each began a task on the pool.
    @Test("no role uses the global pool of threads")
    func threads() throws {
        let home = try Home.ready()
        let names = try NameServer(in: home.wan, Home.wanHost, ["origin.test": [[Home.wanHost]]])
        try home.ctl("user", "add", "alice", "--password-stdin", input: "correct horse\n")
        try home.ctl("listener", "add", "http", "192.168.77.1:3129", "--auth", "required", "--interface", "lan0")
        let origin = try echo(in: home)
        for kind in ProxyKind.allCases {
            _ = try home.tunnel(kind, to: "origin.test", origin.port)
            #expect(throws: Failure.self) { try home.tunnel(kind, to: "nowhere.test", origin.port) }
        }
        let login = try Peer(to: Home.gatewayOnLAN, 3129, from: home.lan)
        let password = Data("alice:correct horse".utf8).base64EncodedString()
        try login.send(HTTP.connect(Home.wanHost, origin.port, fields: ["Proxy-Authorization: Basic \(password)"]))
        #expect(HTTP.parse(try login.receiveHead()).status == 200)
        for role in ["socks5", "http", "firewall"] {
            let pid = try #require(try home.processes()[role]?.first)
            let threads = try threadNames(pid)
            #expect(
                threads.allSatisfy { name in
                    ["gatehoused", "passwords", "memory"].contains(name) || name.hasPrefix("reactor ")
                        || name.hasPrefix("worker ")
                }, "\(threads)")
        }
        withExtendedLifetime(names) {}
    }

    @Test("a relay role that is killed while 100 clients keep connecting refuses nobody", arguments: ProxyKind.allCases)
    func relayKilled(kind: ProxyKind) throws {
        // A home for each, since the next one that dies soon is not replaced at once.
        let best = try measure(until: { $0 < .milliseconds(500) }) { try timeWithoutService(kind, in: Home.ready()) }
        #expect(best < .milliseconds(500))
    }

    private func timeWithoutService(_ kind: ProxyKind, in home: Home) throws -> Duration {
        try home.liftClientLimit()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in try peer.send(try peer.receive(exactly: 4)) }
        let crowd = Crowd(of: 100) {
            let tunnel = try home.tunnel(kind, origin.port)
            try tunnel.send("ping")
            guard try tunnel.receive(exactly: 4) == Array("ping".utf8) else { throw Failure("not what was sent") }
            // Leaves no port in TIME_WAIT on the LAN host.
            tunnel.resetAtClose()
        }
        #expect(eventually(within: .seconds(60)) { crowd.sessions.count > 500 })
        let before = try #require(try home.processes()[kind.rawValue]?.first)
        home.killsRoles = true
        kill(before, SIGKILL)
        let killed = ContinuousClock.now
        #expect(
            eventually(within: .seconds(60)) { crowd.sessions.count { $0.began > killed && $0.failure == nil } > 500 })
        let sessions = crowd.stop()

        let refused = sessions.filter { ($0.failure as? SocketFailure)?.code == ECONNREFUSED }
        #expect(refused.count == 0)
        let late = sessions.filter { $0.began > killed && $0.failure != nil }
        #expect(late.isEmpty, "\(late.first.map { "\($0)" } ?? "")")
        let served = try #require(sessions.filter { $0.began > killed && $0.failure == nil }.map(\.ended).min())
        #expect(served - killed < .seconds(5))
        #expect(try home.processes()[kind.rawValue]?.first != before)
        #expect(try home.processes()["supervisor"]?.first == home.daemon?.identifier)
        return served - killed
    }

    @Test("a firewall role that is killed leaves the ruleset, and the next one takes it over")
    func firewallKilled() throws {
        let home = try Home.ready()
        let ruleset = try home.ruleset()
        let before = try #require(try home.processes()["firewall"]?.first)
        home.killsRoles = true
        kill(before, SIGKILL)
        #expect(try eventually { try home.processes()["firewall"].map { $0 != [before] } ?? false })
        #expect(try home.ruleset() == ruleset)
        #expect(
            try eventually {
                try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0").status == 0
            })
        #expect(try home.openings().count == 5)
    }

    @Test("a supervisor that is killed takes its children along, the ruleset stays, and the next start takes over")
    func supervisorKilled() throws {
        let home = try Home.ready()
        let (ruleset, revision) = (try home.ruleset(), try home.revision())
        let children = try home.processes().filter { $0.key != "supervisor" }.flatMap(\.value)
        #expect(children.count == 4)
        home.daemon?.signal(SIGKILL)
        #expect(home.daemon?.ended() == 128 + SIGKILL)
        #expect(eventually { children.allSatisfy { kill($0, 0) != 0 } })
        #expect(try home.ruleset() == ruleset)

        try home.start()
        #expect(try home.ruleset() == ruleset)
        #expect(try home.revision() == revision)
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
    }

    @Test("a second daemon on the same state is refused, and the first does not notice")
    func second() throws {
        let home = try Home.ready()
        let second = try RunningProgram(
            home.command(socket: home.directory + "/second.sock"), in: home.gateway, log: home.directory + "/second")
        #expect(second.ended().map { $0 != 0 } == true)
        #expect(second.said.contains(home.state), "\(second.said)")
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
    }

    @Test("SIGHUP breaks no tunnel and closes no port")
    func reload() throws {
        let home = try Home.ready()
        let origin = try echo(in: home)
        let tunnels = try ProxyKind.allCases.map { try home.tunnel($0, origin.port) }
        home.daemon?.signal(SIGHUP)
        #expect(eventually { home.daemon?.said.contains("reloaded") == true })
        for tunnel in tunnels {
            try tunnel.send("still there")
            #expect(try tunnel.receive(exactly: 11) == Array("still there".utf8))
        }
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
    }

    @Test("SIGHUP makes the ruleset follow the machine's addresses")
    func renumbered() throws {
        let home = try Home()
        try home.start()
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1080", "--auth", "required")
        #expect(try home.openings().first?.hasPrefix(#"iifname "lan0" ip daddr 192.168.77.1 tcp dport 1080"#) == true)
        try home.gateway.run(
            "ip", "-batch", "-",
            input: """
                address del 192.168.77.1/24 dev lan0
                address add 192.168.77.1/24 dev wan0
                """)
        home.daemon?.signal(SIGHUP)
        #expect(try eventually { try home.openings().first?.hasPrefix(#"iifname "wan0""#) == true })
    }

    @Test("SIGTERM lets a transfer end, ends the daemon cleanly and leaves the door shut")
    func terminate() throws {
        let home = try Home.ready()
        let origin = try echo(in: home)
        let tunnel = try home.tunnel(.socks5, origin.port)
        home.daemon?.signal(SIGTERM)
        #expect(eventually { home.daemon?.said.contains("stopping") == true })
        try tunnel.send("the end")
        tunnel.finish()
        #expect(try tunnel.receiveToEnd() == Array("the end".utf8))
        #expect(home.daemon?.ended() == 0)
        #expect(try home.ruleset().contains("policy drop"))
    }
}

/// An origin on the WAN host that returns what it gets.
func echo(in home: Home, _ host: String = Home.wanHost) throws -> Origin {
    try Origin(in: home.wan, host) { peer in
        while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
    }
}

/// A new session through the proxy works from end to end.
func expectEcho(_ home: Home, _ kind: ProxyKind, _ location: SourceLocation = #_sourceLocation) throws {
    let origin = try echo(in: home)
    let tunnel = try home.tunnel(kind, origin.port)
    try tunnel.send("hello")
    #expect(try tunnel.receive(exactly: 5) == Array("hello".utf8), sourceLocation: location)
}

private func processStatus(_ pid: pid_t) throws -> [String: String] {
    var fields: [String: String] = [:]
    for line in try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8).split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2 { fields[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    return fields
}

private func threadNames(_ pid: pid_t) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").map { thread in
        try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/comm", encoding: .utf8).trimmingCharacters(
            in: .newlines)
    }
}
