import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

/// The home's questions for names, over the real processes: a zone that is served, its devices, and somebody on the internet's side.
@Suite("Name service", .enabled(if: isRoot, "needs root: network namespaces"), .timeLimit(.minutes(3)))
struct NameServiceTests {
    let home: Home
    let upstream: NameServer

    init() throws {
        home = try Home()
        upstream = try NameServer(in: home.wan, Home.wanHost) { query in
            switch query.name {
            case "evil.example": .addresses([Home.gatewayOnLAN, "fd77::1"], seconds: 60)
            case let name where name.hasSuffix(".example"): .addresses([Home.wanHost, Home.wanHost6], seconds: 300)
            default: .none(code: 3, seconds: 60)
            }
        }
    }

    private func start(firewall: String = "enforce") throws {
        try home.start(firewall: firewall)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.ctl("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
    }

    /// What dig(1) says on the LAN, in short.
    private func ask(_ arguments: String..., at server: String = Home.gatewayOnLAN) throws -> [String] {
        try home.lan.attempt(["dig", "@\(server)", "+short", "+tries=1", "+time=5"] + arguments).output
            .split(separator: "\n").map(String.init)
    }

    private func dig(_ arguments: String..., from network: Namespace? = nil) throws -> String {
        try (network ?? home.lan).attempt(["dig", "+tries=1", "+time=2"] + arguments).output
    }

    @Test("A served zone is answered over UDP and TCP, at each address of the gateway there")
    func served() throws {
        try start()
        for server in [Home.gatewayOnLAN, "fd77::1"] {
            #expect(try ask("www.example", at: server) == [Home.wanHost])
            #expect(try ask("+tcp", "www.example", "AAAA", at: server) == [Home.wanHost6])
        }
        let openings = try home.openings().filter { $0.contains("dport 53") }
        #expect(openings.count == 4 && openings.allSatisfy { $0.contains("iifname \"lan0\"") }, "\(openings)")
        // The cache answers: one question for each type has left the box.
        #expect(upstream.queries.filter { $0.name == "www.example" }.count == 2)
    }

    @Test("Nobody on the internet's side is answered, whatever the firewall does", arguments: ["enforce", "observe"])
    func closed(firewall: String) throws {
        try start(firewall: firewall)
        #expect(try ask("www.example") == [Home.wanHost])
        try home.wan.run("ip", "-6", "route", "add", "default", "via", Home.gatewayOnWAN6)
        for server in [Home.gatewayOnWAN, Home.gatewayOnLAN, Home.gatewayOnWAN6, "fd77::1"] {
            for transport in ["+notcp", "+tcp"] {
                let said = try dig("@\(server)", transport, "www.example", from: home.wan)
                #expect(!said.contains("status:"), "\(server) \(transport): \(said)")
            }
        }
        #expect(try !home.gateway.run("ss", "-lnH").contains("\(Home.gatewayOnWAN):53"))
    }

    @Test("Addresses come and go, and what listens there with them; without the service nobody listens")
    func follows() throws {
        try start()
        try home.gateway.run("ip", "address", "add", "192.168.77.2/24", "dev", "lan0")
        #expect(try eventually { try ask("www.example", at: "192.168.77.2") == [Home.wanHost] })
        try home.gateway.run("ip", "address", "del", "192.168.77.2/24", "dev", "lan0")
        #expect(try eventually { try !home.gateway.run("ss", "-lnuH").contains("192.168.77.2") })
        try home.ctl("zone", "set", "home", "--no-dns", "--no-trial")
        #expect(try eventually { try !home.gateway.run("ss", "-lntuH").contains(":53 ") })
        #expect(try home.openings().allSatisfy { !$0.contains("dport 53") })
    }

    @Test("The gateway has a name, what means nothing outside stays inside, and nobody outside points into the home")
    func own() throws {
        try start()
        #expect(try ask("gatehouse.home.arpa") == [Home.gatewayOnLAN])
        #expect(try ask("gatehouse", "AAAA") == ["fd77::1"])
        #expect(try ask("-x", Home.gatewayOnLAN) == ["gatehouse.home.arpa."])
        #expect(try dig("@\(Home.gatewayOnLAN)", "nas").contains("NXDOMAIN"))
        #expect(try dig("@\(Home.gatewayOnLAN)", "-x", "192.168.77.99").contains("NXDOMAIN"))
        for type in ["A", "AAAA"] {
            #expect(try dig("@\(Home.gatewayOnLAN)", "evil.example", type).contains("REFUSED"), "\(type)")
        }
        #expect(upstream.queries.allSatisfy { $0.name == "evil.example" })
        try home.ctl("name", "trust", "evil.example")
        #expect(try ask("evil.example") == [Home.gatewayOnLAN])
        try home.ctl("name", "distrust", "evil.example")
        #expect(try ask("evil.example").isEmpty)
    }

    @Test("A rule on a domain answers those too who look names up by themselves")
    func rule() throws {
        try start()
        #expect(try ask("www.games.example") == [Home.wanHost])
        try home.ctl("rule", "add", "deny", "--domain", "games.example", "--from", "192.168.77.10/32")
        #expect(try ask("www.games.example") == ["0.0.0.0"])
        #expect(try ask("www.games.example", at: "fd77::1") == [Home.wanHost])
        #expect(try dig("@\(Home.gatewayOnLAN)", "games.example").contains("EDE: 15 (Blocked): (rule 1)"))
        try home.ctl("rule", "remove", "1")
        #expect(try ask("www.games.example") == [Home.wanHost])
    }

    @Test(
        "The proxies ask the same cache, and their own servers again once no zone is served",
        arguments: ProxyKind.allCases)
    func oneCache(kind: ProxyKind) throws {
        try start()
        let origin = try echo(in: home)
        for type in ["A", "AAAA"] { _ = try ask("www.example", type) }
        let before = upstream.queries.count
        _ = try home.tunnel(kind, to: "www.example", origin.port)
        #expect((try? home.tunnel(kind, to: "nobody.home.arpa", origin.port)) == nil)
        #expect(upstream.queries.count == before)
        try home.ctl("zone", "set", "home", "--no-dns", "--no-trial")
        _ = try home.tunnel(kind, to: "later.example", origin.port)
    }

    @Test("A role that dies leaves its port open, and whoever asks again is answered")
    func killed() throws {
        home.killsRoles = true
        try start()
        #expect(try ask("www.example") == [Home.wanHost])
        let before = try #require(try home.processes()["names"]?.first)
        kill(before, SIGKILL)
        #expect(try eventually { try ask("www.example") == [Home.wanHost] })
        #expect(try home.processes()["names"]?.first != before)
    }

    @Test("Another program on the port is named, and nothing is changed")
    func taken() throws {
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        let other = try RunningProgram(
            ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--pid-file=", "--user=root"],
            in: home.gateway, log: home.directory + "/dnsmasq")
        #expect(try eventually { try home.gateway.run("ss", "-lnuH").contains(":53 ") })
        let before = try home.revision()
        let outcome = try home.attempt("zone", "set", "home", "--no-dhcp", "--dns", "--no-trial")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(":53 is taken") && outcome.errors.contains("dnsmasq"), "\(outcome)")
        #expect(outcome.errors.contains("--no-dns"), "\(outcome)")
        #expect(try home.revision() == before)
        withExtendedLifetime(other) {}
    }

    @Test("The C library's stub is served")
    func getent() throws {
        try start()
        try "nameserver \(Home.gatewayOnLAN)\n".write(
            toFile: home.directory + "/stub.conf", atomically: true, encoding: .utf8)
        let outcome = try home.lan.attempt([
            "unshare", "--mount", "sh", "-c",
            "mount --bind \(home.directory)/stub.conf /etc/resolv.conf; getent ahosts www.example; getent hosts gatehouse",
        ])
        #expect(outcome.output.contains(Home.wanHost) && outcome.output.contains(Home.wanHost6), "\(outcome)")
        #expect(outcome.output.contains("gatehouse"), "\(outcome)")
    }

    /// Android asks for both families and HTTPS from one socket at once, with EDNS; Windows asks one after the other, without.
    @Test("Stubs that ask three questions at once, and those without EDNS, get what they ask for")
    func stubs() throws {
        try start()
        let script = """
            import socket, struct
            def query(id, name, type, edns):
                labels = b''.join(bytes([len(l)]) + l.encode() for l in name.split('.'))
                head = struct.pack('>6H', id, 0x0100, 1, 0, 0, 1 if edns else 0)
                opt = b'\\0' + struct.pack('>HHIH', 41, 4096, 0, 0) if edns else b''
                return head + labels + b'\\0' + struct.pack('>HH', type, 1) + opt
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(5)
            s.connect(('\(Home.gatewayOnLAN)', 53))
            for id, type in ((1, 28), (2, 1), (3, 65)): s.send(query(id, 'Phone.example', type, True))
            answers = [s.recv(4096) for _ in range(3)]
            print('android', sorted(struct.unpack('>H', a[:2])[0] for a in answers), [a[3] & 15 for a in answers])
            for id, type in ((4, 1), (5, 28)):
                s.send(query(id, 'desk.example', type, False))
                a = s.recv(4096)
                print('windows', struct.unpack('>6H', a[:12])[0], a[3] & 15, struct.unpack('>H', a[10:12])[0])
            """
        let said = try home.lan.run("python3", "-c", script)
        #expect(said == "android [1, 2, 3] [0, 0, 0]\nwindows 4 0 0\nwindows 5 0 0\n", "\(said)")
    }

    @Test(
        "A blocklist is brought from a file, holds for proxies too, outlasts a restart, and a bad line changes nothing")
    func blocklist() throws {
        try start()
        let origin = try echo(in: home)
        let file = home.directory + "/ads.txt"
        try "ads.example\n*.tracker.example # all\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try ask("www.ads.example") == [Home.wanHost])
        try home.ctl("blocklist", "add", "ads", file)
        #expect(try ask("www.ads.example") == ["0.0.0.0"])
        #expect(try ask("x.tracker.example", "AAAA") == ["::"])
        #expect(try ask("www.example") == [Home.wanHost])
        for kind in ProxyKind.allCases {
            #expect((try? home.tunnel(kind, to: "www.ads.example", origin.port)) == nil)
            #expect((try? home.tunnel(kind, to: "www.example", origin.port)) != nil)
        }
        #expect(try home.ctl("blocklist", "list").contains("ads"))
        let before = try home.revision()
        try "good.example\nno good\n".write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try home.attempt("blocklist", "add", "ads", file)
        #expect(outcome.status == 1 && outcome.errors.contains("line 2"), "\(outcome)")
        #expect(try home.revision() == before)
        try home.stop()
        try home.start()
        #expect(try eventually { try ask("www.ads.example") == ["0.0.0.0"] })
        try home.ctl("blocklist", "remove", "ads")
        #expect(try ask("www.ads.example") == [Home.wanHost])
    }
}
