import Foundation
import Glibc
import Synchronization
import TestNetwork
import Testing

@Suite(
    "The door follows the listeners, in the same revision or not at all", .serialized,
    .enabled(if: isRoot, "needs root: network namespaces"))
struct OpeningTests {
    @Test("from the LAN the two proxy ports are open and nothing else, from the WAN nothing at all")
    func scanned() throws {
        let home = try Home()
        // Something that listens everywhere, as things do: only the firewall hides it.
        let stray = try Origin(in: home.gateway, "0.0.0.0", port: 8080) { _ in }
        let seen = try openPorts(home.wan, Home.gatewayOnWAN, "8080", expecting: [8080])
        #expect(seen == [8080], "nmap must be able to see an open port")
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        #expect(try openPorts(home.lan, Home.gatewayOnLAN, expecting: [1080, 3128]) == [1080, 3128])
        #expect(try openPorts(home.wan, Home.gatewayOnWAN) == [])
        #expect(try openPorts(home.wan, Home.gatewayOnLAN) == [])
        withExtendedLifetime(stray) {}
    }

    @Test("from a zone for proxies nothing passes the gateway but through them")
    func forward() throws {
        let home = try Home()
        try home.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        let origin = try echo(in: home)
        _ = try Peer(to: Home.wanHost, origin.port, from: home.lan)
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("zone", "set", "home", "--way", "proxy")
        let direct = try home.lan.attempt(["curl", "-s", "--max-time", "2", "http://\(Home.wanHost):\(origin.port)/"])
        #expect(direct.status == 7, "curl's 7 is a refusal: \(direct)")
        for kind in ProxyKind.allCases { try expectEcho(home, kind) }
    }

    @Test("what the kernel holds is what gatehousectl shows")
    func shown() throws {
        let home = try Home.ready()
        // Where a chain stands among the others means nothing.
        func lines(_ text: String) -> [Substring] { text.split(separator: "\n").filter { !$0.hasPrefix("#") }.sorted() }
        let shown = lines(try home.ctl("firewall", "show"))
        #expect(try shown == lines(home.ruleset()) && shown.contains { $0.contains("dport 3128") })
    }

    @Test("a listener that is added has its opening, one that is removed has none")
    func addedAndRemoved() throws {
        let home = try Home.ready()
        let before = try home.ruleset()
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0")
        let opening =
            #"iifname "lan0" ip daddr 192.168.77.1 tcp dport 1090 counter accept comment "socks5 192.168.77.1:1090""#
        #expect(try home.openings().contains(opening))
        _ = try Peer(to: Home.gatewayOnLAN, 1090, from: home.lan)
        try home.ctl("listener", "remove", "192.168.77.1:1090")
        #expect(try home.ruleset() == before)
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :1090") == "")
    }

    /// A rule behind "answers" ends nothing that runs: what a closed door had let in went on for as long as it liked.
    @Test("an opening that is closed, narrowed or over ends what came in by it within a second, and nothing else")
    func revoked() throws {
        let home = try Home.ready()
        let services = try ["0.0.0.0", "fd77::1"].flatMap { address in
            try [UInt16(222), 223].map { port in
                try Origin(in: home.gateway, address, port: port) { peer in
                    while let bytes = try? peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
                }
            }
        }
        let datagrams = try [(Home.gatewayOnLAN, UInt16(222)), (Home.gatewayOnLAN, 223), ("fd77::1", 222)].map {
            try DatagramPeer.echo(in: home.gateway, $0, port: $1)
        }
        try home.ctl("firewall", "open", "stays", "--tcp", "223", "--udp", "223")
        /// Which of those who came in are answered.
        func answers(_ peers: [Peer], _ datagrams: [(peer: DatagramPeer, host: String, port: UInt16)]) throws -> [Bool]
        {
            try peers.map { peer in
                (try? peer.send("word")) != nil && (try? peer.receive(exactly: 4)) == Array("word".utf8)
            }
                + datagrams.map { peer, host, port in
                    while try peer.receive(within: .milliseconds(1)) != nil {}
                    try? peer.send([1], to: host, port)
                    return try peer.receive(within: .milliseconds(300)) != nil
                }
        }
        let ends: [(what: String, happens: () throws -> Void)] = [
            ("closed", { try home.ctl("firewall", "close", "work", "--no-trial") }),
            (
                "narrowed",
                {
                    let lines = try home.ctl("export").replacing(
                        "--tcp 222 --udp 222 --from home", with: "--tcp 222 --udp 222 --from internet")
                    try home.ctl("import", "-", "--no-trial", input: lines)
                }
            ),
            (
                "over",
                { _ = try eventually { try !home.ctl("firewall", "list").contains("work") } }
            ),
            (
                "closed on trial, and confirmed",
                {
                    try home.ctl("firewall", "close", "work", "--trial", "60")
                    try home.ctl("confirm", "--blind")
                }
            ),
        ]
        for (what, end) in ends {
            _ = try home.attempt("firewall", "close", "work", "--no-trial")
            try home.ctl(
                ["firewall", "open", "work", "--tcp", "222", "--udp", "222"] + (what == "over" ? ["--for", "3s"] : []))
            let peers = try [(Home.gatewayOnLAN, UInt16(222)), ("fd77::1", 222), (Home.gatewayOnLAN, 223)].map {
                try Peer(to: $0, $1, from: home.lan)
            }
            let flows = try [(Home.gatewayOnLAN, UInt16(222)), ("fd77::1", 222), (Home.gatewayOnLAN, 223)].map {
                (
                    peer: try DatagramPeer(in: home.lan, $0.contains(":") ? "fd77::10" : "192.168.77.10"), host: $0,
                    port: $1
                )
            }
            #expect(try answers(peers, flows) == [true, true, true, true, true, true], "\(what)")
            try end()
            let left = [false, false, true, false, false, true]
            var found: [Bool] = []
            let isLeft = try eventually(within: .seconds(1)) {
                found = try answers(peers, flows)
                return found == left
            }
            #expect(isLeft, "\(what): \(found)\n\(home.daemon?.said.suffix(1000) ?? "")")
        }
        withExtendedLifetime((services, datagrams)) {}
    }

    /// Whoever had only closed their own half was found by nothing that ends connections, and downloaded for as long as they liked.
    @Test(
        "what came in by an opening ends with it where one end has closed its half, and by a ban",
        arguments: ["close", "ban"])
    func halfClosed(what: String) throws {
        let home = try Home.ready()
        let heard = Mutex(0)
        let services = try [Home.gatewayOnWAN, Home.gatewayOnWAN6].flatMap { address in
            [
                // Goes on sending to whoever has closed their half.
                try Origin(in: home.gateway, address, port: 222) { peer in
                    while case let bytes = try peer.receive(), !bytes.isEmpty {}
                    while true {
                        try peer.send("word")
                        usleep(10_000)
                    }
                },
                // Has closed its half, and goes on reading.
                try Origin(in: home.gateway, address, port: 223) { peer in
                    peer.finish()
                    while case let bytes = try peer.receive(), !bytes.isEmpty { heard.withLock { $0 += bytes.count } }
                },
            ]
        }
        try home.ctl("firewall", "open", "work", "--tcp", "222", "--tcp", "223", "--from", "internet")
        // The first address of the WAN's host is a name server's, and no such is banned.
        let ways = [(Home.gatewayOnWAN, "203.0.112.11"), (Home.gatewayOnWAN6, "2001:db9:113::10")]
        let readers = try ways.map { try Peer(to: $0, 222, from: home.wan, source: $1) }
        let writers = try ways.map { try Peer(to: $0, 223, from: home.wan, source: $1) }
        for reader in readers {
            reader.setPatience(seconds: 2)
            reader.finish()
            #expect(try reader.receive(exactly: 8).count == 8)
        }
        for writer in writers { #expect(try writer.receive().isEmpty) }
        func isHeard(_ writer: Peer) -> Bool {
            let before = heard.withLock(\.self)
            guard (try? writer.send("word")) != nil else { return false }
            return eventually(within: .milliseconds(300)) { heard.withLock(\.self) > before }
        }
        for writer in writers { #expect(isHeard(writer)) }
        if what == "close" {
            try home.ctl("firewall", "close", "work", "--no-trial")
        } else {
            for (_, source) in ways { try home.ctl("ban", "add", source) }
        }
        // Bytes that came before the end are read first.
        for reader in readers {
            let end = ContinuousClock.now + .seconds(2)
            while .now < end, case let bytes? = try? reader.receive(), !bytes.isEmpty {}
            #expect(.now < end)
        }
        for writer in writers { #expect(!isHeard(writer)) }
        withExtendedLifetime(services) {}
    }

    /// The first rules of a firewall role ended nothing: it knew of none before them.
    @Test(
        "what came in by an opening ends with it where that happens while the daemon is away, or while the firewall role is",
        arguments: ["daemon", "role"])
    func away(who: String) throws {
        let home = try Home.ready()
        home.killsRoles = true
        let services = try Services(in: home.gateway, at: Home.gatewayOnWAN, ports: [4444, 4445])
        try home.ctl("firewall", "open", "stays", "--tcp", "4445", "--udp", "4445", "--from", "internet")
        try home.ctl(
            ["firewall", "open", "support", "--tcp", "4444", "--udp", "4444", "--from", "internet"]
                + (who == "daemon" ? ["--for", "4s"] : []))
        let peers = try [(Home.gatewayOnWAN, UInt16(4444)), (Home.gatewayOnWAN6, 4444), (Home.gatewayOnWAN, 4445)].map {
            let peer = try Peer(to: $0, $1, from: home.wan)
            peer.setPatience(seconds: 1)
            return peer
        }
        let datagrams = try [UInt16(4444), 4445].map { (try DatagramPeer(in: home.wan, Home.wanHost), $0) }
        func answered() throws -> [Bool] {
            try peers.map { peer in
                (try? peer.send("word")) != nil && (try? peer.receive(exactly: 4)) == Array("word".utf8)
            }
                + datagrams.map { peer, port in
                    while try peer.receive(within: .milliseconds(1)) != nil {}
                    try? peer.send([1], to: Home.gatewayOnWAN, port)
                    return try peer.receive(within: .milliseconds(300)) != nil
                }
        }
        #expect(try answered() == [true, true, true, true, true])
        if who == "daemon" {
            let all = try home.processes().values.joined()
            home.daemon?.signal(SIGKILL)
            #expect(home.daemon?.ended() == 128 + SIGKILL)
            #expect(eventually { all.allSatisfy { kill($0, 0) != 0 } })
            usleep(4_500_000)
            try home.start()
        } else {
            kill(try #require(try home.processes()["firewall"]?.first), SIGKILL)
            try home.ctl("firewall", "close", "support", "--no-trial")
        }
        var found: [Bool] = []
        #expect(
            try eventually {
                found = try answered()
                return found == [false, false, true, false, true]
            }, "\(found)\n\(home.daemon?.said.suffix(1500) ?? "")")
        withExtendedLifetime(services) {}
    }

    /// Of a trial nothing is ended, and at its end the rules were compared with those before it alone.
    @Test(
        "an opening on trial ends what came in by it when it is taken back: by order, by its time, or by the end of any process",
        arguments: ["revert", "time", "role", "daemon"])
    func triedOpening(what: String) throws {
        let home = try Home.ready()
        let services = try Services(in: home.gateway, at: Home.gatewayOnWAN, ports: [4444, 4445])
        try home.ctl("firewall", "open", "stays", "--tcp", "4445", "--udp", "4445", "--from", "internet")
        func conversation(_ port: UInt16, _ address: String = Home.gatewayOnWAN) throws -> Peer {
            let peer = try Peer(to: address, port, from: home.wan)
            peer.setPatience(seconds: 1)
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
            return peer
        }
        func isAnswered(_ peer: DatagramPeer, _ port: UInt16) throws -> Bool {
            while try peer.receive(within: .milliseconds(1)) != nil {}
            try? peer.send([1], to: Home.gatewayOnWAN, port)
            return try peer.receive(within: .milliseconds(300)) != nil
        }
        let (staying, stayingDatagrams) = (try conversation(4445), try DatagramPeer(in: home.wan, Home.wanHost))
        #expect(try isAnswered(stayingDatagrams, 4445))
        try home.ctl(
            "firewall", "open", "tried", "--tcp", "4444", "--udp", "4444", "--from", "internet", "--trial",
            what == "time" ? "5" : "60")
        let going = [try conversation(4444), try conversation(4444, Home.gatewayOnWAN6)]
        let datagrams = try DatagramPeer(in: home.wan, Home.wanHost)
        #expect(try isAnswered(datagrams, 4444))
        home.killsRoles = true
        switch what {
        case "revert": try home.ctl("revert")
        case "time": #expect(try eventually { try !home.ctl("firewall", "list").contains("tried") })
        case "role":
            let role = try #require(try home.processes()["firewall"]?.first)
            kill(role, SIGKILL)
            #expect(
                try eventually { try home.processes()["firewall"].map { !$0.isEmpty && $0 != [role] } ?? false })
            #expect(try eventually { try home.ctl("status").contains("trial") })
            try home.ctl("revert")
        default:
            let all = try home.processes().values.joined()
            home.daemon?.signal(SIGKILL)
            #expect(home.daemon?.ended() == 128 + SIGKILL)
            #expect(eventually { all.allSatisfy { kill($0, 0) != 0 } })
            try home.start()
        }
        for peer in going {
            #expect(
                eventually(within: .seconds(1)) {
                    (try? peer.send("more")) == nil || ((try? peer.receive(exactly: 4)) ?? []).isEmpty
                })
        }
        #expect(try !isAnswered(datagrams, 4444))
        try staying.send("more")
        #expect(try staying.receive(exactly: 4) == Array("more".utf8))
        #expect(try isAnswered(stayingDatagrams, 4445))
        withExtendedLifetime(services) {}
    }

    @Test("a port that is taken changes neither, and the error names who has it")
    func taken() throws {
        let home = try Home.ready()
        let (ruleset, revision) = (try home.ruleset(), try home.revision())
        let other = try Origin(in: home.gateway, Home.gatewayOnLAN, port: 1090) { _ in }
        let outcome = try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0")
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("192.168.77.1:1090"), "\(outcome)")
        #expect(outcome.errors.contains("\(getpid())"), "\(outcome)")
        #expect(try home.ruleset() == ruleset)
        #expect(try home.revision() == revision)
        withExtendedLifetime(other) {}
    }

    /// Another program's `flush ruleset` took the gateway's table along, and it stayed away: setting the mode that was set
    /// already was nothing to change.
    @Test("a table that somebody deleted is put back, at once if asked for")
    func deleted() throws {
        let home = try Home.ready(ownsTable: false)
        let ruleset = try home.ruleset()
        #expect(ruleset != "")
        try home.gateway.run("nft", "flush", "ruleset")
        try home.ctl("firewall", "enforce")
        #expect(try home.ruleset() == ruleset)
        try home.gateway.run("nft", "flush", "ruleset")
        #expect(try eventually { try home.ruleset() == ruleset })
    }

    /// A table that belongs to another process (NFT_TABLE_F_OWNER) is the kernel's own way of refusing ours.
    @Test("a batch that the kernel refuses changes neither, and the error says why")
    func refused() throws {
        let home = try Home.ready(ownsTable: false)
        let revision = try home.revision()
        let owner = try TableOwner(in: home)
        let outcome = try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0")
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("inet gatehouse"), "\(outcome)")
        #expect(try home.revision() == revision)
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :1090") == "")
        // The gateway itself is as it was, and well again once the kernel is.
        owner.leave()
        #expect(
            try eventually {
                try home.attempt("listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0").status == 0
            })
        #expect(try home.openings().count == 5)
    }

    @Test("a firewall that cannot be put in force at the start: no relay accepts, and the daemon says why until it can")
    func refusedAtStart() throws {
        let home = try Home.ready(ownsTable: false)
        try home.stop()
        let owner = try TableOwner(in: home)
        try home.start(isHindered: true)
        // A daemon that has only just begun says so.
        #expect(try eventually { try !home.ctl("status").contains("no ruleset has been tried yet") })
        let status = try home.ctl("status")
        #expect(status.contains("the firewall is not in force: ") && status.contains("refused"), "\(status)")
        // As it is to be, and not as if there were none.
        let shown = try home.ctl("firewall", "show")
        #expect(shown.contains("NOT hold this ruleset") && shown.contains("tcp dport 1080"), "\(shown)")
        let early = try home.gateway.attempt(["curl", "-sS", "--max-time", "2", "http://192.168.77.1:3128/proxy.pac"])
        #expect(early.status == 28, "\(early)")
        owner.leave()
        #expect(try eventually { try home.ctl("status").contains("the kernel holds the ruleset") })
        #expect(
            try eventually {
                try home.gateway.attempt(["curl", "-sS", "--max-time", "2", "http://192.168.77.1:3128/proxy.pac"])
                    .status == 0
            })
    }

    @Test("an explicit opening has its name, and is gone when it is closed")
    func explicit() throws {
        let home = try Home.ready()
        let before = try home.ruleset()
        try home.ctl("firewall", "open", "ssh", "--tcp", "22", "--interface", "lan0")
        let opening = #"iifname "lan0" tcp dport 22 counter accept comment "ssh""#
        #expect(try home.openings().contains(opening))
        try home.ctl("firewall", "close", "ssh")
        #expect(try home.ruleset() == before)
    }

    @Test("observe shows the ruleset and leaves the kernel alone")
    func observe() throws {
        let home = try Home()
        try home.start(firewall: "observe")
        try home.ctl("listener", "add", "socks5", "127.0.0.1:1080")
        #expect(try home.ctl("firewall", "show").contains("table inet gatehouse {"))
        #expect(try home.gateway.run("nft", "list", "tables") == "")
    }

    @Test("observe takes out a table that was there before the daemon, which leaves it alone until it is told")
    func left() throws {
        let home = try Home.ready()
        try home.stop()
        try home.start(firewall: "observe")
        #expect(try home.ruleset() != "")
        #expect(try home.ctl("status").contains("firewall observe` takes it out"))
        #expect(try home.ctl("firewall", "show").hasPrefix("# observe, but the kernel holds a table from before"))
        try home.ctl("firewall", "observe")
        #expect(try home.ruleset() == "")
        #expect(try home.gateway.run("nft", "list", "tables") == "")
    }

    /// The text of the ruleset once went through a channel whose packets have 32 kB; the role that could not send it ended.
    @Test("a ruleset of any length is enforced, watched and shown")
    func long() throws {
        let home = try Home.ready(ownsTable: false)
        let networks = (0..<250).flatMap { ["--from", "192.168.\($0).0/24"] }
        try home.ctl(["listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0"] + networks)
        try home.ctl(["listener", "add", "http", "192.168.77.1:3190", "--interface", "lan0"] + networks)
        let shown = try home.ctl("firewall", "show")
        #expect(shown.utf8.count > 64 << 10 && shown.contains("192.168.249.0/24"))
        #expect(try home.ctl("status").contains("the kernel holds the ruleset"))
        try home.gateway.run("nft", "flush", "ruleset")
        #expect(try eventually { try home.ruleset().contains("192.168.249.0/24") })
    }

    @Test("a rollback takes listener and opening back together")
    func rollback() throws {
        let home = try Home.ready()
        let before = try home.ruleset()
        let list = try JSONSerialization.jsonObject(with: Data(try home.revision().utf8))
        let newest = try #require(newestRevision(in: list))
        try home.ctl("listener", "add", "http", "192.168.77.1:3130", "--interface", "lan0")
        #expect(try home.ruleset() != before)
        try home.ctl("revision", "rollback", "\(newest)")
        #expect(try home.ruleset() == before)
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :3130") == "")
    }
}

/// The greatest number that is called "id" or "revision".
private func newestRevision(in json: Any) -> Int? {
    switch json {
    case let list as [Any]: list.compactMap(newestRevision).max()
    case let fields as [String: Any]:
        (["id", "revision"].compactMap { fields[$0] as? Int } + fields.values.compactMap(newestRevision)).max()
    default: nil
    }
}

/// - Parameter expected: ports that are looked at again, and at leisure, if the fast scan has missed them.
private func openPorts(
    _ namespace: Namespace, _ host: String, _ ports: String = "-", expecting expected: [Int] = []
) throws -> [Int] {
    func scan(_ options: String...) throws -> [Int] {
        let outcome = try namespace.attempt(["nmap", "-n", "-Pn", "-oG", "-"] + options + [host])
        guard outcome.output.contains("1 host up") else { throw Failure("\(outcome)") }
        return outcome.output.matches(of: /(\d+)\/open\//).compactMap { Int($0.1) }
    }
    let open = try scan("-p\(ports)", "--min-rate", "10000", "--max-retries", "2")
    let missed = expected.filter { !open.contains($0) }
    guard !missed.isEmpty else { return open }
    return (open + (try scan("-p" + missed.map(String.init).joined(separator: ",")))).sorted()
}

/// Another program that has taken the table for itself, until it leaves.
final class TableOwner {
    private let input = Pipe()
    private let nft: RunningProgram

    init(in home: Home) throws {
        _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        nft = try RunningProgram(
            ["nft", "-i"], in: home.gateway, log: home.directory + "/nft", input: input.fileHandleForReading)
        // In one transaction, or Gatehouse could put its own back in between.
        let taking = "delete table inet gatehouse; add table inet gatehouse { flags owner; }\n"
        try input.fileHandleForWriting.write(contentsOf: Data(taking.utf8))
        let isTaken = try eventually {
            try home.gateway.run("nft", "list", "table", "inet", "gatehouse").contains("flags owner")
        }
        guard isTaken else { throw Failure("nft could not take the table: \(nft.said)") }
    }

    /// nft ends, and the kernel deletes the table.
    func leave() {
        try? input.fileHandleForWriting.close()
        _ = nft.ended()
    }
}
