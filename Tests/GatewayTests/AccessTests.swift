import Foundation
import Glibc
import TestNetwork
import Testing

/// Who may use a listener and where they may go, by gatehousectl's word and through the real processes.
@Suite("Access", .enabled(if: isRoot, "needs root: network namespaces"))
struct AccessTests {
    let home: Home
    private static let passwords = "192.168.77.1:1081"

    /// A gateway with alice and kid, and a SOCKS5 listener that asks who it is.
    init() throws {
        home = try Home.ready()
        for name in ["alice", "kid"] {
            try home.ctl("user", "add", name, "--password-stdin", input: "correct horse\n")
        }
        try home.ctl("listener", "add", "socks5", Self.passwords, "--auth", "required", "--interface", "lan0")
    }

    /// The reply's code to CONNECT on the listener without passwords.
    private func code(_ host: String, _ port: UInt16) throws -> UInt8 {
        let client = try home.dial(.socks5)
        try client.send([5, 1, 0] + SOCKS5.connect(host, port))
        guard try client.receive(exactly: 2) == [5, 0] else { throw Failure("the greeting was refused") }
        return try SOCKS5.reply(from: client).code
    }

    /// The same as `user`; nil if the login is refused.
    private func code(_ host: String, _ port: UInt16, as user: String) throws -> UInt8? {
        let client = try Peer(to: Home.gatewayOnLAN, 1081, from: home.lan)
        try client.send([5, 1, 2, 1, UInt8(user.utf8.count)] + user.utf8 + [13] + "correct horse".utf8)
        guard try client.receive(exactly: 2) == [5, 2] else { throw Failure("the greeting was refused") }
        guard try client.receive(exactly: 2) == [1, 0] else { return nil }
        try client.send(SOCKS5.connect(host, port))
        return try SOCKS5.reply(from: client).code
    }

    /// The status and the body of the HTTP proxy's answer to CONNECT.
    private func answer(_ host: String, _ port: UInt16) throws -> (status: Int, body: String) {
        let client = try home.dial(.http)
        try client.send(HTTP.connect(host, port))
        let (status, fields) = HTTP.parse(try client.receiveHead())
        let length = fields["content-length"].flatMap { Int($0) } ?? 0
        return (status, String(decoding: try client.receive(exactly: length), as: UTF8.self))
    }

    @Test("a rule is about a domain with all below it, whoever spells it how, and the name is not even looked up")
    func domain() throws {
        let addresses = [[Home.wanHost]]
        let names = try NameServer(
            in: home.wan, Home.wanHost,
            [
                "games.test": addresses, "www.games.test": addresses, "notgames.test": addresses,
                "school.games.test": addresses,
            ])
        let origin = try echo(in: home)
        try home.ctl("rule", "add", "allow", "--domain", "school.games.test")
        try home.ctl("rule", "add", "deny", "--domain", "Games.Test.")
        for name in ["games.test", "www.games.test", "WWW.GAMES.TEST."] {
            #expect(try code(name, origin.port) == 2, "\(name)")
            #expect(try answer(name, origin.port).status == 403, "\(name)")
        }
        #expect(names.queries(for: "games.test") == 0 && names.queries(for: "www.games.test") == 0)
        for name in ["notgames.test", "school.games.test"] {
            #expect(try code(name, origin.port) == 0, "\(name)")
            #expect(try answer(name, origin.port).status == 200, "\(name)")
        }
        #expect(try code(Home.wanHost, origin.port) == 0, "a rule about a name is not about its address")
    }

    @Test("a rule is about a port, and the client is told which rule it was")
    func port() throws {
        let (shut, open) = (try echo(in: home), try echo(in: home))
        try home.ctl("rule", "add", "deny", "--port", "\(shut.port)")
        #expect(try code(Home.wanHost, shut.port) == 2)
        #expect(try code(Home.wanHost, open.port) == 0)
        let answer = try answer(Home.wanHost, shut.port)
        #expect(answer.status == 403)
        #expect(answer.body.contains("\(Home.wanHost) is not allowed, rule 1 denies it"), "\(answer.body)")
        // Both proxies count together, and what no rule allows where the default is to deny.
        try home.ctl("rule", "default", "deny")
        #expect(try code(Home.wanHost, open.port) == 2)
        #expect(try home.ctl("rule", "list").contains(#/\n1 +deny .* 2 +-/#))
    }

    @Test("a rule is about a user, and about nobody else")
    func user() throws {
        let origin = try echo(in: home)
        try home.ctl("rule", "add", "deny", "--user", "kid", "--to", "\(Home.wanHost)/32")
        #expect(try code(Home.wanHost, origin.port, as: "kid") == 2)
        #expect(try code(Home.wanHost, origin.port, as: "alice") == 0)
        #expect(try code(Home.wanHost, origin.port) == 0, "whoever gives no name is nobody")
    }

    @Test("a rule is about the network from which a client comes")
    func client() throws {
        let origin = try echo(in: home)
        try home.ctl("rule", "add", "deny", "--from", "192.168.77.10")
        #expect(try code(Home.wanHost, origin.port) == 2)
        try home.lan.run("ip", "address", "add", "192.168.77.11/24", "dev", "eth0")
        let other = try Peer(to: Home.gatewayOnLAN, 1080, from: home.lan, source: "192.168.77.11")
        try other.send([5, 1, 0] + SOCKS5.connect(Home.wanHost, origin.port))
        #expect(try other.receive(exactly: 4).suffix(2) == [5, 0])
    }

    @Test("the first rule that matches decides, and the default where none does")
    func order() throws {
        let (web, mail) = (try echo(in: home), try echo(in: home))
        try home.ctl("rule", "add", "allow", "--user", "alice", "--port", "\(mail.port)")
        try home.ctl("rule", "add", "deny", "--port", "\(mail.port)")
        try home.ctl("rule", "add", "allow", "--port", "\(web.port)")
        #expect(try code(Home.wanHost, mail.port, as: "alice") == 0)
        #expect(try code(Home.wanHost, mail.port, as: "kid") == 2)
        let other = try echo(in: home)
        #expect(try code(Home.wanHost, other.port) == 0)
        try home.ctl("rule", "default", "deny")
        #expect(try code(Home.wanHost, other.port) == 2)
        #expect(try answer(Home.wanHost, other.port).body.contains("no rule allows it"))
        #expect(try code(Home.wanHost, web.port) == 0)
        try home.ctl("rule", "default", "allow")
        try home.ctl("rule", "remove", "2")
        #expect(try code(Home.wanHost, mail.port, as: "kid") == 0)
    }

    @Test("33: what allows without naming the network leaves the guard in force")
    func guarded() throws {
        let names = try NameServer(in: home.wan, Home.wanHost, ["nas.test": [["127.0.0.1"]]])
        let local = try Origin(in: home.gateway, "127.0.0.1") { peer in try peer.send("local") }
        try home.ctl("rule", "add", "allow", "--domain", "nas.test")
        try home.ctl("rule", "add", "allow", "--from", "192.168.77.0/24")
        #expect(try code("nas.test", local.port) == 2)
        #expect(try code("127.0.0.1", local.port) == 2)
        try home.ctl("rule", "remove", "1")
        try home.ctl("rule", "remove", "2")
        try home.ctl("rule", "add", "allow", "--to", "127.0.0.1", "--domain", "nas.test")
        #expect(try code("nas.test", local.port) == 0)
        #expect(try code("127.0.0.1", local.port) == 2)
        withExtendedLifetime(names) {}
    }

    @Test("36: to serve private networks alone makes no listener safe from the WAN")
    func confined() throws {
        let outcome = try home.attempt("listener", "add", "socks5", "0.0.0.0:1090", "--from", "192.168.77.0/24")
        #expect(outcome.status == 1 && outcome.errors.contains("--auth required"), "\(outcome)")
    }

    @Test("a listener lets in its users, and refuses others as it does a wrong password")
    func users() throws {
        let origin = try echo(in: home)
        #expect(try code(Home.wanHost, origin.port, as: "kid") == 0)
        try home.ctl("listener", "set", Self.passwords, "--user", "alice")
        #expect(try code(Home.wanHost, origin.port, as: "kid") == nil)
        #expect(try code(Home.wanHost, origin.port, as: "nobody") == nil)
        #expect(try code(Home.wanHost, origin.port, as: "alice") == 0)
        try home.ctl("listener", "set", Self.passwords, "--all-users")
        #expect(try code(Home.wanHost, origin.port, as: "kid") == 0)
    }

    @Test("a listener's opening is for its networks alone, and sessions from these outlive the change")
    func networks() throws {
        let origin = try echo(in: home)
        let tunnel = try home.tunnel(.socks5, origin.port)
        let endpoint = "192.168.77.1:1080"
        try home.ctl("listener", "set", endpoint, "--from", "192.168.77.10", "--from", "10.0.0.0/8")
        let openings = try home.openings().filter { $0.contains("\"socks5 \(endpoint)\"") }
        #expect(
            openings
                == ["192.168.77.10", "10.0.0.0/8"].map {
                    "iifname \"lan0\" ip saddr \($0) ip daddr 192.168.77.1 tcp dport 1080 counter accept "
                        + "comment \"socks5 \(endpoint)\""
                })
        try tunnel.send("still")
        #expect(try tunnel.receive(exactly: 5) == Array("still".utf8))
        #expect(try code(Home.wanHost, origin.port) == 0)
        try home.lan.run("ip", "address", "add", "192.168.77.11/24", "dev", "eth0")
        let curl = ["curl", "-s", "--interface", "192.168.77.11", "http://\(endpoint)/", "--max-time"]
        #expect(try home.lan.attempt(curl + ["2"]).status == 28, "28 is curl's timeout")
        try home.ctl("listener", "set", endpoint, "--from", "any")
        #expect(try home.lan.attempt(curl + ["20"]).status == 0, "an answer says that this is no HTTP proxy")
    }

    @Test("where no firewall stands before it, the proxy itself turns strangers away")
    func strangers() throws {
        let bare = try Home()
        try bare.start(firewall: "observe")
        try bare.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        for endpoint in ["192.168.77.1:1080", "192.168.77.1:3128"] {
            try bare.ctl("listener", "set", endpoint, "--from", "192.168.77.128/25")
        }
        #expect(try bare.dial(.socks5).receiveToEnd().isEmpty)
        let told = String(decoding: try bare.dial(.http).receiveToEnd(), as: UTF8.self)
        #expect(told.hasPrefix("HTTP/1.1 403 "), "\(told)")
        #expect(told.hasSuffix("this proxy does not serve clients from your network\n"), "\(told)")
    }
}
