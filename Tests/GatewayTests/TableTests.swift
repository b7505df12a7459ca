import Foundation
import Glibc
import TestNetwork
import Testing

/// What others do to the kernel's rulesets while the gateway runs.
@Suite(
    "The gateway's table is there, whatever others do", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct TableTests {
    /// `systemctl restart nftables` flushes, as does Debian's /etc/nftables.conf; the door then stood open for up to 5 s.
    @Test func `where the kernel knows owners of tables, a flush passes it by`() throws {
        let home = try Home.ready()
        let ruleset = try home.ruleset()
        let handle = try tableHandle(home)
        try #require(try home.gateway.run("nft", "list", "table", "inet", "gatehouse").contains("flags owner"))
        try home.gateway.run("nft", "flush", "ruleset")
        #expect(try home.ruleset() == ruleset)
        // The kernel numbers tables: it is the very same one.
        #expect(try tableHandle(home) == handle)
        #expect(home.daemon?.said.contains("lost") == false)
        // A firewall role that dies leaves it to the next one.
        home.killsRoles = true
        let before = try #require(try home.processes()["firewall"]?.first)
        kill(before, SIGKILL)
        #expect(
            try eventually {
                try home.gateway.run("nft", "list", "table", "inet", "gatehouse").contains("flags owner")
                    && (try home.processes()["firewall"]?.first ?? before) != before
            })
        try home.gateway.run("nft", "flush", "ruleset")
        #expect(try home.ruleset() == ruleset)
    }

    @Test func `where it does not, a flushed table is back at once, and that is told`() throws {
        let home = try Home.ready(ownsTable: false)
        let ruleset = try home.ruleset()
        for round in 1...10 where round <= 3 || (pauses(home).min() ?? .max) > 20 {
            try home.gateway.run("nft", "flush", "ruleset")
            #expect(try eventually(within: .milliseconds(500)) { try home.ruleset() == ruleset })
            #expect(eventually { pauses(home).count == round })
        }
        // 20 ms are the bar; a machine that is busy with something else has moments of its own.
        #expect(pauses(home).min() ?? .max <= 20, "\(pauses(home)) ms")
        try home.gateway.run("nft", "insert", "rule", "inet", "gatehouse", "input", "accept")
        #expect(try eventually { try home.ruleset() == ruleset })
    }

    /// The pauses that the journal tells of, in milliseconds.
    private func pauses(_ home: Home) -> [Int] {
        (home.daemon?.said ?? "").matches(of: /put back after (\d+) ms/).compactMap { Int($0.1) }
    }

    /// What came in while the table was away must not stay, and what was there before must not go.
    @Test func `a connection that began while the table was away is ended, an older one goes on`() throws {
        let home = try Home()
        home.ownsTable = false
        let stray = try Origin(in: home.gateway, "0.0.0.0", port: 8080) { peer in
            while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
        // A connection from before the firewall is known to the kernel by what goes out.
        let ticker = try Origin(in: home.gateway, "0.0.0.0", port: 8081) { peer in
            while true {
                try peer.send("a")
                usleep(1000)
            }
        }
        let older = try Peer(to: Home.gatewayOnWAN, 8081, from: home.wan)
        #expect(try older.receive(exactly: 1) == [97])
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let ruleset = try home.ruleset()
        // The role cannot answer for a moment, so that the gap is one.
        let role = try #require(try home.processes()["firewall"]?.first)
        kill(role, SIGSTOP)
        try home.gateway.run("nft", "flush", "ruleset")
        let intruder = try Peer(to: Home.gatewayOnWAN, 8080, from: home.wan)
        let guest = try Peer(to: Home.gatewayOnLAN, 1080, from: home.lan)
        try intruder.send("b")
        #expect(try intruder.receive() == [98])
        // A guest with whom somebody speaks already, and this machine's own: neither would have been refused.
        let speaking = try home.dial(.socks5)
        try speaking.send([5, 1, 0])
        #expect(try speaking.receive(exactly: 2) == [5, 0])
        let own = try Peer(to: "127.0.0.1", 8080, from: home.gateway)
        kill(role, SIGCONT)
        #expect(try eventually { try home.ruleset() == ruleset })
        #expect(throws: SocketFailure.self) { _ = try intruder.receive() }
        // More than what was under way.
        #expect(try older.receive(exactly: 1000).count == 1000)
        try guest.send([5, 1, 0])
        #expect(try guest.receive() == [5, 0])
        try speaking.send(SOCKS5.connect("192.0.3.1", 1))
        #expect(try speaking.receive(exactly: 2).first == 5)
        try own.send("c")
        #expect(try own.receive() == [99])
        #expect(home.daemon?.said.contains("ended what came in without the firewall") == true)
        withExtendedLifetime((stray, ticker)) {}
    }

    /// The first datagram passed, and connection tracking took all that followed for answers, for as long as they went on.
    @Test
    func
        `a conversation over UDP that began while the table was away is ended with it, one that a rule lets in goes on`()
        throws
    {
        let home = try Home.ready(ownsTable: false)
        // Without another user of connection tracking the kernel forgets with the table.
        try home.gateway.run(
            "nft",
            "add table inet other; add chain inet other c { type filter hook input priority 10; }; "
                + "add rule inet other c ct state established accept")
        try home.ctl("firewall", "open", "echo", "--udp", "8082", "--from", "internet")
        let services = try [8080, 8082].map {
            try (DatagramPeer.echo(in: home.gateway, "::", port: $0), DatagramPeer(in: home.wan, "0.0.0.0"))
        }
        func isAnswered(_ index: Int, _ word: String) throws -> Bool {
            let (peer, port) = (services[index].1, UInt16(8080 + 2 * index))
            try peer.send(Array(word.utf8), to: Home.gatewayOnWAN, port)
            while let answer = try peer.receive(within: .milliseconds(300)) {
                if answer.bytes == Array(word.utf8) { return true }
            }
            return false
        }
        #expect(try !isAnswered(0, "before"))
        let role = try #require(try home.processes()["firewall"]?.first)
        kill(role, SIGSTOP)
        try home.gateway.run("nft", "delete", "table", "inet", "gatehouse")
        for index in 0...1 { for word in ["first", "second"] { #expect(try isAnswered(index, word)) } }
        kill(role, SIGCONT)
        #expect(try eventually { try home.ruleset().contains("8082") })
        #expect(
            eventually { home.daemon?.said.contains("ended what came in without the firewall") == true })
        #expect(try !isAnswered(0, "after"))
        #expect(try isAnswered(1, "after"))
    }

    /// Every change made the table anew, with its counters at nothing, and was refused where the table could not be written.
    @Test func `a change that alters no rule leaves the kernel alone`() throws {
        let home = try Home.ready()
        let before = try #require(try home.gateway.tableListing(handles: true))
        #expect(before.contains("# handle"))
        try home.ctl("session", "log", "--journal", "on")
        #expect(try home.gateway.tableListing(handles: true) == before)
    }

    /// Another table's drop is final, whatever ours says; status called the door well.
    @Test("52: a table that drops our clients is named in status, as is one that forwards") func foreign() throws {
        let home = try Home.ready()
        try home.gateway.run(
            "nft", "-f", "-",
            input: """
                table inet strict { chain inp { type filter hook input priority 10; policy drop; ct state established accept; }; }
                table ip filter { chain DOCKER { }; chain FORWARD { type filter hook forward priority 0; policy drop; }; }
                """)
        #expect(
            try eventually {
                let status = try home.ctl("status")
                return status.contains("table inet strict, chain inp, drops input by policy")
                    && status.contains("table ip filter (Docker) decides what is forwarded")
            })
    }

    private func tableHandle(_ home: Home) throws -> String {
        let listing = try home.gateway.run("nft", "-a", "list", "table", "inet", "gatehouse")
        return listing.split(separator: "\n").first.map(String.init) ?? ""
    }
}
