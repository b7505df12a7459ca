import Foundation
import Glibc
import TestNetwork
import Testing

@Suite("What status tells", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct StatusTests {
    /// `any` stood there, where the ruleset said lan0.
    @Test("A listener that names no interface is shown with the one on which it is reached")
    func interface() throws {
        let home = try Home.ready()
        try home.ctl("listener", "add", "http", "192.168.77.1:8080")
        #expect(try home.openings().contains { $0.contains("iifname \"lan0\"") && $0.contains("dport 8080") })
        for shown in [try home.ctl("status"), try home.ctl("listener", "list")] {
            let line = try #require(shown.split(separator: "\n").first { $0.contains("192.168.77.1:8080") })
            #expect(line.contains(" lan0 "), "\(line)")
        }
    }

    @Test(
        "What answers the home's questions for names is among the listeners, a forward among the doors, both for as long as they stand"
    )
    func doors() throws {
        let home = try Home.ready()
        try home.ctl("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
        let line = try #require(try home.ctl("status").split(separator: "\n").first { $0.contains("192.168.77.1:53") })
        #expect(line.hasPrefix("dns ") && line.contains(" lan0 "), "\(line)")
        #expect(try !home.ctl("status").contains("127.0.71.53"))
        try home.ctl("device", "name", "52:54:00:12:34:56", "tv")
        try home.ctl("device", "address", "tv", "192.168.77.20")
        try home.ctl("forward", "add", "web", "tcp", "8080", "to", "tv:80", "--no-trial")
        #expect(try home.ctl("status").contains(/FORWARD +.*web.*8080/))
        try home.ctl("forward", "remove", "web", "--no-trial")
        try home.ctl("zone", "set", "home", "--no-serve", "--no-trial")
        let left = try home.ctl("status")
        #expect(!left.contains("FORWARD") && !left.contains(":53"), "\(left)")
    }

    /// Each call of a local nobody had the firewall role read the whole table.
    @Test("Whoever asks, and how often, the kernel is looked at once a second")
    func looks() throws {
        let home = try Home.ready()
        let role = try #require(try home.processes()["firewall"]?.first)
        func wakeUps() throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(role)/status", encoding: .utf8)
            return try #require(text.firstMatch(of: /\nvoluntary_ctxt_switches:\t(\d+)/).flatMap { Int($0.1) })
        }
        let script = """
            import json, socket, sys, time
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(sys.argv[1])
            start = time.monotonic()
            for _ in range(300):
                connection.sendall(b'{"method": "org.gatehouse.Admin.GetStatus"}\\0')
                reply = b""
                while not reply.endswith(b"\\0"): reply += connection.recv(65536)
                assert b"firewall" in reply, reply
            print(time.monotonic() - start)
            """
        let before = try wakeUps()
        let printed = try home.gateway.run("python3", "-c", script, home.socket)
        let seconds = try #require(Double(printed.trimmingCharacters(in: .whitespacesAndNewlines)))
        let count = try wakeUps() - before
        // A look is an order and its answer; a change of the surroundings may have come in between.
        #expect(Double(count) < 30 + 10 * seconds, "\(count) in \(seconds) s")
    }

    /// Three lines came with each start, one a role, that the kernel has no Landlock, where a container refuses it.
    @Test("That Landlock cannot be used is said once, by the supervisor")
    func landlock() throws {
        let home = try Home.ready()
        let lines = (home.daemon?.said ?? "").split(separator: "\n").filter { $0.contains("Landlock") }
        #expect(lines.count <= 1, "\(lines)")
    }
}
