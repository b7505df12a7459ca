import Foundation
import TestNetwork
import Testing

/// Networks with which nothing begins: the far host is in one, the WAN host is in none.
@Suite(
    "Blocklists of networks", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct NetworkListTests {
    let routed: RoutedHome
    let services: [Services]

    init() throws {
        routed = try RoutedHome.ready()
        services = [
            try Services(in: routed.home.wan, ports: [4000]), try Services(in: routed.home.lan, ports: [4001]),
        ]
    }

    private var home: Home { routed.home }
    private static let far = ["9.9.9.0/24", "2620:fe::/48"]

    private func file(_ lines: [String]) throws -> String {
        let path = home.directory + "/networks"
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func add(_ lines: [String], _ arguments: String...) throws {
        try home.ctl(
            ["blocklist", "add", "bad", try file(lines), "--format", "networks", "--no-trial"] + arguments)
    }

    /// A conversation that is under way.
    private func peer(_ host: Namespace, _ address: String, _ port: UInt16) throws -> Peer {
        let peer = try Peer(to: address, port, from: host)
        try peer.send("word")
        guard try peer.receive(exactly: 4) == Array("word".utf8) else { throw Failure("no echo") }
        return peer
    }

    /// Whether the conversation is at its end within a second.
    private func ends(_ peer: Peer) -> Bool {
        peer.setPatience(seconds: 1)
        return eventually(within: .seconds(1)) {
            do {
                try peer.send("word")
                return try peer.receive(exactly: 4).count < 4
            } catch {
                return true
            }
        }
    }

    @Test("Out: devices and proxies begin nothing with them, what was under way ends, and nothing else does")
    func out() throws {
        #expect(routed.connects(home.lan, RoutedHome.far, 4000) && routed.connects(home.lan, RoutedHome.far6, 4000))
        let (blocked, allowed) = (try peer(home.lan, RoutedHome.far, 4000), try peer(home.lan, Home.wanHost, 4000))
        let through = try home.tunnel(.socks5, to: RoutedHome.far, 4000)
        let other = try home.tunnel(.socks5, 4000)
        for tunnel in [through, other] {
            try tunnel.send("word")
            #expect(try tunnel.receive(exactly: 4) == Array("word".utf8))
        }
        // With a direction it can only be one of networks.
        try home.ctl("blocklist", "add", "bad", try file(Self.far), "--direction", "out", "--no-trial")
        #expect(ends(blocked))
        #expect(ends(through))
        for peer in [allowed, other] {
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
        }
        #expect(!routed.connects(home.lan, RoutedHome.far, 4000) && !routed.connects(home.lan, RoutedHome.far6, 4000))
        #expect(try !routed.answers(home.lan, RoutedHome.far, 4000))
        #expect(throws: (any Error).self) { try home.tunnel(.socks5, to: RoutedHome.far, 4000) }
        #expect(routed.connects(home.lan, Home.wanHost, 4000))
        // In the other direction nothing has changed.
        #expect(try home.ctl("blocklist", "list").contains(#/bad +networks, out +2 +[1-9]/#))
        #expect(try home.attempt("why", RoutedHome.lanHost, "9.9.9.9:4000").output.contains("blocklist bad"))
        try home.ctl("blocklist", "remove", "bad")
        #expect(routed.connects(home.lan, RoutedHome.far, 4000))
    }

    @Test("In: nothing comes from them, neither to the gateway nor through a forward")
    func `in`() throws {
        let name = try routed.nameOfLANHost()
        try home.ctl("device", "name", name, "box")
        try home.ctl("forward", "add", "door", "tcp", "4001", "to", "box")
        try home.ctl("firewall", "open", "lab", "--tcp", "4002", "--from", "internet")
        let own = try Services(in: home.gateway, ports: [4002])
        func from(_ source: String) throws {
            try home.wan.run("ip", "route", "replace", "203.0.112.0/24", "dev", "eth0", "src", source)
        }
        func opens(_ port: UInt16) -> Bool { routed.connects(home.wan, Home.gatewayOnWAN, port) }
        for source in ["9.9.9.9", Home.wanHost] {
            try from(source)
            #expect(opens(4001) && opens(4002), "\(source)")
        }
        // What is under way: from the list to the gateway and through it, and from the gateway to the list.
        try from("9.9.9.9")
        let coming = try [4001, 4002].map { try peer(home.wan, Home.gatewayOnWAN, $0) }
        try from(Home.wanHost)
        let other = try peer(home.wan, Home.gatewayOnWAN, 4002)
        let going = try home.tunnel(.socks5, to: RoutedHome.far, 4000)
        try add(Self.far, "--direction", "in")
        for peer in coming { #expect(ends(peer)) }
        for peer in [other, going] {
            try peer.send("word")
            #expect(try peer.receive(exactly: 4) == Array("word".utf8))
        }
        try from("9.9.9.9")
        #expect(!opens(4001) && !opens(4002))
        try from(Home.wanHost)
        #expect(opens(4001) && opens(4002))
        // And the home begins what it likes.
        #expect(routed.connects(home.lan, RoutedHome.far, 4000))
        withExtendedLifetime(own) {}
    }

    /// The networks were the same before and after, and that was all that was asked.
    @Test(
        "What the gateway has under way ends with a direction that comes, be it of a second list; what came in goes on")
    func directions() throws {
        try home.ctl("firewall", "open", "lab", "--tcp", "4002", "--from", "internet")
        let own = try Services(in: home.gateway, ports: [4002])
        try home.wan.run("ip", "route", "replace", "203.0.112.0/24", "dev", "eth0", "src", "9.9.9.9")
        let coming = try peer(home.wan, Home.gatewayOnWAN, 4002)
        try home.wan.run("ip", "route", "replace", "203.0.112.0/24", "dev", "eth0", "src", Home.wanHost)
        for second in ["bad", "worse"] {
            if second == "worse" { try add(Self.far, "--direction", "in") }
            let going = try home.tunnel(.socks5, to: RoutedHome.far, 4000)
            if second == "bad" {
                try home.ctl(
                    "blocklist", "add", "fine", try file(["192.0.2.0/24"]), "--format", "networks", "--no-trial")
            }
            try going.send("word")
            #expect(try going.receive(exactly: 4) == Array("word".utf8))
            try home.ctl(
                "blocklist", "add", second, try file(Self.far), "--format", "networks", "--direction", "out",
                "--no-trial")
            #expect(ends(going), "\(second)")
            if second == "bad" {
                try coming.send("word")
                #expect(
                    try coming.receive(exactly: 4) == Array("word".utf8), "it came in, and out is not its direction")
                try home.ctl("blocklist", "remove", "bad")
            }
        }
        try home.ctl("blocklist", "remove", "worse")
        let going = try home.tunnel(.socks5, to: RoutedHome.far, 4000)
        try add(Self.far)
        #expect(ends(going), "in, and then both")
        withExtendedLifetime(own) {}
    }

    @Test("100 000 networks are replaced without a gap, and hold after every process was killed")
    func many() throws {
        let others = (0..<100_000).map { "\(11 + $0 / 32768).\($0 / 128 % 256).\($0 % 128 * 2).0/24" }
        try add(others + Self.far)
        #expect(!routed.connects(home.lan, RoutedHome.far, 4000))
        // Whoever gets through says so.
        let script = """
            while :; do timeout 1 bash -c 'exec 3<>/dev/tcp/9.9.9.9/4000 && echo through'; echo tried; done
            """
        let attempts = try RunningProgram(["bash", "-c", script], in: home.lan, log: home.directory + "/attempts")
        for round in 0..<2 { try add(Array(others.dropFirst(round * 1000 + 1)) + Self.far) }
        // On trial the whole table is made anew, with the sets of before and of now.
        try home.ctl(
            "blocklist", "add", "bad", try file(Array(others.reversed()) + Self.far), "--format", "networks", "--trial",
            "600")
        try home.ctl("confirm")
        let said = try String(contentsOfFile: attempts.log, encoding: .utf8)
        #expect(said.contains("tried") && !said.contains("through"), "\(said.prefix(500))")
        let role = try #require(try home.processes()["firewall"]?.first)
        home.killsRoles = true
        kill(role, SIGKILL)
        #expect(
            try eventually { try home.ctl("status").contains("enforc") && home.processes()["firewall"]?.first != role })
        #expect(!routed.connects(home.lan, RoutedHome.far, 4000) && routed.connects(home.lan, Home.wanHost, 4000))
    }

    @Test("A line that is no network is named, and nothing changes")
    func wrong() throws {
        let former = try home.ctl("revision", "list")
        for (line, detail) in [
            ("9.9.9.9/8", "line 2"), ("999.1.1.1", "line 2"), ("ads.example", "line 2"), ("9.9.9.9 8.8.8.8", "line 2"),
        ] {
            let outcome = try home.attempt(
                "blocklist", "add", "bad", try file(["1.2.3.0/24 ; a comment", line]), "--format", "networks")
            #expect(
                outcome.status != 0 && outcome.errors.contains(detail) && outcome.errors.contains(line), "\(outcome)")
        }
        for arguments in [["--zone", "home"], ["--device", "tv"]] {
            let outcome = try home.attempt(
                ["blocklist", "add", "bad", try file(["1.2.3.0/24"]), "--format", "networks"] + arguments)
            #expect(outcome.status != 0 && outcome.errors.contains("everybody"), "\(outcome)")
        }
        let named = try home.attempt(
            "blocklist", "add", "bad", try file(["a.example"]), "--direction", "in", "--format", "domains")
        #expect(named.status != 0 && named.errors.contains("--direction is of networks"), "\(named)")
        #expect(try home.attempt("blocklist", "add", "bad", try file(["a.example"]), "--direction", "in").status != 0)
        #expect(try home.ctl("revision", "list") == former)
        let bare = try Home()
        try bare.start()
        _ = try bare.ctl("blocklist", "add", "bad", try file(["1.2.3.0/24"]), "--format", "networks")
        #expect(try bare.ctl("status").contains("the blocklist bad shuts nothing out"))
        // Another ruleset without it, and then one that has it: the networks are there.
        try bare.ctl("zone", "set", "home", "--interface", "lan0", "--no-trial")
        try bare.ctl("zone", "set", "internet", "--interface", "wan0", "--no-trial")
        let table = try bare.gateway.run("nft", "list", "table", "inet", "gatehouse")
        #expect(table.contains("elements = { 1.2.3.0/24 }"), "\(table)")
    }

    @Test("What is exported makes the same list again")
    func export() throws {
        try add(Self.far, "--direction", "in")
        let directory = home.directory + "/lists"
        let lines = try home.ctl("export", "--lists", directory)
        #expect(lines.contains("blocklist add bad \(directory)/bad.networks --format networks --direction in"))
        #expect(
            try String(contentsOfFile: directory + "/bad.networks", encoding: .utf8) == Self.far.joined(separator: "\n")
                + "\n")
        let path = home.directory + "/exported"
        try lines.write(toFile: path, atomically: true, encoding: .utf8)
        try home.ctl("blocklist", "remove", "bad")
        try home.ctl("import", path, "--no-trial")
        #expect(try home.ctl("export", "--lists", directory) == lines)
    }
}
