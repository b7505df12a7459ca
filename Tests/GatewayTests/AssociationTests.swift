import Foundation
import Glibc
import TestNetwork
import Testing

/// A client on the LAN with a UDP association.
struct Associate {
    let control: Peer
    let socket: DatagramPeer
    /// BND.ADDR:BND.PORT.
    let bound: String

    /// - Parameter device: which has that address; nil: the LAN's one host.
    init(
        _ home: Home, port: UInt16 = 1080, source: String = "192.168.77.10", from device: Namespace? = nil
    ) throws {
        control = try Peer(to: Home.gatewayOnLAN, port, from: device ?? home.lan, source: source)
        try control.send([5, 1, 0])
        guard try control.receive(exactly: 2) == [5, 0] else { throw Failure("the greeting was refused") }
        try control.send(SOCKS5.connect("0.0.0.0", 0, command: 3))
        let reply = try SOCKS5.reply(from: control)
        guard reply.code == 0 else { throw Failure("SOCKS5 reply \(reply.code)") }
        bound = reply.bound
        socket = try DatagramPeer(in: device ?? home.lan, source)
    }

    var port: UInt16 { bound.split(separator: ":").last.flatMap { UInt16($0) } ?? 0 }

    func send(_ text: String, to host: String, _ port: UInt16, fragment: UInt8 = 0) throws {
        let header = SOCKS5.datagramHeader(host, port, fragment: fragment)
        try socket.send(header + Array(text.utf8), to: Home.gatewayOnLAN, self.port)
    }

    /// What comes next, with the header that says from where.
    func expect(_ text: String, from host: String, _ port: UInt16, _ location: SourceLocation = #_sourceLocation) throws
    {
        let answer = try socket.receive()
        #expect(answer?.bytes == SOCKS5.datagramHeader(host, port) + Array(text.utf8), sourceLocation: location)
        #expect(answer?.from == bound, sourceLocation: location)
    }
}

extension SOCKS5 {
    /// RFC 1928 §7.
    static func datagramHeader(_ host: String, _ port: UInt16, fragment: UInt8 = 0) -> [UInt8] {
        [0, 0, fragment] + address(host) + [UInt8(port >> 8), UInt8(port & 0xff)]
    }
}

/// Over the real processes, with the firewall enforced.
@Suite("UDP ASSOCIATE as RFC 1928 has it", .enabled(if: isRoot, "needs root: network namespaces"))
struct AssociationTests {
    let home: Home

    init() throws { home = try Home.ready() }

    /// What an origin gets next, answered in capitals.
    private func serve(_ origin: DatagramPeer, _ text: String, _ location: SourceLocation = #_sourceLocation) throws {
        let got = try #require(try origin.receive(), "\(text) did not come", sourceLocation: location)
        #expect(String(decoding: got.bytes, as: UTF8.self) == text, sourceLocation: location)
        let end = try #require(got.from.lastIndex(of: ":"))
        try origin.send(
            Array(text.uppercased().utf8), to: String(got.from[..<end]),
            try #require(UInt16(got.from[got.from.index(after: end)...])))
    }

    @Test("9, 17: origins of both families answer, by address and by name, and the header says who it was")
    func origins() throws {
        let client = try Associate(home)
        #expect(client.bound.hasPrefix("\(Home.gatewayOnLAN):"))
        let v4 = try DatagramPeer(in: home.wan, Home.wanHost)
        let v6 = try DatagramPeer(in: home.wan, Home.wanHost6)
        for round in 1...3 {
            try client.send("four \(round)", to: Home.wanHost, v4.port)
            try serve(v4, "four \(round)")
            try client.expect("FOUR \(round)", from: Home.wanHost, v4.port)
            try client.send("six \(round)", to: Home.wanHost6, v6.port)
            try serve(v6, "six \(round)")
            try client.expect("SIX \(round)", from: Home.wanHost6, v6.port)
            try client.send("name \(round)", to: "origin.example", v4.port)
            try serve(v4, "name \(round)")
            try client.expect("NAME \(round)", from: Home.wanHost, v4.port)
        }
    }

    @Test("14: the association ends with its connection, and the port is shut again")
    func end() throws {
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("one", to: Home.wanHost, origin.port)
        try serve(origin, "one")
        try client.expect("ONE", from: Home.wanHost, origin.port)
        client.control.finish()
        #expect(try client.control.receiveToEnd() == [])
        #expect(try home.gateway.run("ss", "-Hlun", "sport = :\(client.port)") == "")
        try client.send("two", to: Home.wanHost, origin.port)
        let another = try Associate(home)
        try another.send("three", to: Home.wanHost, origin.port)
        try serve(origin, "three")
    }

    @Test("15: another host, and another port of the client, get nothing through")
    func strangers() throws {
        try home.lan.run("ip", "address", "add", "192.168.77.11/24", "dev", "eth0")
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        let neighbour = try DatagramPeer(in: home.lan, "192.168.77.11")
        let header = SOCKS5.datagramHeader(Home.wanHost, origin.port)
        try neighbour.send(header + Array("early".utf8), to: Home.gatewayOnLAN, client.port)
        try client.send("mine", to: Home.wanHost, origin.port)
        try serve(origin, "mine")
        let sibling = try DatagramPeer(in: home.lan, "192.168.77.10")
        for stranger in [neighbour, sibling] {
            try stranger.send(header + Array("late".utf8), to: Home.gatewayOnLAN, client.port)
        }
        try client.send("mine too", to: Home.wanHost, origin.port)
        try serve(origin, "mine too")
    }

    @Test("16: fragments arrive as a whole or not at all")
    func fragments() throws {
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("lost", to: Home.wanHost, origin.port, fragment: 0x82)
        try client.send("one ", to: Home.wanHost, origin.port, fragment: 1)
        try client.send("two ", to: Home.wanHost, origin.port, fragment: 2)
        try client.send("three", to: Home.wanHost, origin.port, fragment: 0x83)
        try serve(origin, "one two three")
    }

    @Test("17: every datagram is judged: the gateway, its LAN and a denied host get nothing, however they are named")
    func destinations() throws {
        try home.ctl("rule", "add", "deny", "--to", "203.0.112.11")
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        let denied = try DatagramPeer(in: home.wan, "203.0.112.11")
        let inside = try DatagramPeer(in: home.gateway, "127.0.0.1")
        let neighbour = try DatagramPeer(in: home.lan, "192.168.77.10")
        try client.send("one", to: Home.wanHost, origin.port)
        try serve(origin, "one")
        for host in ["127.0.0.1", "::ffff:127.0.0.1", "localhost", Home.gatewayOnWAN, "::1"] {
            try client.send("no", to: host, inside.port)
        }
        try client.send("no", to: "203.0.112.11", denied.port)
        try client.send("no", to: "192.168.77.10", neighbour.port)
        try client.send("two", to: Home.wanHost, origin.port)
        try serve(origin, "two")
        for victim in [denied, inside, neighbour] { #expect(try victim.receive(within: .milliseconds(100)) == nil) }
        // The rule of now, not that of the beginning.
        try home.ctl("rule", "add", "deny", "--to", Home.wanHost)
        try client.send("three", to: Home.wanHost, origin.port)
        #expect(try origin.receive(within: .milliseconds(200)) == nil)
    }

    @Test("19: the largest datagrams survive, and a port unreachable ends nothing")
    func large() throws {
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("nobody there", to: Home.wanHost, 9)
        let text = String(repeating: "0123456789", count: 6549) + "seven.."
        try client.send(text, to: Home.wanHost, origin.port)
        let got = try origin.receive()
        #expect(got?.bytes.count == 65_497)
        try client.send("nobody there", to: Home.wanHost, 9)
        // More than the way takes in one piece, and many of them at once.
        for _ in 0..<20 { try client.send(String(text.prefix(3000)), to: Home.wanHost, origin.port) }
        for _ in 0..<20 { #expect(try origin.receive()?.bytes.count == 3000) }
        try client.send("small", to: Home.wanHost, origin.port)
        try serve(origin, "small")
        try client.expect("SMALL", from: Home.wanHost, origin.port)
    }

    @Test("the firewall opens an association's port to the LAN, and no other port to anybody")
    func door() throws {
        let client = try Associate(home)
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("first", to: Home.wanHost, origin.port)
        try serve(origin, "first")
        // Something that listens everywhere, as things do.
        let stray = try DatagramPeer(in: home.gateway, "0.0.0.0")
        try client.socket.send([1], to: Home.gatewayOnLAN, stray.port)
        // The WAN knows the address by the weak host model, and the association is not for it.
        let outsider = try DatagramPeer(in: home.wan, Home.wanHost)
        try home.wan.run("ip", "route", "add", "192.168.77.0/24", "via", Home.gatewayOnWAN)
        let header = SOCKS5.datagramHeader(Home.wanHost, origin.port)
        try outsider.send(header + Array("no".utf8), to: Home.gatewayOnLAN, client.port)
        try outsider.send([1], to: Home.gatewayOnWAN, stray.port)
        #expect(try stray.receive(within: .milliseconds(200)) == nil)
        // A scan sees silence everywhere: not one ICMP error tells a port that is shut from one that is open.
        let report = try home.lan.run(
            "nmap", "-n", "-Pn", "-sU", "-p1-300,1080,\(client.port)", "--min-rate", "2000", "--max-retries", "0",
            "--host-timeout", "20s", "-oG", "-", Home.gatewayOnLAN)
        #expect(!report.contains("/closed/") && !report.contains("/open/"), "\(report)")
        // nmap that ran out of time says nothing of any port.
        #expect(report.contains("Ports: ") || report.contains("Ignored State: open|filtered"), "\(report)")
        try client.send("yes", to: Home.wanHost, origin.port)
        try serve(origin, "yes")
    }

    @Test("associations keep to the operator's ports, and are told the operator's address")
    func options() throws {
        try home.ctl(
            "listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0", "--udp-ports", "50000-50001",
            "--advertise", "198.51.101.9")
        let opening =
            #"iifname "lan0" ip saddr . ip daddr . udp dport @associations_ipv4 socket wildcard 0 counter accept "#
            + #"comment "socks5 192.168.77.1:1090, datagrams""#
        #expect(try home.openings().contains(opening))
        let client = try Associate(home, port: 1090)
        #expect(["198.51.101.9:50000", "198.51.101.9:50001"].contains(client.bound))
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("ping", to: Home.wanHost, origin.port)
        try serve(origin, "ping")
        #expect(try client.socket.receive()?.from == "\(Home.gatewayOnLAN):\(client.port)")
        #expect(try home.ctl("listener", "list").contains("advertise 198.51.101.9, udp-ports 50000-50001"))
    }
}

/// The ports from 1024 on were open to any socket at the listener's address, to whomever it belonged.
@Suite(
    "The firewall has a hole for an association and no other", .enabled(if: isRoot, "needs root: network namespaces"))
struct AssociationPinholeTests {
    let home: Home

    init() throws { home = try Home.ready() }

    private func holes() throws -> Int {
        try home.gateway.run("nft", "list", "set", "inet", "gatehouse", "associations_ipv4")
            .count { $0 == "." } / 8
    }

    /// Whether a datagram of the client's comes to an origin, and the answer back.
    /// Each takes a place in the gateway's memory and in the kernel's, and what is asked of the rules.
    @Test("a client reaches ten new places for each session that it may begin, five seconds' worth in one go")
    func places() throws {
        try home.ctl("limit", "set", "client", "--rate", "1")
        let client = try Associate(home)
        let places = try (0..<100).map { try DatagramPeer(in: home.wan, Home.wanHost, port: 20_000 + UInt16($0)) }
        let began = ContinuousClock.now
        for place in places { try client.send("word", to: Home.wanHost, place.port) }
        let reached = try places.count { try $0.receive(within: .milliseconds(20)) != nil }
        let most = 52 + Int(10 * ((ContinuousClock.now - began) / .seconds(1)))
        #expect(reached >= 50 && reached <= most, "\(reached), at most \(most)")
        // Where it has been it goes on.
        for _ in 0..<100 { try client.send("more", to: Home.wanHost, places[0].port) }
        let again = try (0..<100).count { _ in try places[0].receive(within: .milliseconds(100)) != nil }
        #expect(again == 100)
    }

    private func works(_ client: Associate) throws -> Bool {
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("ping", to: Home.wanHost, origin.port)
        guard let got = try origin.receive(within: .milliseconds(500)) else { return false }
        return String(decoding: got.bytes, as: UTF8.self) == "ping"
    }

    @Test("a service of another program at the listener's very address is reached by nobody, and the audit says so")
    func stranger() throws {
        let service = try DatagramPeer.echo(in: home.gateway, Home.gatewayOnLAN, port: 5353)
        let client = try Associate(home)
        #expect(try works(client))
        let device = try DatagramPeer(in: home.lan, "192.168.77.10")
        try device.send([1], to: Home.gatewayOnLAN, 5353)
        #expect(try device.receive(within: .milliseconds(500)) == nil)
        // From the machine itself it is there.
        let own = try DatagramPeer(in: home.gateway, Home.gatewayOnLAN)
        try own.send([1], to: Home.gatewayOnLAN, 5353)
        #expect(try own.receive()?.bytes == [1])
        let line = try home.ctl("audit", "--all").split(separator: "\n").first { $0.contains("192.168.77.1:5353") }
        #expect(line?.contains("shut") == true, "\(line ?? "no line")")
        withExtendedLifetime(service) {}
    }

    @Test(
        "it goes with the association and with the relay, and is there again when the table was taken or a role ended")
    func life() throws {
        #expect(try holes() == 0)
        let clients = try (0..<3).map { _ in try Associate(home) }
        #expect(try holes() == 3)
        try home.ctl("firewall", "open", "lab", "--tcp", "4002")
        #expect(try holes() == 3)
        home.killsRoles = true
        kill(try #require(try home.processes()["firewall"]?.first), SIGKILL)
        #expect(
            try eventually { try home.attempt("firewall", "show").output.contains("lab") && holes() == 3 })
        for client in clients { #expect(try works(client)) }
        // By the datagrams of each to the gateway.
        func flows() throws -> Int {
            try home.gateway.run("conntrack", "-L", "-p", "udp").split(separator: "\n").count {
                $0.contains(" dst=\(Home.gatewayOnLAN) ")
            }
        }
        let before = try flows()
        clients[0].control.finish()
        #expect(try eventually { try holes() == 2 })
        #expect(try works(clients[1]))
        // Whoever takes its port next is no answer to anybody.
        #expect(try eventually(within: .seconds(1)) { try flows() == before - 1 }, "\(before)")
        kill(try #require(try home.processes()["socks5"]?.first), SIGKILL)
        #expect(try eventually { try holes() == 0 })
        #expect(eventually { (try? Associate(home)) != nil })
    }

    @Test("many get theirs, one after the other and all at once")
    func many() throws {
        try home.liftClientLimit()
        // All ask before one is answered.
        let peers = try (0..<200).map { _ in
            let peer = try Peer(to: Home.gatewayOnLAN, 1080, from: home.lan, source: "192.168.77.10")
            try peer.send([5, 1, 0])
            #expect(try peer.receive(exactly: 2) == [5, 0])
            return peer
        }
        let begin = ContinuousClock.now
        for peer in peers { try peer.send(SOCKS5.connect("0.0.0.0", 0, command: 3)) }
        for peer in peers { #expect(try SOCKS5.reply(from: peer).code == 0) }
        print("an association among 200 at once: \((ContinuousClock.now - begin) / 200)")
        #expect(try holes() == 200)
        for peer in peers { peer.finish() }
        #expect(try eventually { try holes() == 0 })
        let start = ContinuousClock.now
        let clients = try (0..<200).map { _ in try Associate(home) }
        print("an association, one after the other: \((ContinuousClock.now - start) / 200)")
        #expect(try holes() == 200)
        for client in clients.suffix(3) { #expect(try works(client)) }
    }
}

@Suite("BIND and SOCKS4", .enabled(if: isRoot, "needs root: network namespaces"))
struct SOCKSCommandTests {
    let home: Home

    init() throws {
        home = try Home.ready()
        try home.ctl(
            "listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0", "--bind-ports", "21000-21001",
            "--socks4")
    }

    /// A client that has been told where its peer is awaited.
    private func bind(for host: String) throws -> (client: Peer, bound: String) {
        let client = try Peer(to: Home.gatewayOnLAN, 1090, from: home.lan)
        try client.send([5, 1, 0])
        #expect(try client.receive(exactly: 2) == [5, 0])
        try client.send(SOCKS5.connect(host, 21, command: 2))
        let reply = try SOCKS5.reply(from: client)
        guard reply.code == 0 else { throw Failure("SOCKS5 reply \(reply.code)") }
        return (client, reply.bound)
    }

    @Test(
        "18: the peer that the request names comes in through the firewall, another does not, and then the port is shut"
    )
    func bind() throws {
        let (client, bound) = try bind(for: Home.wanHost)
        #expect(["203.0.112.1:21000", "203.0.112.1:21001"].contains(bound))
        let port = try #require(bound.split(separator: ":").last.flatMap { UInt16($0) })
        // From 203.0.112.11, which the gateway's peer is not.
        let stranger = try home.wan.attempt([
            "curl", "-s", "--interface", "203.0.112.11", "--max-time", "1", "http://\(bound)/",
        ])
        #expect(stranger.status == 28, "curl's 28 is a timeout: \(stranger)")
        let peer = try Peer(to: Home.gatewayOnWAN, port, from: home.wan)
        #expect(try SOCKS5.reply(from: client) == SOCKS5.Reply(code: 0, bound: peer.nearEnd))
        try peer.send("data")
        #expect(try client.receive(exactly: 4) == Array("data".utf8))
        try client.send("more")
        #expect(try peer.receive(exactly: 4) == Array("more".utf8))
        let late = try home.wan.attempt(["curl", "-s", "--max-time", "1", "http://\(bound)/"])
        #expect(late.status == 28, "curl's 28 is a timeout: \(late)")
    }

    @Test("18: a request that names no peer takes whom the client may be connected to")
    func unnamed() throws {
        try home.gateway.run("ip", "route", "add", "default", "via", Home.wanHost)
        try home.ctl("rule", "add", "deny", "--to", "203.0.112.11")
        let (client, bound) = try bind(for: "0.0.0.0")
        let port = try #require(bound.split(separator: ":").last.flatMap { UInt16($0) })
        let denied = try home.wan.attempt([
            "curl", "-s", "--interface", "203.0.112.11", "--max-time", "5", "http://\(bound)/",
        ])
        #expect([7, 55, 56].contains(denied.status), "curl's 7, 55 and 56 are a reset: \(denied)")
        let peer = try Peer(to: Home.gatewayOnWAN, port, from: home.wan)
        #expect(try SOCKS5.reply(from: client).bound == peer.nearEnd)
    }

    @Test("18: nobody binds for a peer that is not allowed")
    func refused() throws {
        #expect(throws: Failure.self) { try bind(for: "127.0.0.1") }
        #expect(throws: Failure.self) { try bind(for: "192.168.77.10") }
    }

    @Test("curl's SOCKS4 and SOCKS4a get through where they are allowed, and nowhere else")
    func curl() throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        }
        for (option, host) in [("--socks4", Home.wanHost), ("--socks4a", "origin.example")] {
            let url = "http://\(host):\(origin.port)/"
            let page = try home.lan.attempt(["curl", "-s", "--max-time", "10", option, "192.168.77.1:1090", url])
            #expect(page.output == "hello", "\(option): \(page)")
            let refused = try home.lan.attempt(["curl", "-s", "--max-time", "10", option, "192.168.77.1:1080", url])
            #expect(refused.status != 0 && refused.output == "", "\(option): \(refused)")
        }
    }
}
