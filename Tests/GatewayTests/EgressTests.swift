import Foundation
import Glibc
import TestNetwork
import Testing

/// What programs of the gateway begin. The roles run as `nobody` here, so the program that calls home runs as `games`.
@Suite(
    "What the box itself begins", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct EgressTests {
    private func attempt(_ home: Home, as user: String, _ address: String, _ port: UInt16) throws -> Outcome {
        try home.gateway.attempt([
            "setpriv", "--reuid", user, "--clear-groups", "timeout", "4", "bash", "-c",
            "exec 3<>/dev/tcp/\(address)/\(port) && echo word >&3 && head -c 4 <&3",
        ])
    }

    private func getsOut(_ home: Home, as user: String, _ address: String, _ port: UInt16) throws -> Bool {
        try attempt(home, as: user, address, port).output == "word"
    }

    private func events(_ home: Home) throws -> String { try home.ctl("what-changed") }

    @Test(
        "strict: a program that calls home is refused and told within 5 s; proxies, updates and what came in go on"
    )
    func strict() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let services = try Services(in: wan, ports: [6667, 443, 8080])
        let inner = try Services(in: home.gateway, ports: [2222])
        try home.ctl("firewall", "open", "shell", "--tcp", "2222", "--from", "home")
        // Who administers the box.
        let shell = try Peer(to: Home.gatewayOnLAN, 2222, from: home.lan)
        try shell.send("word")
        #expect(try shell.receive(exactly: 4).count == 4)
        #expect(try getsOut(home, as: "games", RoutedHome.far, 6667), "it is observed")
        #expect(try eventually { try home.ctl("egress", "list").contains("user games") })
        let proposal = try home.ctl("egress", "learn")
        #expect(
            proposal.contains("gatehousectl egress allow games-6667 --user games --to 9.9.9.9/32 --tcp 6667\n"),
            "\(proposal)")
        let strict = try home.attempt("egress", "strict")
        #expect(strict.status == 0 && strict.errors.contains("user games to 9.9.9.9:6667 (tcp)"), "\(strict)")
        for address in [RoutedHome.far, RoutedHome.far6] {
            #expect(try attempt(home, as: "games", address, 6667).errors.contains("refused"), "\(address)")
            #expect(try !getsOut(home, as: "games", address, 443))
            #expect(
                try eventually(within: .seconds(5)) {
                    try events(home).contains(
                        "user games tried to reach \(address.contains(":") ? "[\(address)]" : address):6667 (tcp); egress is strict"
                    )
                }, "\((try? events(home)) ?? "")")
        }
        let why = try home.ctl("why", "gateway", "\(RoutedHome.far):6667", "--user", "games")
        #expect(why.contains("not reached") && why.contains("egress is strict"), "\(why)")
        #expect(try home.ctl("why", "gateway", "\(RoutedHome.far):443").contains("reached directly"))
        #expect(try home.attempt("why", "gateway", RoutedHome.far, "--user", "nobody-there").status == 1)
        let datagram = try home.gateway.attempt([
            "setpriv", "--reuid", "games", "--clear-groups", "bash", "-c",
            "exec 3<>/dev/udp/9.9.9.9/5353; echo word >&3; echo again >&3",
        ])
        #expect(datagram.errors.contains("not permitted") || datagram.errors.contains("refused"), "\(datagram)")
        #expect(try getsOut(home, as: "root", RoutedHome.far, 443) && getsOut(home, as: "root", RoutedHome.far6, 443))
        #expect(try !getsOut(home, as: "root", RoutedHome.far, 6667), "root, too, is asked")
        // Clients of the proxies, and routed ones.
        let tunnel = try home.tunnel(.socks5, to: RoutedHome.far, 8080)
        try tunnel.send("word")
        #expect(try tunnel.receive(exactly: 4).count == 4)
        #expect(routed.connects(home.lan, RoutedHome.far, 6667))
        try shell.send("more")
        #expect(try shell.receive(exactly: 4).count == 4)
        #expect(try home.lan.attempt(["nc", "-z", "-w", "2", Home.gatewayOnLAN, "2222"]).status == 0)
        try home.ctl("egress", "allow", "chat", "--user", "games", "--to", "9.9.9.0/24", "--tcp", "6667")
        #expect(try getsOut(home, as: "games", RoutedHome.far, 6667))
        #expect(
            try !getsOut(home, as: "games", RoutedHome.far6, 6667) && !getsOut(home, as: "daemon", RoutedHome.far, 6667)
        )
        #expect(try home.ctl("egress", "list").contains(#/chat +games +9\.9\.9\.0/24 +tcp 6667 +[1-9]/#))
        // The rules are the kernel's own.
        home.killsRoles = true
        for process in try home.processes().values.joined() { kill(process, SIGKILL) }
        #expect(
            try !getsOut(home, as: "daemon", RoutedHome.far, 6667) && getsOut(home, as: "games", RoutedHome.far, 6667))
        try home.stop()
        try home.start(firewall: nil)
        #expect(
            try !getsOut(home, as: "daemon", RoutedHome.far, 6667) && getsOut(home, as: "games", RoutedHome.far, 6667))
        try home.ctl("egress", "observe")
        #expect(try getsOut(home, as: "daemon", RoutedHome.far, 6667))
        withExtendedLifetime((services, inner)) {}
    }

    private struct Sightings: Decodable {
        struct Sighting: Decodable {
            struct Departure: Decodable {
                var user: Int
                var destination: String
                var transport: String
            }
            var departure: Departure
            var last: Int
            var count: Int
            var isRefused: Bool
        }
        var sightings: [Sighting]

        func find(_ user: Int, _ destination: String, _ transport: String) -> Sighting? {
            sightings.first {
                $0.departure.user == user && $0.departure.destination == destination
                    && $0.departure.transport == transport
            }
        }
    }

    private func sightings(_ home: Home) throws -> Sightings {
        try JSONDecoder().decode(Sightings.self, from: Data(home.ctl("--json", "egress", "list").utf8))
    }

    private func sendDatagram(_ home: Home, as user: String, _ address: String, _ port: UInt16) throws {
        _ = try home.gateway.attempt([
            "setpriv", "--reuid", user, "--clear-groups", "bash", "-c",
            "exec 3<>/dev/udp/\(address)/\(port); echo word >&3",
        ])
    }

    /// Each kind was told once and then once a minute, if one came later than that: what was seen shortly before the span and came again
    /// within it was not proposed, and `egress list` never had the last ones.
    @Test("what repeats within a minute is counted and learnt: by TCP and UDP, by either IP, observed and strict")
    func repeated() throws {
        let home = try Home.ready()
        let services = try Services(in: home.wan, ports: [6667])
        let addresses = [Home.wanHost, Home.wanHost6]
        func begin() throws {
            for address in addresses {
                _ = try attempt(home, as: "games", address, 6667)
                try sendDatagram(home, as: "games", address, 6667)
            }
        }
        let games = try #require(Int(home.gateway.run("id", "-u", "games").trimmingCharacters(in: .newlines)))
        func all(_ isSo: (Sightings.Sighting) -> Bool) throws -> Bool {
            let seen = try sightings(home)
            return addresses.allSatisfy { address in
                ["tcp", "udp"].allSatisfy { seen.find(games, address, $0).map(isSo) ?? false }
            }
        }
        try begin()
        _ = try attempt(home, as: "daemon", Home.wanHost, 6667)
        #expect(
            try eventually { try all { $0.count == 1 } && sightings(home).sightings.count == 5 },
            "\((try? sightings(home)) as Any)")
        let learner = try RunningProgram(
            [programs + "gatehousectl", "--socket", home.socket, "egress", "learn", "--for", "5s"], in: home.gateway,
            log: home.directory + "/learner")
        #expect(eventually { learner.said.contains("Noting what is begun") })
        try begin()
        #expect(learner.ended() == 0)
        for line in [
            "--to 203.0.112.10/32 --tcp 6667", "--to 203.0.112.10/32 --udp 6667",
            "--to \(Home.wanHost6)/128 --tcp 6667",
            "--to \(Home.wanHost6)/128 --udp 6667",
        ] { #expect(learner.said.contains("--user games \(line)\n"), "\(line): \(learner.said)") }
        #expect(!learner.said.contains("daemon"), "it began nothing in that time: \(learner.said)")
        #expect(try all { $0.count == 2 }, "\((try? sightings(home)) as Any)")
        let before = Int(time(nil))
        for _ in 0..<3 { try begin() }
        #expect(
            try eventually { try all { $0.count == 5 && $0.last >= before && !$0.isRefused } },
            "\((try? sightings(home)) as Any)")
        #expect(try home.ctl("egress", "list").contains(#/user daemon +203\.0\.112\.10:6667 \(tcp\) +1 /#))
        try home.ctl("egress", "strict")
        #expect(try all { !$0.isRefused }, "\((try? sightings(home)) as Any)")
        for _ in 0..<2 { try begin() }
        #expect(try eventually { try all { $0.count == 7 && $0.isRefused } }, "\((try? sightings(home)) as Any)")
        #expect(try events(home).contains("user games tried to reach 203.0.112.10:6667 (udp); egress is strict"))
        withExtendedLifetime(services) {}
    }

    /// A program's conversation, in which a word goes there and back again and again, as long as it can.
    private func conversation(
        _ home: Home, as user: String, _ address: String, _ port: UInt16, _ transport: String = "tcp"
    ) throws -> RunningProgram {
        let script = """
            exec 3<>/dev/\(transport)/\(address)/\(port) && echo word >&3 && head -c 5 <&3 && echo begun
            while echo word >&3 && [ "$(timeout 2 head -c 5 <&3)" = word ]; do sleep 0.05; done
            """
        let program = try RunningProgram(
            ["setpriv", "--reuid", user, "--clear-groups", "bash", "-c", script], in: home.gateway,
            log: home.directory + "/conversation-\(UUID().uuidString)")
        guard eventually({ program.said.contains("begun") }) else {
            throw Failure("\(user) to \(address):\(port): \(program.said)")
        }
        return program
    }

    private func end(_ programs: [RunningProgram]) -> Bool {
        eventually(within: .seconds(1)) { programs.allSatisfy { !$0.isRunning } }
    }

    private func goesOn(_ programs: [RunningProgram]) -> Bool { programs.allSatisfy { $0.isRunning } }

    /// Everything of a connection that exists goes out: a program that had called home in time stayed in contact for as long as it liked.
    @Test(
        "what a program has under way and may begin no longer ends within a second, by either IP, and nothing else does"
    )
    func revoked() throws {
        let routed = try RoutedHome.ready()
        let (home, wan) = (routed.home, routed.home.wan)
        let services = try Services(in: wan, at: Home.wanHost, ports: [6667, 6668, 443])
        let inner = try Services(in: home.gateway, at: Home.gatewayOnLAN, ports: [2222])
        for name in ["shell", "other"] {
            try home.ctl(
                "firewall", "open", name, "--tcp", name == "shell" ? "2222" : "2223", "--udp", "2222", "--from", "home")
        }
        try home.ctl("egress", "allow", "chat", "--user", "daemon", "--tcp", "6668", "--udp", "6668")
        // A server that takes one conversation and is gone: nobody listens any more where it came in.
        let server = try RunningProgram(
            [
                "/usr/bin/python3", "-c",
                """
                import socket
                s = socket.create_server(("0.0.0.0", 2223)); c, _ = s.accept(); s.close()
                while (b := c.recv(100)): c.send(b)
                """,
            ], in: home.gateway, log: home.directory + "/server")
        #expect(try eventually { try home.gateway.run("ss", "-Hltn", "sport = :2223") != "" })
        let others =
            try [2222, 2223].map { try Peer(to: Home.gatewayOnLAN, $0, from: home.lan) }
            + [try home.tunnel(.socks5, to: RoutedHome.far, 6667), try home.tunnel(.http, to: RoutedHome.far6, 6667)]
        let datagrams = try DatagramPeer(in: home.lan, "192.168.77.10")
        func goOn(_ step: String) throws {
            for (index, peer) in others.enumerated() {
                try peer.send("word")
                #expect(try peer.receive(exactly: 4) == Array("word".utf8), "\(step): \(index)")
            }
            try datagrams.send([1], to: Home.gatewayOnLAN, 2222)
            #expect(try datagrams.receive() != nil, "\(step)")
        }
        try goOn("observed")
        #expect(try home.gateway.run("ss", "-Hltn", "sport = :2223") == "")
        func strangers() throws -> [RunningProgram] {
            [
                try conversation(home, as: "games", RoutedHome.far, 6667),
                try conversation(home, as: "games", RoutedHome.far6, 6667),
                try conversation(home, as: "games", Home.wanHost, 6667, "udp"),
                try conversation(home, as: "root", RoutedHome.far, 6667),
            ]
        }
        let first = try strangers()
        let allowed = [
            try conversation(home, as: "root", RoutedHome.far, 443),
            try conversation(home, as: "daemon", RoutedHome.far, 6668),
            try conversation(home, as: "daemon", Home.wanHost, 6668, "udp"),
        ]
        let preview = try home.ctl("egress", "strict", "--dry-run")
        #expect(preview.contains("what ends:") && preview.contains("root to \(RoutedHome.far):6667"), "\(preview)")
        #expect(preview.contains("games to [\(RoutedHome.far6)]:6667"), "\(preview)")
        #expect(!preview.contains(":443") && !preview.contains(":6668") && !preview.contains(":222"), "\(preview)")
        #expect(preview.contains("games to \(Home.wanHost):6667 (udp)"), "\(preview)")
        // One of them may be the tunnel by which the operator comes in.
        let tried = try home.ctl("egress", "strict")
        #expect(tried.contains("on trial") && tried.contains("confirm --blind"), "\(tried)")
        #expect(tried.contains("games to \(Home.wanHost):6667 (udp)"), "\(tried)")
        try goOn("on trial")
        let refused = try home.attempt("confirm")
        #expect(refused.status == 1 && refused.errors.contains("games to ") && refused.errors.contains("--blind"))
        #expect(goesOn(first + allowed), "of a trial nothing is ended")
        try home.ctl("confirm", "--blind")
        #expect(end(first), "\(first.map(\.isRunning))")
        try goOn("strict")
        #expect(goesOn(allowed), "\(allowed.map(\.said))")
        // What was begun while it was observed on trial.
        try home.ctl("egress", "observe", "--trial", "60")
        let second = try strangers()
        try home.ctl("revert")
        #expect(end(second), "\(second.map(\.isRunning))")
        #expect(goesOn(allowed))
        try home.ctl("egress", "remove", "chat")
        #expect(end(Array(allowed.dropFirst())), "\(allowed.map(\.isRunning))")
        #expect(allowed[0].isRunning)
        try goOn("an exit is gone")
        // And where nothing is enforced nothing is ended.
        try home.ctl("egress", "observe")
        let third = try strangers()
        try home.ctl("firewall", "observe")
        try home.ctl("egress", "strict")
        try goOn("not enforced")
        #expect(goesOn(third))
        withExtendedLifetime((services, inner, server)) {}
    }

    @Test("strict: what begins while somebody has taken the table away ends as soon as it is back")
    func withoutTable() throws {
        let home = try Home.ready(ownsTable: false)
        let services = try Services(in: home.wan, at: Home.wanHost, ports: [6667, 443])
        try home.ctl("egress", "strict")
        let older = try conversation(home, as: "root", Home.wanHost, 443)
        #expect(try !getsOut(home, as: "games", Home.wanHost, 6667))
        // The role cannot answer for a moment, so that the gap is one.
        let role = try #require(try home.processes()["firewall"]?.first)
        kill(role, SIGSTOP)
        try home.gateway.run("nft", "flush", "ruleset")
        let strangers = [
            try conversation(home, as: "games", Home.wanHost, 6667),
            try conversation(home, as: "games", Home.wanHost, 6667, "udp"),
        ]
        let allowed = try conversation(home, as: "root", Home.wanHost, 443)
        kill(role, SIGCONT)
        #expect(try eventually { try home.ruleset().contains("egress is strict") })
        #expect(end(strangers), "\(strangers.map(\.isRunning))")
        #expect(goesOn([older, allowed]))
        withExtendedLifetime(services) {}
    }

    @Test(
        "strict, on a box with one interface: whoever may begin something asks for names, and everything else is refused"
    )
    func oneArmed() throws {
        let home = try Home()
        let services = try Services(in: home.wan, ports: [6667])
        let server = try NameServer(in: home.wan, Home.wanHost, ["x.example": [["203.0.112.10"]]])
        try home.gateway.run("ip", "link", "delete", "lan0")
        try home.start(firewall: nil)
        try home.ctl("setup", "--yes")
        try home.ctl("egress", "strict")
        #expect(try attempt(home, as: "games", Home.wanHost, 6667).errors.contains("refused"))
        #expect(
            try eventually(within: .seconds(5)) {
                try events(home).contains("user games tried to reach 203.0.112.10:6667")
            })
        func isAnswered(_ user: String) throws -> Bool {
            try home.gateway.attempt([
                "setpriv", "--reuid", user, "--clear-groups", "dig", "+short", "+tries=1", "+timeout=1",
                "@\(Home.wanHost)", "x.example",
            ]).output == "203.0.112.10\n"
        }
        for user in ["root", "_apt"] { #expect(try isAnswered(user), "\(user)") }
        // Much can be said in questions for names, by whoever may say nothing else.
        #expect(try !isAnswered("games"))
        #expect(
            try eventually(within: .seconds(5)) {
                try events(home).contains("user games tried to reach 203.0.112.10:53 (udp)")
            })
        try home.ctl("egress", "allow", "web", "--user", "games", "--tcp", "443")
        #expect(try isAnswered("games"))
        #expect(try !isAnswered("daemon"))
        try home.ctl("egress", "allow", "all", "--tcp", "443")
        #expect(try isAnswered("daemon"))
        withExtendedLifetime((services, server)) {}
    }
}
