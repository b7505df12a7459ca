import Address
import Foundation
import Policy
import Proxy
import Testing

/// Points 3, 20 to 22, 25, 30 and 32 of what correct means for the proxies.
@Suite(.timeLimit(.minutes(1))) struct HTTPConversationTests {
    private let opened = "HTTP/1.1 200 Connection established\r\n\r\n"

    @Test func `20 A tunnel is opened without Content-Length and Transfer-Encoding`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(connectRequest("127.0.0.1:\(origin.port)"))
        #expect(try await client.receive(opened.utf8.count) == Array(opened.utf8))
        let (server, _) = try await origin.accept()
        try await client.send("ping")
        #expect(try await server.receive(4) == Array("ping".utf8))
        try await server.send("pong")
        server.finish()
        let rest = try await client.receiveAll()
        #expect(rest.bytes == Array("pong".utf8) && rest.end == .fin)
    }

    @Test func `3 What follows the head in the same segment is tunnel data`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        let early = String(repeating: "early ", count: 5000)
        try await client.send(connectRequest("127.0.0.1:\(origin.port)") + early)
        client.finish()
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveAll().bytes == Array(early.utf8))
    }

    @Test func `A head may arrive byte by byte`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        for byte in connectRequest("127.0.0.1:\(origin.port)").utf8 { try await client.send([byte]) }
        #expect(try await client.receive(opened.utf8.count) == Array(opened.utf8))
    }

    @Test(arguments: [
        "example.org", "example.org:0", "example.org:65536", "http://example.org:443", "user@example.org:443",
        "[fe80::1%25eth0]:443", "[::1", "[1.2.3.4]:443", "[:::]:443", "2130706433:443", "0x7f.1:443", "127.1:443",
        "a..b:443",
        "/", "*",
    ])
    func `20 CONNECT takes host and port and nothing else`(_ target: String) async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("CONNECT \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 400 Bad Request\r\n") && head.contains("\r\nConnection: close\r\n"))
        #expect(body.count > 10 && body.hasSuffix("\n"))
        #expect(try await client.receiveAll().end == .fin)
    }

    @Test func `20 An IPv6 address comes in brackets`() async throws {
        let gateway = try Gateway(rules: [Rule(id: 1, action: .deny, destination: Network("2001:db9::/32")!)])
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(connectRequest("[2001:DB9::7]:443"))
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 403 Forbidden\r\n"))
        #expect(body.hasPrefix("[2001:DB9::7]:443: refused: 2001:db9::7 is not allowed, rule 1 denies it\n"))
    }

    @Test func `21 After a refused CONNECT nothing is read as a request`() async throws {
        let gateway = try Gateway()
        let dead = try DeadPort()
        let origin = try Origin()
        for refused in ["127.0.0.1:\(dead.port)", "10.0.0.1:443", "nonsense"] {
            let client = try await Peer.connect(to: gateway.http)
            try await client.send(connectRequest(refused) + connectRequest("127.0.0.1:\(origin.port)"))
            _ = try await client.receiveAnswer()
            let rest = try await client.receiveAll()
            #expect(rest.bytes.isEmpty && rest.end == .fin, "\(refused)")
        }
    }

    @Test func `21 Early bytes behind a CONNECT that lacks a password are not a request either`() async throws {
        let gateway = try Gateway(authentication: .required)
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(connectRequest("a:1") + connectRequest("b:2"))
        let (head, _) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 407 ") && head.contains("\r\nConnection: close\r\n"))
        let rest = try await client.receiveAll()
        #expect(rest.bytes.isEmpty && rest.end == .fin)
    }

    @Test func `22 A 407 keeps the connection, on which the right password then opens the tunnel`() async throws {
        let alice = User(name: "alice", passwordHash: Password.hash(Array("se:cret".utf8)).description)
        let gateway = try Gateway(authentication: .required, users: [alice])
        let origin = try Origin()
        let target = "127.0.0.1:\(origin.port)"
        let client = try await Peer.connect(to: gateway.http)
        let attempts = [
            "", "Proxy-Authorization: Basic \(base64("alice:wrong"))\r\n", "Proxy-Authorization: Bearer x\r\n",
        ]
        for fields in attempts {
            try await client.send(connectRequest(target, fields))
            let (head, body) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 407 Proxy Authentication Required\r\n"))
            #expect(head.contains("\r\nProxy-Authenticate: Basic realm=\"gatehouse\", charset=\"UTF-8\"\r\n"))
            #expect(head.contains("\r\nConnection: keep-alive\r\n") && !body.isEmpty)
        }
        try await client.send(
            connectRequest(target, "proxy-authorization: basic \(base64("alice:se:cret"))\r\n"))
        #expect(try await client.receive(opened.utf8.count) == Array(opened.utf8))
    }

    /// Answers of the proxy's own kept its connection.
    @Test func `31 The connection of an HTTP/1.0 client is not kept`() async throws {
        let gateway = try Gateway(authentication: .required)
        for request in ["GET /proxy.pac", "OPTIONS *", "CONNECT a:1"] {
            let client = try await Peer.connect(to: gateway.http)
            try await client.send("\(request) HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await client.receiveAnswer().head.contains("\r\nConnection: close\r\n"), "\(request)")
            #expect(try await client.receiveAll() == ([], .fin))
        }
    }

    @Test func `22 Guessing does not go on for ever on one connection`() async throws {
        var limits = Relay.Limits()
        limits.challenges = 2
        let gateway = try Gateway(authentication: .required, limits: limits)
        let client = try await Peer.connect(to: gateway.http)
        for connection in ["keep-alive", "keep-alive", "close"] {
            try await client.send(connectRequest("a:1"))
            #expect(try await client.receiveAnswer().head.contains("\r\nConnection: \(connection)\r\n"))
        }
        #expect(try await client.receiveAll().bytes.isEmpty)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"), ("GET / HTTP/1.1\nHost: a\n\n", "400"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"), ("\u{6}\u{3}\u{1}\u{2}\u{0}\u{1}", "400"),
        ("CONNECT a:1 HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "501"),
        ("GET ftp://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "501"),
        ("GET example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", "400"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nGET /", "400"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    ])
    func `25 and 32 What cannot be served is answered with a reason and closed`(
        _ request: String, _ status: String
    ) async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(request)
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 \(status) ") && body.count > 10)
        #expect(try await client.receiveAll().end == .fin)
    }

    @Test func `30 A slow head is a 408, and silence is closed without a word`() async throws {
        var limits = Relay.Limits()
        limits.handshake = .seconds(1)
        let gateway = try Gateway(limits: limits)
        let slow = try await Peer.connect(to: gateway.http)
        try await slow.send("CONNECT example.org:443 HTTP/1.1\r\nHost:")
        #expect(try await slow.receiveAnswer().head.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
        let silent = try await Peer.connect(to: gateway.http)
        #expect(try await silent.receiveAll().bytes.isEmpty)
    }

    @Test func `30 The deadline is for the whole head, however steadily its bytes come`() async throws {
        var limits = Relay.Limits()
        limits.handshake = .seconds(1)
        let gateway = try Gateway(limits: limits)
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("CONNECT example.org:443 HTTP/1.1\r\nX: ")
        // Sends as fast as it can until it is answered; a deadline for each read would never come.
        let drip = Task {
            while !Task.isCancelled, (try? await client.send("a")) != nil {
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 408 "))
        drip.cancel()
    }

    @Test func `30 A head of a megabyte is a 431, and a target that is too long a 414`() async throws {
        let gateway = try Gateway()
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "431"), ("GET /", "414"),
            ("GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 501), "431"),
        ] {
            let client = try await Peer.connect(to: gateway.http)
            let flood = Task { try? await client.send(request + String(repeating: "a", count: 1 << 20)) }
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 \(status) "))
            await flood.value
        }
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("nonsense\r\n\r\n")
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 400 "))
    }

    @Test func `32 Why there is no connection is said`() async throws {
        let gateway = try Gateway()
        let dead = try DeadPort()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(connectRequest("127.0.0.1:\(dead.port)"))
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"))
        #expect(
            body.hasPrefix("127.0.0.1:\(dead.port): Connection refused\n") && body.hasSuffix(", or try again later.\n"))
    }

    @Test func `The answer to HEAD has no body`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(String(decoding: try await client.receiveAll().bytes, as: UTF8.self).hasSuffix("\r\n\r\n"))
    }

    private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
}
