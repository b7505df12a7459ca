import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite("When things break", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct FaultTests {
    @Test("a firewall role that dies in the middle of a change: the change is refused, and nothing of it is left")
    func firewallDies() throws {
        let home = try Home.ready()
        home.killsRoles = true
        var before = (ruleset: "", revision: "")
        // What lies in the role's channel may be the question that the supervisor asks every 5 s. The change then meets the
        // next role, and succeeds.
        let change = try measure(until: { $0.ended() != 0 }) { () -> RunningProgram in
            _ = try home.attempt("listener", "remove", "192.168.77.1:1090")
            before = (try home.ruleset(), try home.revision())
            let firewall = try #require(try home.processes()["firewall"]?.first)
            // Stopped, it takes no order: the change waits for it, half done.
            kill(firewall, SIGSTOP)
            let change = try RunningProgram(
                [
                    programs + "gatehousectl", "--socket", home.socket, "listener", "add", "socks5",
                    "192.168.77.1:1090", "--interface", "lan0",
                ], in: home.gateway, log: home.directory + "/change")
            #expect(try eventually { try hasUnread(firewall, in: home) })
            kill(firewall, SIGKILL)
            return change
        }
        #expect(change.ended().map { $0 != 0 } == true, "\(change.said)")
        #expect(change.said.contains("firewall"), "\(change.said)")
        #expect(try home.revision() == before.revision)
        #expect(try home.ruleset() == before.ruleset)
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :1090") == "")
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        #expect(
            try eventually {
                try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0").status == 0
            })
        #expect(try home.openings().contains { $0.contains("tcp dport 1090") })
    }

    /// Whether an order lies in the process's channel.
    private func hasUnread(_ process: pid_t, in home: Home) throws -> Bool {
        try home.gateway.run("ss", "-Hxp").split(separator: "\n").contains { line in
            // Netid, state, Recv-Q; the process at the end.
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            return line.contains("pid=\(process),") && fields.count > 2 && fields[2] != "0"
        }
    }

    @Test("a relay role that dies in the middle of a change: the change is refused or whole, and the next one works")
    func relayDies() throws {
        let home = try Home.ready()
        home.killsRoles = true
        let revision = try home.revisionNumber()
        let relay = try #require(try home.processes()["socks5"]?.first)
        kill(relay, SIGSTOP)
        let change = try RunningProgram(
            [
                programs + "gatehousectl", "--socket", home.socket, "listener", "add", "socks5", "192.168.77.1:1090",
                "--interface", "lan0",
            ], in: home.gateway, log: home.directory + "/change")
        #expect(try eventually { try home.gateway.run("ss", "-Hltn", "sport = :1090") != "" })
        kill(relay, SIGKILL)
        let status = try #require(change.ended())
        let isDone = status == 0
        #expect(try home.revisionNumber() == revision + (isDone ? 1 : 0), "\(change.said)")
        #expect(try eventually { try home.openings().contains { $0.contains("tcp dport 1090") } == isDone })
        let origin = try echo(in: home)
        #expect(eventually { (try? home.tunnel(.socks5, origin.port)) != nil })
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        #expect(try eventually { try home.attempt("firewall", "open", "ssh", "--tcp", "22").status == 0 })
    }

    @Test("SIGTERM at any moment of a start ends it, cleanly and with all of its children")
    func stopsWhileStarting() throws {
        let home = try Home.ready()
        home.daemon?.signal(SIGTERM)
        #expect(home.daemon?.ended() == 0)
        for delay in stride(from: 0, through: 400, by: 50) {
            let program = try RunningProgram(home.command(), in: home.gateway, log: home.directory + "/start-\(delay)")
            usleep(useconds_t(delay * 1000))
            let children = try children(of: program.identifier)
            program.signal(SIGTERM)
            let status = program.ended()
            // Before it blocks the signal, a start is ended by it as any program is.
            #expect(status == 0 || status == 128 + SIGTERM, "after \(delay) ms: \(status ?? -1)\n\(program.said)")
            #expect(eventually { children.allSatisfy { kill($0, 0) != 0 } }, "after \(delay) ms")
        }
        try home.start()
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
    }

    @Test(
        "a full disk: the change is refused with the reason, the old revision runs on, and with room changes work again"
    )
    func fullDisk() throws {
        let home = try Home()
        try FileManager.default.createDirectory(atPath: home.state, withIntermediateDirectories: true)
        try #require(mount("tmpfs", home.state, "tmpfs", 0, "size=1m,mode=0700") == 0)
        defer { umount2(home.state, CInt(2)) }
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let (ruleset, revision) = (try home.ruleset(), try home.revision())
        let filler = home.state + "/filler"
        let file = open(filler, O_CREAT | O_WRONLY, 0o600)
        let block = [UInt8](repeating: 0, count: 4096)
        while write(file, block, block.count) > 0 {}
        close(file)
        let outcome = try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0")
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("disk is full"), "\(outcome)")
        #expect(try home.ruleset() == ruleset)
        #expect(try home.revision() == revision)
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        unlink(filler)
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0")
        #expect(try home.openings().contains { $0.contains("tcp dport 1090") })
    }

    @Test("an interface that is deleted and made anew gets its listeners back by itself, and the WAN side its door")
    func interfaceMadeAnew() throws {
        let home = try Home.ready()
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        let opening = try #require(try home.openings().first)
        let sessions = try home.sessionsTotal()
        try home.gateway.run("ip", "link", "delete", "lan0")
        // Its other end went with it.
        try home.lan.run(
            "ip", "-batch", "-",
            input: """
                link add eth0 type veth peer name lan0 netns \(home.gateway.path)
                link set eth0 up
                address add 192.168.77.10/24 dev eth0
                """)
        try home.gateway.run(
            "ip", "-batch", "-",
            input: """
                link set lan0 up
                address add 192.168.77.1/24 dev lan0
                """)
        #expect(eventually(within: .seconds(20)) { (try? home.dial(.socks5)) != nil })
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
        // What was counted goes on: the listener is the same, its socket is not.
        #expect(try home.sessionsTotal() > sessions)
        #expect(try home.openings().contains(opening))
        let stranger = #expect(throws: SocketFailure.self) { try Peer(to: Home.gatewayOnWAN, 1080, from: home.wan) }
        #expect(stranger?.code == EINPROGRESS, "nobody answers: \(String(describing: stranger))")
    }
}

extension Home {
    /// Since the daemon started, over all listeners.
    fileprivate func sessionsTotal() throws -> Int {
        let status = try JSONSerialization.jsonObject(with: Data(try ctl("--json", "status").utf8)) as? [String: Any]
        let listeners = try #require(status?["listeners"] as? [[String: Any]])
        return listeners.reduce(0) { $0 + ($1["sessionsTotal"] as? Int ?? 0) }
    }
}

private func children(of parent: pid_t) throws -> [pid_t] {
    let path = "/proc/\(parent)/task/\(parent)/children"
    return ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: " ").compactMap { pid_t($0) }
}
