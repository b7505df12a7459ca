import Foundation
import TestNetwork
import Testing

/// Sockets that listen, all of one program, until it goes.
private final class Program: Sendable {
    private let program: RunningProgram

    /// - Parameters:
    ///   - sockets: `tcp 0.0.0.0 22` each.
    ///   - prefix: what the program is started by.
    init(in space: Namespace, _ sockets: [String], prefix: [String] = [], log: String) throws {
        let script = """
            import socket, sys, time
            held = []
            for word in sys.argv[1:]:
                kind, address, port = word.split()
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                held.append(socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM))
                held[-1].bind((address, int(port)))
                if kind == "tcp": held[-1].listen()
            print("ready", flush=True)
            time.sleep(600)
            """
        let program = try RunningProgram(prefix + ["/usr/bin/python3", "-c", script] + sockets, in: space, log: log)
        self.program = program
        guard eventually({ program.said.contains("ready\n") }) else { throw Failure("no sockets: \(program.said)") }
    }
}

@Suite("What audit says of what listens", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct AuditTests {
    private struct Report: Decodable {
        struct Entry: Decodable {
            var socket: Socket
            var processes: [Process]
        }
        struct Socket: Decodable {
            var transport: String
            var local: String
            var standing: String
            var why: String
            var user: String
            var unit: String?
            var isClient: Bool
            var difference: String?
            var advice: String?
            var reach: [Reach]
            var leadsTo: String?
            var unless: [String]
        }
        struct Reach: Decodable {
            var interface: String
            var zone: String?
            var audience: String
            var source: String?
            var rule: String?
        }
        struct Process: Decodable {
            var command: String
            var program: String?
            var package: String?
            var version: String?
            var started: Int?
        }
        var sockets: [Entry]
        var absent: [String]
        var isJudged: Bool

        subscript(local: String) -> Entry? { sockets.first { $0.socket.local == local } }

        /// What is led on.
        func published(_ transport: String, _ local: String) -> Socket? {
            sockets.map(\.socket).first { $0.leadsTo != nil && $0.transport == transport && $0.local == local }
        }
    }

    private func audit(_ home: Home) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(try home.ctl("--json", "audit").utf8))
    }

    private func log(_ home: Home) -> String { home.directory + "/program-\(UUID().uuidString)" }

    private func connects(_ host: Namespace, _ address: String, _ port: Int) throws -> Bool {
        try host.attempt(["timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/\(address)/\(port)"]).status == 0
    }

    /// Whether it is true what is said of the reach, real connections tell.
    @Test("Who can connect is who is said to reach it, with each shape of opening, enforced and observed")
    func reach() throws {
        let home = try Home.ready()
        let ports = [2201, 2202, 2203, 2204, 2205]
        try home.ctl("firewall", "open", "inside", "--tcp", "2201")
        try home.ctl("firewall", "open", "outside", "--tcp", "2202", "--from", "internet")
        try home.ctl("firewall", "open", "everywhere", "--tcp", "2203", "--from", "anywhere")
        try home.ctl("firewall", "open", "one", "--tcp", "2204", "--from", "203.0.112.11", "--from", "internet")
        let program = try Program(
            in: home.gateway,
            ports.map { "tcp 0.0.0.0 \($0)" } + [
                "tcp 127.0.0.1 2206", "tcp \(Home.gatewayOnLAN) 2207", "udp 0.0.0.0 2208",
            ],
            log: log(home))
        func compare(_ word: String) throws -> Report {
            let report = try audit(home)
            for port in ports {
                let entry = try #require(report["0.0.0.0:\(port)"], "\(port)")
                let reach = Dictionary(entry.socket.reach.map { ($0.zone ?? "-", $0.audience) }) { first, _ in first }
                let fromHome = try connects(home.lan, Home.gatewayOnLAN, port)
                let fromInternet = try connects(home.wan, Home.gatewayOnWAN, port)
                #expect((reach["home"] == "everybody") == fromHome, "\(word) \(port): \(entry.socket)")
                #expect((reach["internet"] == "everybody") == fromInternet, "\(word) \(port): \(entry.socket)")
            }
            return report
        }
        let enforced = try compare("enforced")
        func standing(_ local: String) -> String? { enforced[local]?.socket.standing }
        #expect(standing("0.0.0.0:2201") == "expected")
        #expect(enforced["0.0.0.0:2202"]?.socket.why == "the opening outside")
        #expect(standing("0.0.0.0:2205") == "shut")
        #expect(standing("127.0.0.1:2206") == "shut")
        #expect(standing("\(Home.gatewayOnLAN):2207") == "shut")
        #expect(standing("0.0.0.0:2208") == "shut")
        let one = try #require(enforced["0.0.0.0:2204"]?.socket.reach.first)
        #expect(one.audience == "network" && one.source?.hasPrefix("203.0.112.11") == true && one.zone == "internet")
        let there = try home.wan.attempt([
            "timeout", "1", "/usr/bin/python3", "-c",
            "import socket; s = socket.socket(); s.bind(('203.0.112.11', 0)); s.connect(('\(Home.gatewayOnWAN)', 2204))",
        ])
        #expect(there.status == 0, "\(there)")
        // The gateway's own.
        let own = enforced.sockets.filter { $0.socket.why.contains("Gatehouse") }.map(\.socket.local)
        #expect(own.contains("\(Home.gatewayOnLAN):1080") && own.contains("\(Home.gatewayOnLAN):3128"), "\(own)")
        _ = program
    }

    @Test("Where nothing is filtered all that listens is exposed, and the advice is to enforce")
    func observed() throws {
        let home = try Home()
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("firewall", "observe")
        let program = try Program(in: home.gateway, ["tcp :: 2205"], log: log(home))
        let entry = try #require(try audit(home)["[::]:2205"])
        #expect(try connects(home.wan, Home.gatewayOnWAN, 2205))
        #expect(Set(entry.socket.reach.map(\.zone)) == ["home", "internet"])
        #expect(entry.socket.standing == "exposed")
        #expect(entry.socket.advice?.contains("firewall enforce") == true)
        let shown = try home.ctl("audit")
        #expect(shown.contains("tcp 2205") && shown.contains("exposed") && shown.contains("python3"), "\(shown)")
        _ = program
    }

    /// Whatever was bound to the listener's own address stood open to the home with the ports of UDP ASSOCIATE.
    @Test("A service beside the ports of UDP ASSOCIATE is shut off, whatever address it is bound to")
    func association() throws {
        let home = try Home.ready()
        let program = try Program(
            in: home.gateway, ["udp \(Home.gatewayOnLAN) 5999", "udp 0.0.0.0 5998"], log: log(home))
        let report = try audit(home)
        #expect(report["\(Home.gatewayOnLAN):5999"]?.socket.standing == "shut")
        #expect(report["0.0.0.0:5998"]?.socket.standing == "shut")
        _ = program
    }

    @Test("Root sees the program, its package and its version, as dpkg has them")
    func package() throws {
        let home = try Home.ready()
        let program = try Program(in: home.gateway, ["tcp 0.0.0.0 2205"], log: log(home))
        let process = try #require(try audit(home)["0.0.0.0:2205"]?.processes.first)
        #expect(process.command == "python3")
        let path = try #require(process.program)
        let owner = try home.gateway.run("dpkg", "-S", path).split(separator: ":").first.map(String.init)
        #expect(process.package == owner)
        #expect(process.version == (try home.gateway.run("dpkg-query", "-W", "-f", "${Version}", owner ?? "")))
        let age = Int(Date.now.timeIntervalSince1970) - (process.started ?? 0)
        #expect((-2...60).contains(age), "\(age)")
        _ = program
    }

    @Test("What is accepted is expected, and what is new, of another holder or gone afterwards is shown")
    func acceptance() throws {
        let home = try Home.ready()
        try home.ctl("firewall", "open", "lab", "--tcp", "2201-2209")
        do {
            let first = try Program(in: home.gateway, ["tcp 0.0.0.0 2301", "tcp 0.0.0.0 2302"], log: log(home))
            #expect(try audit(home).isJudged == false)
            try home.ctl("audit", "--accept")
            let report = try audit(home)
            #expect(report.isJudged && report.absent.isEmpty)
            #expect(report["0.0.0.0:2301"]?.socket.standing == "expected")
            #expect(report["0.0.0.0:2301"]?.socket.difference == nil)
            _ = first
        }
        let second = try Program(
            in: home.gateway, ["tcp 0.0.0.0 2301", "tcp 0.0.0.0 2303"],
            prefix: ["setpriv", "--reuid", "nobody", "--clear-groups"], log: log(home))
        let report = try audit(home)
        #expect(report["0.0.0.0:2301"]?.socket.difference == "it was of root")
        #expect(report["0.0.0.0:2303"]?.socket.difference == "new")
        #expect(report.absent == ["tcp 0.0.0.0:2302 of root"])
        // Kept over a restart.
        try home.stop()
        try home.start()
        #expect(try audit(home).absent == ["tcp 0.0.0.0:2302 of root"])
        _ = second
    }

    // MARK: - What other tables lead on

    /// A container behind an interface of the gateway, and the kernel as Docker sets it.
    private func container(in home: Home) throws -> (space: Namespace, services: Services) {
        let space = try Namespace()
        try space.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name docker0 netns \(home.gateway.path)
                link set eth0 up
                address add 172.17.0.2/16 dev eth0
                address add 2001:db9:17::2/64 dev eth0 nodad
                route add default via 172.17.0.1
                """)
        try home.gateway.run(
            "ip", "-batch", "-",
            input: """
                link set docker0 up
                address add 172.17.0.1/16 dev docker0
                address add 2001:db9:17::1/64 dev docker0 nodad
                """)
        try space.run("ip", "route", "add", "default", "via", "2001:db9:17::1", "dev", "eth0")
        try passOn("1", in: home)
        return (space, try Services(in: space, at: "::", ports: [80]))
    }

    private func passOn(_ value: String, in home: Home) throws {
        try home.gateway.run(
            "sh", "-c", "for each in 4 6; do echo \(value) > /proc/sys/net/ipv$each/conf/all/forwarding; done")
    }

    private static let asDockerHasThem = """
        -N DOCKER
        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        -A DOCKER -i docker0 -j RETURN
        -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination TO:80
        -A DOCKER ! -i docker0 -p udp -m udp --dport 8080 -j DNAT --to-destination TO:80
        -A DOCKER -d INSIDE ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination TO:80
        -A DOCKER -d LOOPBACK ! -i docker0 -p tcp -m tcp --dport 8082 -j DNAT --to-destination TO:80
        """
    private static let asNFTHasThem = """
        table FAMILY docker-bridges {
            chain nat-PREROUTING {
                type nat hook prerouting priority dstnat; policy accept;
                fib daddr type local counter jump nat-prerouting-and-output
            }
            chain nat-prerouting-and-output {
                iifname != "docker0" tcp dport 8080 counter dnat to TO:80 comment "DNAT"
                iifname != "docker0" udp dport 8080 counter dnat to TO:80 comment "DNAT"
                HEADER daddr INSIDE iifname != "docker0" tcp dport 8081 counter dnat to TO:80 comment "DNAT"
                HEADER daddr LOOPBACK iifname != "docker0" tcp dport 8082 counter dnat to TO:80 comment "DNAT"
            }
        }
        """

    /// A port that a container has published is no socket, or one whose packets never come to it: it was shut off in `audit` whoever
    /// reached it.
    @Test(
        "A port that Docker has published is shown with whoever reaches it, as real packets tell: observed, enforced and with a passage",
        arguments: ["iptables", "nft"])
    func published(_ backend: String) throws {
        let home = try Home()
        let container = try container(in: home)
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.lan.run("ip", "route", "add", "default", "via", "fd77::1", "dev", "eth0")
        try home.wan.run("ip", "route", "add", "default", "via", Home.gatewayOnWAN6, "dev", "eth0")
        let families = [
            (
                words: [
                    "TO": "172.17.0.2", "INSIDE": Home.gatewayOnLAN, "LOOPBACK": "127.0.0.1", "FAMILY": "ip",
                    "HEADER": "ip",
                ], tool: "iptables-nft", inside: Home.gatewayOnLAN, outside: Home.gatewayOnWAN, any: "0.0.0.0"
            ),
            (
                words: [
                    "TO": "[2001:db9:17::2]", "INSIDE": "fd77::1", "LOOPBACK": "::1", "FAMILY": "ip6", "HEADER": "ip6",
                ], tool: "ip6tables-nft", inside: "fd77::1", outside: Home.gatewayOnWAN6, any: "[::]"
            ),
        ]
        func filled(_ text: String, _ words: [String: String]) -> String {
            words.reduce(text) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
        }
        for family in families {
            guard backend == "iptables" else {
                try home.gateway.run("nft", "-f", "-", input: filled(Self.asNFTHasThem, family.words))
                continue
            }
            for rule in filled(Self.asDockerHasThem, family.words).split(separator: "\n") {
                let words = [family.tool, "-t", "nat"] + rule.split(separator: " ").map(String.init)
                let outcome = try home.gateway.attempt(words)
                #expect(outcome.status == 0, "\(words): \(outcome)")
            }
        }
        // Until then nobody finds a neighbour (RFC 4862 §5.4).
        let hosts = [home.lan, home.wan, home.gateway, container.space]
        #expect(
            try eventually { try hosts.allSatisfy { try $0.run("ip", "-6", "address", "show", "tentative") == "" } })
        // As docker-proxy does, to whom the packets do not come.
        let program = try Program(in: home.gateway, ["tcp :: 8080", "tcp :: 8084"], log: log(home))
        func answers(_ host: Namespace, _ transport: String, _ address: String, _ port: UInt16) throws -> Bool {
            if transport == "tcp" {
                let script = "exec 3<>/dev/tcp/\(address)/\(port) && echo word >&3 && head -c 4 <&3"
                return try host.attempt(["timeout", "0.6", "bash", "-c", script]).output == "word"
            }
            let peer = try DatagramPeer(in: host, address.contains(":") ? "::" : "0.0.0.0")
            for _ in 0..<2 {
                try? peer.send(Array("word".utf8), to: address, port)
                if (try? peer.receive(within: .milliseconds(300))) != nil { return true }
            }
            return false
        }
        func check(_ word: String, inside: String, outside: String) throws -> Report {
            let report = try audit(home)
            for family in families {
                let rows = [
                    ("tcp", "\(family.any):8080", UInt16(8080)), ("udp", "\(family.any):8080", 8080),
                    ("tcp", family.words["FAMILY"] == "ip" ? "\(family.inside):8081" : "[fd77::1]:8081", 8081),
                ]
                for (transport, local, port) in rows {
                    let row = try #require(
                        report.published(transport, local), "\(word): \(transport) \(local): \(report.sockets)")
                    let zones = Set(row.reach.filter { $0.audience == "everybody" }.compactMap(\.zone))
                    let fromHome = try answers(home.lan, transport, family.inside, port)
                    #expect(zones.contains("home") == fromHome, "\(word): \(row)")
                    // The WAN host has a way to the inner address as well.
                    let fromInternet = try answers(
                        home.wan, transport, port == 8081 ? family.inside : family.outside, port)
                    #expect(zones.contains("internet") == fromInternet, "\(word): \(row)")
                    #expect(row.standing == (fromInternet ? outside : fromHome ? inside : "shut"), "\(word): \(row)")
                    #expect(row.user.contains("Docker") && row.user.contains("chain"), "\(row)")
                    let asked = try home.ctl(
                        ["--json", "why", family.inside.contains(":") ? "fd77::10" : "192.168.77.10"]
                            + ["\(family.inside.contains(":") ? "[\(family.inside)]" : family.inside):\(port)"]
                            + (transport == "udp" ? ["--udp"] : []))
                    #expect(asked.contains("\"isReached\" : \(fromHome)"), "\(word): \(asked)")
                }
                let loopback = family.words["FAMILY"] == "ip" ? "127.0.0.1:8082" : "[::1]:8082"
                let own = try #require(report.published("tcp", loopback))
                #expect(own.standing == "shut" && own.reach.isEmpty, "\(word): \(own)")
            }
            // The socket there gets none of it.
            let socket = report.sockets.map(\.socket).first { $0.local == "[::]:8080" && $0.leadsTo == nil }
            #expect(try #require(socket).reach.allSatisfy { $0.interface == "docker0" }, "\(word): \(report)")
            return report
        }
        try home.ctl("firewall", "observe")
        let open = try check("observed", inside: "exposed", outside: "exposed")
        let row = try #require(open.published("tcp", "0.0.0.0:8080"))
        #expect(row.leadsTo == "172.17.0.2:80")
        #expect(row.advice?.contains("firewall enforce") == true && row.advice?.contains("Docker") == true, "\(row)")
        try passOn("0", in: home)
        _ = try check("nothing is passed on", inside: "", outside: "")
        try passOn("1", in: home)
        let shown = try home.ctl("audit")
        #expect(shown.contains("tcp 8080") && shown.contains("to 172.17.0.2:80"), "\(shown)")
        try home.ctl("firewall", "enforce", "--no-trial")
        _ = try check("enforced", inside: "exposed", outside: "exposed")
        try home.ctl("zone", "add", "box", "--interface", "docker0", "--no-trial")
        try home.ctl("zone", "allow", "home", "to", "box", "--tcp", "80", "--no-trial")
        let passed = try check("with a passage", inside: "expected", outside: "exposed")
        #expect(passed.published("tcp", "0.0.0.0:8080")?.why == "the passage home to box")
        #expect(passed.published("udp", "0.0.0.0:8080")?.standing == "shut")
        try home.ctl("audit", "--accept")
        let accepted = try audit(home)
        #expect(accepted.published("udp", "0.0.0.0:8080")?.standing == "expected")
        #expect(accepted.sockets.allSatisfy { $0.socket.leadsTo == nil || $0.socket.difference == nil })
        try home.gateway.run("nft", "delete", "table", "ip", backend == "iptables" ? "nat" : "docker-bridges")
        try home.gateway.run(
            "nft", "-f", "-",
            input:
                "table ip mine { chain in { type nat hook prerouting priority -100; tcp dport 8083 dnat to 172.17.0.2:80; }; }"
        )
        #expect(
            try eventually {
                let changed = try audit(home)
                return changed.published("tcp", "0.0.0.0:8083")?.difference == "new"
                    && changed.absent.contains { $0.hasPrefix("udp 0.0.0.0:8080 of table ip") }
            })
        // What is led to the gateway itself comes to its own socket.
        for family in families {
            try home.gateway.run(
                "nft", "-f", "-",
                input: filled(
                    """
                    table FAMILY own {
                        chain in { type nat hook prerouting priority -100; iifname "wan0" tcp dport 8084 dnat to INSIDE; }
                    }
                    """, family.words))
        }
        for mode in ["enforce", "observe"] {
            try home.ctl("firewall", mode, "--no-trial")
            #expect(
                try eventually { try families.allSatisfy { try audit(home).published("tcp", "\($0.any):8084") != nil } }
            )
            let report = try audit(home)
            for family in families {
                let isReached = try connects(home.wan, family.outside, 8084)
                #expect(isReached == (mode == "observe"))
                let row = try #require(report.published("tcp", "\(family.any):8084"))
                #expect(row.reach.contains { $0.zone == "internet" } == isReached, "\(mode): \(row)")
            }
            let socket = try #require(report["[::]:8084"]?.socket)
            #expect(socket.reach.contains { $0.zone == "internet" } == (mode == "observe"), "\(mode): \(socket)")
        }
        withExtendedLifetime((container, program)) {}
    }

    @Test("What another table may drop is said to be so, of each that somebody reaches, in the family that it is about")
    func strictTables() throws {
        let home = try Home()
        let container = try container(in: home)
        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("firewall", "open", "lab", "--tcp", "2201-2202", "--from", "anywhere")
        let program = try Program(
            in: home.gateway, ["tcp 0.0.0.0 2201", "tcp fd77::1 2202", "tcp 0.0.0.0 2205"], log: log(home))
        func check(_ local: String, _ why: String, unless chains: [String]) throws {
            // What the kernel holds is looked at once a second.
            #expect(
                try eventually(within: .seconds(4)) { try audit(home)[local]?.socket.unless == chains },
                "\(local): \(String(describing: try? audit(home)[local]))")
            let socket = try #require(try audit(home)[local]?.socket)
            let words = why + (chains.isEmpty ? "" : ", unless \(chains.joined(separator: " or ")) drops it")
            #expect(socket.why == words, "\(socket)")
            #expect(socket.standing == (why.hasPrefix("shut") ? "shut" : "expected"), "\(socket)")
        }
        let (own, opening) = ("a listener of Gatehouse", "the opening lab")
        let listener = "\(Home.gatewayOnLAN):1080"
        try check("0.0.0.0:2201", opening, unless: [])
        #expect(try connects(home.lan, Home.gatewayOnLAN, 2201))
        try home.gateway.run(
            "nft", "-f", "-",
            input: """
                table inet strict { chain inp { type filter hook input priority 10; policy drop; ct state established accept; }; }
                table ip6 last { chain in { type filter hook input priority 0; policy accept; tcp dport 22 accept; drop; }; }
                table ip filter { chain DOCKER { }; chain FORWARD { type filter hook forward priority 0; policy drop; }; }
                """)
        let strict = "table inet strict, chain inp"
        try check("0.0.0.0:2201", opening, unless: [strict])
        try check("[fd77::1]:2202", opening, unless: [strict, "table ip6 last, chain in"])
        try check(listener, own, unless: [strict])
        try check("0.0.0.0:2205", "shut off from everywhere", unless: [])
        #expect(try !connects(home.lan, Home.gatewayOnLAN, 2201))
        #expect(try home.ctl("audit").contains(", perhaps"))
        // What is led on is asked at another hook. Whether that drops it or not, nobody here reads.
        try home.gateway.run(
            "nft", "-f", "-",
            input:
                "table ip nat { chain pre { type nat hook prerouting priority -100; tcp dport 8080 dnat to 172.17.0.2:80; }; }"
        )
        try home.ctl("firewall", "observe")
        func published() throws -> Report.Socket? { try audit(home).published("tcp", "0.0.0.0:8080") }
        let forward = "table ip filter (Docker), chain FORWARD"
        #expect(try eventually { try published()?.unless == [forward] && published()?.standing == "exposed" })
        #expect(try published()?.why == "nothing is filtered, unless \(forward) drops it")
        #expect(try !connects(home.wan, Home.gatewayOnWAN, 8080))
        try home.gateway.run("nft", "insert", "rule", "ip", "filter", "FORWARD", "accept")
        #expect(try connects(home.wan, Home.gatewayOnWAN, 8080))
        #expect(try published()?.unless == [forward])
        withExtendedLifetime((container, program)) {}
    }

    @Test("A box with 300 sockets that listen is looked through in no time")
    func many() throws {
        let home = try Home.ready()
        let program = try Program(in: home.gateway, (10_000..<10_300).map { "tcp 0.0.0.0 \($0)" }, log: log(home))
        let start = ContinuousClock.now
        let report = try audit(home)
        let time = ContinuousClock.now - start
        #expect(report.sockets.count >= 300)
        // 0.3 s in a release build; debug builds are some ten times slower.
        #expect(time < .seconds(3), "\(time)")
        print("audit of \(report.sockets.count) sockets: \(time)")
        _ = program
    }
}

@Suite("What is told of what happened", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ChronicleTests {
    private func story(_ home: Home) throws -> String { try home.ctl("what-changed") }

    @Test("A port that begins to listen is told within five seconds: the program, who started it, and who reaches it")
    func port() throws {
        let home = try Home()
        home.hasControlGroups = true
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let unit = Unit()
        do {
            let program = try Program(
                in: home.gateway, ["tcp 0.0.0.0 4444", "tcp 127.0.0.1 4445"], prefix: unit.prefix(as: "nobody"),
                log: home.directory + "/program")
            let begin = ContinuousClock.now
            let line = "python3, started by nobody, opened tcp 4444; shut off from everywhere"
            #expect(
                try eventually(within: .seconds(5)) { try story(home).contains(line) },
                "\(String(describing: try? story(home)))")
            print("told after \(ContinuousClock.now - begin)")
            #expect(try story(home).contains("opened tcp 127.0.0.1:4445; for this machine alone"))
            #expect(home.daemon?.said.contains(line) == true)
            let audited = try home.ctl("audit")
            #expect(audited.contains(unit.name), "\(audited)")
            _ = program
        }
        #expect(
            try eventually(within: .seconds(20)) { try story(home).contains("tcp 4444 of nobody no longer listens") })
        try unit.remove(in: home.gateway)
    }

    /// Each was told as a port of its own, and after thirty in a minute nothing was told of a strange one.
    @Test("Where the proxies' sessions wait for datagrams and peers is not told, and a strange port beside it is")
    func sessions() throws {
        let home = try Home.ready()
        try home.ctl(
            "listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0", "--udp-ports", "20200-20299",
            "--bind-ports", "20000-20099")
        let associations = try (0..<20).map { _ in try Associate(home, port: 1090) }
        let binds = try (0..<20).map { _ in
            let client = try Peer(to: Home.gatewayOnLAN, 1090, from: home.lan)
            try client.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, 9, command: 2))
            #expect(try client.receive(exactly: 4) == [5, 0, 5, 0])
            return client
        }
        let waiting = try home.gateway.run("ss", "-Hltun")
        #expect(waiting.matches(of: #/:20[02]\d\d /#).count >= 40, "\(waiting)")
        // Two looks at the ports, and a third.
        usleep(7_000_000)
        let program = try Program(in: home.gateway, ["tcp 0.0.0.0 4444"], log: home.directory + "/program")
        #expect(try eventually(within: .seconds(5)) { try story(home).contains("opened tcp 4444") })
        let told = try story(home)
        #expect(
            !told.contains(":20") && !told.contains("of nobody no longer") && !told.contains("more ports"), "\(told)")
        withExtendedLifetime((associations, binds, program)) {}
    }

    @Test("Revisions, ports, roles, addresses, devices and the table are on one time line that outlives the daemon")
    func line() throws {
        let home = try Home.ready()
        home.killsRoles = true
        try home.ctl("firewall", "open", "lab", "--tcp", "2222")
        let program = try Program(in: home.gateway, ["tcp 0.0.0.0 2222"], log: home.directory + "/program")
        #expect(
            try eventually { try story(home).contains("opened tcp 2222; open to home") },
            "\(String(describing: try? story(home)))")
        try home.gateway.run("ip", "address", "add", "203.0.112.77/24", "dev", "wan0")
        #expect(try eventually { try story(home).contains("wan0 (internet) has 203.0.112.77/24 now") })
        try home.gateway.run("ip", "address", "del", "203.0.112.77/24", "dev", "wan0")
        #expect(try eventually { try story(home).contains("wan0 (internet) has no longer 203.0.112.77/24") })
        let role = try #require(try home.processes()["http"]?.first)
        kill(role, SIGKILL)
        #expect(try eventually { try story(home).contains("the http role") })
        try home.stop()
        try home.start()
        let text = try story(home)
        let words = [
            "setup --home lan0", "firewall open lab", "opened tcp 2222",
            "has 203.0.112.77/24 now", "has no longer 203.0.112.77/24", "the http role", "started",
        ]
        #expect(text.contains("a new device in the zone home"))
        var rest = text[...]
        for word in words {
            let range = rest.range(of: word)
            #expect(range != nil, "\(word) is not there, or not in its place:\n\(text)")
            if let range { rest = rest[range.upperBound...] }
        }
        // From then on.
        #expect(try home.ctl("what-changed", "--since", "2099-01-01").contains("Nothing changed"))
        _ = program
    }
}
