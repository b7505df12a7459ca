import Foundation
import Glibc
import TestNetwork
import TestProcess
import Testing

@Suite("Destinations that are none of a client's business", .enabled(if: isRoot, "needs root: network namespaces"))
struct DestinationTests {
    let home: Home

    init() throws { home = try Home.ready() }

    /// Whether each proxy tells the client that it may not go there.
    private func isDenied(_ host: String, _ port: UInt16 = 80) throws -> Bool {
        let socks = try home.dial(.socks5)
        try socks.send([5, 1, 0] + SOCKS5.connect(host, port))
        _ = try socks.receive(exactly: 2)
        let code = try SOCKS5.reply(from: socks).code
        let http = try home.dial(.http)
        try http.send(HTTP.connect(host, port))
        let status = HTTP.parse(try http.receiveHead()).status
        return code == 2 && status == 403
    }

    @Test(
        "33: loopback, the gateway itself, and every other place that is not the internet",
        arguments: [
            "127.0.0.1", "127.255.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "192.168.77.1",
            "203.0.112.1", "10.0.0.1", "172.16.0.1", "100.64.0.1", "::1", "::", "fe80::1", "ff02::1", "fd00::1",
            "fd77::1", "2001:db9:113::1", "::ffff:127.0.0.1", "::ffff:192.168.77.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        ])
    func denied(host: String) throws {
        #expect(try isDenied(host))
    }

    @Test(
        "33: other spellings of 127.0.0.1 lead nowhere", arguments: ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
    func spelled(host: String) throws {
        let names = try NameServer(in: home.wan, Home.wanHost, [:])
        // It would answer if one of them got there.
        let local = try Origin(in: home.gateway, "127.0.0.1") { peer in try peer.send("reached") }
        for kind in ProxyKind.allCases {
            #expect(throws: Failure.self) { try home.tunnel(kind, to: host, local.port) }
        }
        withExtendedLifetime(names) {}
    }

    @Test("33: a name that resolves to such a place is such a place")
    func resolved() throws {
        let names = try NameServer(
            in: home.wan, Home.wanHost, ["inside.test": [["127.0.0.1"]], "six.test": [["::1", "fd77::1"]]])
        #expect(try isDenied("inside.test"))
        #expect(try isDenied("six.test"))
        withExtendedLifetime(names) {}
    }

    @Test("33: the operator may allow, and what is not allowed stays denied")
    func allowed() throws {
        let origin = try Origin(in: home.gateway, "127.0.0.1") { peer in try peer.send("local") }
        try home.ctl("rule", "add", "allow", "--to", "127.0.0.1/32")
        for kind in ProxyKind.allCases {
            let tunnel = try home.tunnel(kind, to: "127.0.0.1", origin.port)
            #expect(try tunnel.receiveToEnd() == Array("local".utf8))
        }
        #expect(try isDenied("127.0.0.2"))
    }

    /// Pi-hole and AdGuard answer 0.0.0.0 and :: for what they block. The answer to the client advised to allow it, and whoever
    /// did that opened what listens on the gateway's own loopback.
    @Test("46: a name that its name server blocks is refused at once and says so; no rule opens 0.0.0.0 or ::")
    func blocked() throws {
        let names = try NameServer(in: home.wan, Home.wanHost, ["ads.test": [["0.0.0.0", "::"]]])
        let local = try Origin(in: home.gateway, "127.0.0.1") { peer in try peer.send("reached") }
        let local6 = try Origin(in: home.gateway, "::1", port: local.port) { peer in try peer.send("reached") }
        for destination in ["0.0.0.0", "0.0.0.0/32", "::", "::/128"] {
            let outcome = try home.attempt("rule", "add", "allow", "--to", destination)
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains("nobody is ever taken to"), "\(outcome)")
        }
        try home.ctl("rule", "add", "allow", "--to", "0.0.0.0/0")
        try home.ctl("rule", "add", "allow", "--to", "::/0")
        for host in ["ads.test", "0.0.0.0", "::", "::ffff:0.0.0.0"] {
            #expect(try isDenied(host, local.port), "\(host)")
        }
        let client = try home.dial(.http)
        try client.send("GET http://ads.test/ HTTP/1.1\r\nHost: ads.test\r\nConnection: close\r\n\r\n")
        let answer = String(decoding: try client.receiveToEnd(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 403"))
        #expect(
            answer.contains("ads.test is blocked: by a blocklist of this gateway, or by the name server"), "\(answer)")
        #expect(!answer.contains("rule add"))
        withExtendedLifetime((names, local6)) {}
    }

    /// A name server under an attacker's hand first names a public address and then, with a TTL of 0, one inside.
    @Test("34: a name is resolved once, and the address that was checked is the one that is dialled")
    func rebinding() throws {
        let names = try NameServer(
            in: home.wan, Home.wanHost,
            ["rebind.test": [[Home.wanHost], ["127.0.0.1"]], "mixed.test": [["127.0.0.1", Home.wanHost]]])
        let origin = try echo(in: home)
        let seen = Mailbox()
        let inside = try Origin(in: home.gateway, "127.0.0.1", port: origin.port) { peer in seen.put(peer.farEnd) }
        let tunnel = try home.tunnel(.socks5, to: "rebind.test", origin.port)
        try tunnel.send("outside?")
        #expect(try tunnel.receive(exactly: 8) == Array("outside?".utf8))
        #expect(names.queries(for: "rebind.test") == 1)
        // Of several addresses each is checked.
        let mixed = try home.tunnel(.socks5, to: "mixed.test", origin.port)
        try mixed.send("outside?")
        #expect(try mixed.receive(exactly: 8) == Array("outside?".utf8))
        #expect(seen.isEmpty)
        withExtendedLifetime(inside) {}
    }

    @Test("35: an IPv6 address that nobody answers at costs a moment and not a timeout", arguments: ProxyKind.allCases)
    func happyEyeballs(kind: ProxyKind) throws {
        let names = try NameServer(in: home.wan, Home.wanHost, ["both.test": [["2001:db9:113::dead", Home.wanHost]]])
        let origin = try echo(in: home)
        var dials = 0
        // The kernel itself would give up after three seconds.
        let best = try measure(until: { $0 < .milliseconds(1500) }) {
            let began = ContinuousClock.now
            let tunnel = try home.tunnel(kind, to: "both.test", origin.port)
            let duration = ContinuousClock.now - began
            try tunnel.send("four")
            #expect(try tunnel.receive(exactly: 4) == Array("four".utf8))
            dials += 1
            #expect(names.queries(for: "both.test", type: 28) == dials)
            return duration
        }
        #expect(best < .milliseconds(1500))
    }

    @Test(
        "36: a listener that the WAN can reach without a password is refused, with the reason",
        arguments: ["203.0.112.1:1081", "0.0.0.0:1081", "[2001:db9:113::1]:1081"])
    func reachable(endpoint: String) throws {
        let (ruleset, revision) = (try home.ruleset(), try home.revision())
        let outcome = try home.attempt("listener", "add", "socks5", endpoint)
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("--auth required"), "\(outcome)")
        #expect(try home.ruleset() == ruleset)
        #expect(try home.revision() == revision)
        try home.ctl("listener", "add", "socks5", endpoint, "--auth", "required")
        #expect(try home.openings().contains { $0.contains(":1081\"") })
    }
}
