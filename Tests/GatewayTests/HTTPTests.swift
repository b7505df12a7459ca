import Foundation
import Glibc
import TestNetwork
import Testing

@Suite("The HTTP proxy as RFC 9110 and RFC 9112 have it", .enabled(if: isRoot, "needs root: network namespaces"))
struct HTTPTests {
    let home: Home

    init() throws { home = try Home.ready() }

    /// The reply's head to what was sent, and the connection.
    private func ask(_ request: String, port: UInt16 = 3128) throws -> (
        status: Int, fields: [String: String], client: Peer
    ) {
        let client = try Peer(to: Home.gatewayOnLAN, port, from: home.lan)
        try client.send(request)
        let (status, fields) = HTTP.parse(try client.receiveHead())
        return (status, fields, client)
    }

    @Test(
        "20: CONNECT takes a host and a port and nothing else",
        arguments: [
            "203.0.112.10", "203.0.112.10:", "203.0.112.10:0", "203.0.112.10:70000", "[fe80::1%25eth0]:80",
            "http://203.0.112.10:80/", "203.0.112.10:80/", "user@203.0.112.10:80", ":80",
        ])
    func malformed(authority: String) throws {
        let reply = try ask("CONNECT \(authority) HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(reply.status == 400)
        #expect(reply.fields["content-length"] != nil)
    }

    @Test("20: success carries neither Content-Length nor Transfer-Encoding")
    func success() throws {
        let origin = try echo(in: home)
        let reply = try ask(HTTP.connect(Home.wanHost, origin.port))
        #expect(reply.status == 200)
        #expect(reply.fields["content-length"] == nil)
        #expect(reply.fields["transfer-encoding"] == nil)
    }

    @Test("20: an IPv6 origin is written in brackets")
    func ipv6() throws {
        let origin = try echo(in: home, Home.wanHost6)
        let reply = try ask(HTTP.connect(Home.wanHost6, origin.port))
        #expect(reply.status == 200)
        try reply.client.send("six")
        #expect(try reply.client.receive(exactly: 3) == Array("six".utf8))
    }

    @Test("21: what follows a refused CONNECT is never a request")
    func refusedAndPipelined() throws {
        let contacted = Mailbox()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in contacted.put(peer.farEnd) }
        let reply = try ask(HTTP.connect("127.0.0.1", 22) + HTTP.connect(Home.wanHost, origin.port))
        #expect(reply.status == 403)
        let length = reply.fields["content-length"].flatMap { Int($0) } ?? 0
        // A reset in place of the end is fine: the early bytes were not read.
        let rest = try reply.client.receiveAll().bytes
        #expect(rest.count <= length)
        // The next session's own origin proves that the other one would have been there by now.
        try expectEcho(home, .http)
        #expect(contacted.isEmpty)
    }

    @Test("22: 407 says how to authenticate, has a delimited body, and keeps the connection")
    func authentication() throws {
        try home.ctl("user", "add", "alice", "--password-stdin", input: "correct horse\n")
        try home.ctl("listener", "add", "http", "192.168.77.1:3129", "--auth", "required", "--interface", "lan0")
        let origin = try echo(in: home)
        let reply = try ask(HTTP.connect(Home.wanHost, origin.port), port: 3129)
        #expect(reply.status == 407)
        #expect(reply.fields["proxy-authenticate"]?.hasPrefix("Basic ") == true)
        let length = try #require(reply.fields["content-length"].flatMap { Int($0) })
        _ = try reply.client.receive(exactly: length)
        func credentials(_ text: String) -> [String] {
            ["Proxy-Authorization: Basic \(Data(text.utf8).base64EncodedString())"]
        }
        try reply.client.send(HTTP.connect(Home.wanHost, origin.port, fields: credentials("alice:wrong")))
        let second = HTTP.parse(try reply.client.receiveHead())
        #expect(second.status == 407)
        _ = try reply.client.receive(exactly: second.fields["content-length"].flatMap { Int($0) } ?? 0)
        try reply.client.send(HTTP.connect(Home.wanHost, origin.port, fields: credentials("alice:correct horse")))
        #expect(HTTP.parse(try reply.client.receiveHead()).status == 200)
        try reply.client.send("in")
        #expect(try reply.client.receive(exactly: 2) == Array("in".utf8))
    }

    @Test("30: a head of 1 MB is too large, a target of 1 MB too long, and neither ends a process")
    func large() throws {
        let processes = try home.processes()
        let megabyte = String(repeating: "a", count: 1 << 20)
        for (request, status) in [
            ("CONNECT 203.0.112.10:80 HTTP/1.1\r\nHost: x\r\nX: \(megabyte)\r\n\r\n", 431),
            ("CONNECT \(megabyte):80 HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ] {
            let client = try home.dial(.http)
            // The proxy answers and closes before it has read all of it.
            try? client.send(request)
            #expect(HTTP.parse(try client.receiveHead()).status == status)
        }
        #expect(try home.processes() == processes)
        try expectEcho(home, .http)
    }

    @Test("30: a head that dribbles in is given up at one deadline for the whole of it")
    func slow() throws {
        let client = try home.dial(.http)
        let began = ContinuousClock.now
        let dribble = Thread {
            // Each byte in good time, the whole never.
            for byte in "GET http://203.0.112.10/ HTTP/1.1\r\nX: ".utf8 + [UInt8](repeating: 97, count: 1000) {
                guard (try? client.send([byte])) != nil else { return }
                usleep(300_000)
            }
        }
        dribble.start()
        #expect(HTTP.parse(try client.receiveHead()).status == 408)
        #expect(ContinuousClock.now - began < .seconds(14))
    }

    @Test(
        "32: a failure of the origin's has a status and a reason",
        arguments: [("203.0.112.10", 502), ("192.0.3.1", 502), ("nowhere.example", 502), ("127.0.0.1", 403)])
    func failures(host: String, status: Int) throws {
        let names = try NameServer(in: home.wan, Home.wanHost, [:])
        let reply = try ask(HTTP.connect(host, 9))
        #expect(reply.status == status)
        let length = try #require(reply.fields["content-length"].flatMap { Int($0) })
        #expect(try reply.client.receive(exactly: length).count > 0)
        withExtendedLifetime(names) {}
    }

    @Test("curl uses it as any proxy")
    func curl() throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        }
        let url = "http://\(Home.wanHost):\(origin.port)/"
        #expect(try home.lan.run("curl", "-sf", "--proxytunnel", "-x", "http://192.168.77.1:3128", url) == "hello")
        #expect(try home.lan.run("curl", "-sf", "--socks5-hostname", "192.168.77.1:1080", url) == "hello")
    }
}

extension Mailbox {
    /// Nothing has come in so far.
    var isEmpty: Bool { peek() == "" }
}
