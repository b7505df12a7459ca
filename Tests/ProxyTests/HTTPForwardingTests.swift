import Address
import Foundation
import Glibc
import Policy
import Proxy
import Reactor
import Testing

/// Points 22 to 32 of what correct means for the proxies, for requests that are passed on.
@Suite(.timeLimit(.minutes(1))) struct HTTPForwardingTests {
    let gateway: Gateway
    let origin: Origin

    init() throws {
        gateway = try Gateway()
        origin = try Origin()
    }

    private func line(_ method: String = "GET", _ path: String = "/") -> String {
        "\(method) http://127.0.0.1:\(origin.port)\(path) HTTP/1.1\r\nHost: false.example\r\n"
    }

    private func get(_ fields: String = "", path: String = "/") -> String { line("GET", path) + fields + "\r\n" }

    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test func `23 and 27 The origin gets the target's path and host, and nothing about the client`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            get(
                "Via: 1.0 x\r\nForwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\nProxy-Authorization: Basic eDp5\r\n"
                    + "Proxy-Connection: keep-alive\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nTE: trailers\r\n"
                    + "Accept: */*\r\n", path: "/a?b"))
        let (server, _) = try await origin.accept()
        #expect(
            try await server.receiveHead()
                == "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\nAccept: */*\r\n\r\n")
        try await server.send("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nDate: d\r\nContent-Length: 2\r\n\r\nok")
        let (head, body) = try await client.receiveAnswer()
        #expect(head == "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\n" && body == "ok")
    }

    @Test func `31 Requests follow one another on both connections, pipelined ones too, and in order`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send((1...3).map { get(path: "/\($0)") }.joined())
        let (server, _) = try await origin.accept()
        for number in 1...3 {
            #expect(try await server.receiveHead().hasPrefix("GET /\(number) "))
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)")
            #expect(try await client.receiveAnswer().body == "\(number)")
        }
        // A client that is done with takes its connections with it.
        client.finish()
        #expect(try await server.receiveAll().bytes.isEmpty)
    }

    /// An origin that reads no content where it expects none (CL.0) took the rest of one client's request for the beginning of the next,
    /// which was another client's: the connection was for whoever came.
    @Test func `42 What an origin mistakes for a request harms the client that sent it, and no other one`() async throws
    {
        let attacker = try await Peer.connect(to: gateway.http)
        let content = "GET /evil HTTP/1.1\r\nX: "
        try await attacker.send(line("POST") + "Content-Length: \(content.utf8.count)\r\n\r\n" + content)
        let (fooled, _) = try await origin.accept()
        _ = try await fooled.receiveHead()
        try await fooled.send(ok)
        #expect(try await attacker.receiveAnswer().body == "ok")
        let victim = try await Peer.connect(to: gateway.http)
        try await victim.send(get("Cookie: secret\r\n", path: "/mine"))
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("GET /mine "))
        attacker.finish()
        #expect(try await fooled.receiveAll().bytes == Array(content.utf8))
    }

    /// An origin closes a connection that waits when it likes. What met that close was a 502 if it could not be made again.
    @Test(arguments: [("POST", ""), ("PUT", "more"), ("LOCK", ""), ("M-SEARCH", "")])
    func `42 A request that cannot be repeated goes out on a connection of its own`(
        _ method: String, _ later: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (first, _) = try await origin.accept()
        _ = try await first.receiveHead()
        try await first.send(ok)
        _ = try await client.receiveAnswer()
        try await client.send(line(method) + "Content-Length: \(later.utf8.count)\r\n\r\n")
        let (second, _) = try await origin.accept()
        #expect(try await second.receiveHead().hasPrefix("\(method) / "))
        try await client.send(later)
        #expect(try await second.receive(later.utf8.count) == Array(later.utf8))
        try await second.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
        // The later connection is the one to go on with.
        #expect(try await first.receiveAll().bytes.isEmpty)
        try await client.send(get(path: "/next"))
        #expect(try await second.receiveHead().hasPrefix("GET /next "))
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ])
    func `31 A connection to an origin is used again only if it is certain where the response ended`(
        _ response: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        for _ in 1...2 {
            try await client.send(get())
            let (server, _) = try await origin.accept()
            _ = try await server.receiveHead()
            try await server.send(response)
            #expect(try await client.receiveMessage().content == "ok")
            #expect(try await server.receiveAll().bytes.isEmpty)
        }
    }

    @Test func `31 An idle connection that the origin closes, or says something on, is not used again`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        for lastWords in ["", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "last"] {
            try await client.send(get())
            let (server, _) = try await origin.accept()
            _ = try await server.receiveHead()
            try await server.send(ok)
            #expect(try await client.receiveAnswer().body == "ok")
            if !lastWords.isEmpty { try await server.send(lastWords) }
            server.finish()
            #expect(try await server.receiveAll().bytes.isEmpty)
        }
    }

    @Test func `31 A request that meets a closed connection is made again if that is harmless`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        var (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(ok)
        _ = try await client.receiveAnswer()
        try await client.send(get(path: "/again"))
        _ = try await server.receiveHead()
        server.finish()
        (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("GET /again "))
        try await server.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
    }

    @Test func `31 A login for a connection is for its client alone`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get("Authorization: NTLM x\r\n"))
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(ok)
        _ = try await client.receiveAnswer()
        let other = try await Peer.connect(to: gateway.http)
        try await other.send(get())
        let (second, _) = try await origin.accept()
        _ = try await second.receiveHead()
        try await client.send(get(path: "/mine"))
        #expect(try await server.receiveHead().hasPrefix("GET /mine "))
        try await server.send(ok)
        _ = try await client.receiveAnswer()
        // The request after a login does not show it, and is one of the login's connection all the same, even one that cannot be
        // made again.
        try await client.send(line("POST", "/mine") + "Content-Length: 0\r\n\r\n")
        #expect(try await server.receiveHead().hasPrefix("POST /mine "))
        try await server.send(ok)
        _ = try await client.receiveAnswer()
        let stranger = try await Peer.connect(to: gateway.http)
        try await stranger.send(get(path: "/not-mine"))
        let (third, _) = try await origin.accept()
        #expect(try await third.receiveHead().hasPrefix("GET /not-mine "))
    }

    @Test func `28 Content that the origin would not take is gone, and never read as a request`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        let content = get(path: "/hidden")
        try await client.send(line("POST") + "Content-Length: \(content.utf8.count)\r\n\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        // The content and then the reset come at once, as far as the reactor can tell.
        let (isHeld, isReady) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let hold: @Sendable () -> Void = {
            isHeld.signal()
            isReady.wait()
        }
        gateway.reactor.spawn { _ in hold() }
        try await blocking { isHeld.wait() }
        try await client.send(content)
        server.resetOnClose()
        isReady.signal()
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 502 "))
        try await client.send(get(path: "/asked"))
        let (next, _) = try await origin.accept()
        #expect(try await next.receiveHead().hasPrefix("GET /asked "))
    }

    @Test func `31 A response without a Date has the time at which it came`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(ok)
        let head = try await client.receiveAnswer().head
        let field = try #require(head.split(separator: "\r\n").first { $0.hasPrefix("Date: ") })
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(secondsFromGMT: 0)
        format.dateFormat = "'Date: 'EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        #expect(abs(try #require(format.date(from: String(field))).timeIntervalSinceNow) < 60)
    }

    @Test func `28 Chunked content and its trailers pass both ways`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        let chunks = "5;ext\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"
        try await client.send(line("POST") + "Transfer-Encoding: Chunked\r\n\r\n" + chunks)
        let (server, _) = try await origin.accept()
        let passed = "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
        #expect(try await server.receiveHead().hasSuffix("\r\nTransfer-Encoding: chunked\r\n\r\n"))
        #expect(try await server.receive(passed.utf8.count) == Array(passed.utf8))
        for byte in ("HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks).utf8 {
            try await server.send([byte])
        }
        #expect(try await client.receiveHead() == "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(try await client.receive(passed.utf8.count) == Array(passed.utf8))
        try await client.send(get())
        #expect(try await server.receiveHead().hasPrefix("GET "))
    }

    @Test func `28 A client that knows no chunks gets the bare content and a close`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("GET http://127.0.0.1:\(origin.port)/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("GET / HTTP/1.1\r\nHost: "))
        try await server.send(
            "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        )
        let all = try await client.receiveAll()
        #expect(
            String(decoding: all.bytes, as: UTF8.self) == "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nok"
                && all.end == .fin)
    }

    @Test func `28 Expect and every interim response pass, and then the content`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().contains("\r\nExpect: 100-continue\r\n"))
        try await server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        #expect(try await client.receiveHead() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        #expect(try await client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
        try await client.send("data")
        #expect(try await server.receive(4) == Array("data".utf8))
        try await server.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
        try await client.send(get())
        #expect(try await server.receiveHead().hasPrefix("GET "))
    }

    @Test func `28 An origin that does not want the content says so, and the connection ends`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 417 No\r\n") && head.contains("\r\nConnection: close\r\n") && body == "no")
        #expect(try await client.receiveAll().end == .fin)
        _ = try await server.receiveAll()
    }

    @Test(arguments: [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")])
    func `28 What has no content ends with its head`(_ method: String, _ status: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        let (server, _) = try await {
            try await client.send(line(method) + "\r\n")
            return try await origin.accept()
        }()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 \(status)\r\nContent-Length: 100\r\n\r\n")
        let head = try await client.receiveHead()
        #expect(
            head.hasPrefix("HTTP/1.1 \(status)\r\n")
                && head.contains("Content-Length: 100") == (status.first != "2" || method == "HEAD"))
        try await client.send(get())
        #expect(try await server.receiveHead().hasPrefix("GET "))
    }

    @Test func `28 Content that ends with the connection ends so for the client, too`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 200 OK\r\nDate: d\r\n\r\nto the ")
        try await server.send("end")
        server.finish()
        let all = try await client.receiveAll()
        #expect(
            String(decoding: all.bytes, as: UTF8.self)
                == "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nto the end" && all.end == .fin)
    }

    @Test(arguments: [
        ("Content-Length: 10", "short", ""), ("Transfer-Encoding: chunked", "5\r\nshort\r\n", ""),
        ("Transfer-Encoding: chunked", "5\r\nshort\r\n", "zz\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nshort\r\n", "0\r\nX: y\r\n"),
    ])
    func `28 A response that is cut short ends in a reset, after all that came of it`(
        _ framing: String, _ start: String, _ end: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 200 OK\r\n\(framing)\r\n\r\n\(start)")
        _ = try await client.receiveHead()
        if !end.isEmpty { try await server.send(end) }
        server.finish()
        let all = try await client.receiveAll()
        #expect(all.bytes.starts(with: start.utf8) && all.end == .reset)
    }

    @Test func `28 A reset of the origin is one for the client, whatever the framing`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 200 OK\r\n\r\npart")
        _ = try await client.receiveHead()
        #expect(try await client.receive(4) == Array("part".utf8))
        server.resetAtClose()
        withExtendedLifetime(server) {}
        _ = consume server
        #expect(try await client.receiveAll().end == .reset)
    }

    @Test func `28 Megabytes go up and down at once, whoever is slow`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        let size = 8 << 20
        let up = Task { [origin] in
            let (server, _) = try await origin.accept()
            _ = try await server.receiveHead()
            // It answers before it has read a byte, and reads only when all is answered.
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            async let sent: Void = server.send([UInt8](repeating: 66, count: size))
            let received = try await server.receive(size)
            try await sent
            return received
        }
        let upload = Task { [line] in
            try await client.send(line("POST", "/") + "Content-Length: \(size)\r\n\r\n")
            try await client.send([UInt8](repeating: 65, count: size))
        }
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 200 ") && body.utf8.allSatisfy { $0 == 66 } && body.utf8.count == size)
        try await upload.value
        #expect(try await up.value.allSatisfy { $0 == 65 })
    }

    /// The wait for bandwidth was one for the origin, too, which then had not answered in time; and an upload that waited was
    /// taken for one that stood still once its answer had come.
    @Test(arguments: [true, false])
    func `28 An upload waits for its bandwidth for as long as it takes`(_ answersFirst: Bool) async throws {
        var limits = Relay.Limits()
        limits.content = .seconds(2)
        limits.exchange = .seconds(2)
        limits.upload = .seconds(2)
        let gateway = try Gateway(limits: limits, quotas: [Limit(subject: .eachClient, bandwidth: 20_000)])
        let client = try await Peer.connect(to: gateway.http)
        // 64 kB may move at once; what is read next takes three seconds and more.
        let size = 160_000
        try await client.send(line("POST") + "Content-Length: \(size)\r\n\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        if answersFirst { try await server.send(ok) }
        try await client.send([UInt8](repeating: 65, count: size))
        #expect(try await server.receive(size).count == size)
        if !answersFirst { try await server.send(ok) }
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 200 "))
    }

    @Test func `26 A WebSocket is relayed as a tunnel, early bytes and all`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n") + "early")
        let (server, _) = try await origin.accept()
        let head = try await server.receiveHead()
        #expect(head.contains("\r\nUpgrade: websocket\r\n") && head.hasSuffix("\r\nConnection: Upgrade\r\n\r\n"))
        try await server.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
        #expect(
            try await client.receiveHead()
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        #expect(try await client.receive(5) == Array("hello".utf8))
        #expect(try await server.receive(5) == Array("early".utf8))
        client.finish()
        #expect(try await server.receiveAll().end == .fin)
        try await server.send("bye")
        server.finish()
        #expect(try await client.receiveAll().bytes == Array("bye".utf8))
    }

    /// The end of an upload takes the deadline away, and nothing set another for what was said next.
    @Test(arguments: ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"])
    func `30 A client that takes nothing more is let go of, behind an upload too`(_ response: String) async throws {
        var limits = Relay.Limits()
        limits.handshake = .seconds(1)
        let gateway = try Gateway(limits: limits)
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 4\r\n\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try fillBuffers(from: gateway.http, to: client.port)
        try await client.send("data")
        #expect(try await server.receive(4) == Array("data".utf8))
        if !response.isEmpty { try await server.send(response) }
        server.finish()
        let end = ContinuousClock.now + .seconds(10)
        while await gateway.sessionCount > 0, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(await gateway.sessionCount == 0)
    }

    /// Sends on the gateway's own end of a connection, which is in this process, until no more goes for good.
    private func fillBuffers(from port: UInt16, to peer: UInt16) throws {
        func end(_ descriptor: Int32) -> Bool {
            var (address, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
            let result = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
            }
            return result == 0 && UInt16(bigEndian: address.sin_port) == peer && portOf(descriptor) == port
        }
        let descriptor = try #require((0..<4096).first(where: end))
        let block = [UInt8](repeating: 0, count: 1 << 16)
        var quietRounds = 0
        while quietRounds < 5 {
            quietRounds += 1
            while send(descriptor, block, block.count, Int32(MSG_DONTWAIT)) > 0 { quietRounds = 0 }
            usleep(10_000)
        }
    }

    @Test func `26 An upgrade that nobody asked for is none`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get("Upgrade: websocket\r\n"))
        let (server, _) = try await origin.accept()
        #expect(try await !server.receiveHead().contains("Upgrade"))
        try await server.send("HTTP/1.1 101 Switching Protocols\r\n\r\n")
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 502 "))
    }

    @Test func `29 Max-Forwards is honoured`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("TRACE") + "Max-Forwards: 0\r\nCookie: secret\r\nX: y\r\n\r\n")
        let trace = try await client.receiveAnswer()
        #expect(trace.head.contains("\r\nContent-Type: message/http\r\n") && trace.body.contains("\r\nX: y\r\n"))
        #expect(!trace.body.contains("secret"))
        try await client.send(line("OPTIONS") + "Max-Forwards: 0\r\n\r\n")
        #expect(try await client.receiveAnswer().head.contains("\r\nAllow: GET, "))
        try await client.send(line("OPTIONS") + "Max-Forwards: 1\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().contains("\r\nMax-Forwards: 0\r\n"))
    }

    @Test func `22 A request without a password gets a 407, and its connection goes on`() async throws {
        let alice = User(name: "alice", passwordHash: Password.hash(Array("secret".utf8)).description)
        let gateway = try Gateway(authentication: .required, users: [alice])
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Content-Length: 4\r\n\r\ndata" + get())
        for _ in 1...2 {
            let (head, body) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 407 ") && head.contains("\r\nConnection: keep-alive\r\n") && !body.isEmpty)
        }
        try await client.send(get("Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n"))
        let (server, _) = try await origin.accept()
        #expect(try await !server.receiveHead().lowercased().contains("proxy"))
        try await server.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
        // The password is asked for each time, not once for a connection.
        try await client.send(get())
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 407 "))
    }

    @Test(arguments: [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Content-Length : 5\r\n\r\nhello", "Content-Length: +5\r\n\r\nhello", "X: y\nContent-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    ])
    func `24 A request that can be read in two ways is a 400 and the end, and reaches no origin`(
        _ rest: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + rest + get(path: "/smuggled"))
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 400 "))
        #expect(try await client.receiveAll().bytes.isEmpty)
    }

    @Test func `25 Content that turns out not to be chunked is a 400, and the origin is cut off`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        #expect(try await server.receive(10) == Array("5\r\nhello\r\n".utf8))
        try await client.send("-1\r\n" + get())
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 400 "))
        #expect(try await client.receiveAll().bytes.isEmpty)
        #expect(try await server.receiveAll().bytes.isEmpty)
    }

    @Test(arguments: [
        "", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\nX y\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "HTTP/1.1 200 OK\r\nX: y",
    ])
    func `32 An origin that gives no answer, or none that can be passed on, is a 502`(_ response: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        for _ in 1...2 {
            try await client.send(get())
            let (server, _) = try await origin.accept()
            _ = try await server.receiveHead()
            if !response.isEmpty { try await server.send(response) }
            server.finish()
            let (head, body) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n") && body.hasPrefix("127.0.0.1:\(origin.port) "))
            // The request had come whole, so the client's connection goes on.
            #expect(head.contains("\r\nConnection: keep-alive\r\n"))
        }
    }

    @Test func `32 An origin that does not answer in time is a 504`() async throws {
        var limits = Relay.Limits()
        limits.exchange = .milliseconds(300)
        let gateway = try Gateway(limits: limits)
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 504 Gateway Timeout\r\n"))
        withExtendedLifetime(server) {}
    }

    @Test func `32 Why there is no connection is said, and the client's connection goes on`() async throws {
        let dead = try DeadPort()
        let client = try await Peer.connect(to: gateway.http)
        for (port, status) in [(dead.port, "502 Bad Gateway"), (origin.port, "200 OK")] {
            try await client.send("GET http://127.0.0.1:\(port)/ HTTP/1.1\r\nHost: a\r\n\r\n")
            if port == origin.port {
                let (server, _) = try await origin.accept()
                try await server.send(ok)
            }
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 \(status)\r\n"))
        }
    }

    @Test func `33 Rules hold for every request, not only for the first on a connection`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(ok)
        _ = try await client.receiveAnswer()
        gateway.change { $0.rules = [] }
        try await client.send(get())
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 403 "))
    }

    @Test func `A client that is gone ends the exchange, and the origin learns of it`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        client.resetAtClose()
        _ = consume client
        #expect(try await server.receiveAll().bytes.isEmpty)
    }

    @Test func `A client that is gone in the midst of its request ends it`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line("POST") + "Content-Length: 100\r\n\r\npart")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        client.finish()
        #expect(try await server.receiveAll().bytes == Array("part".utf8))
    }

    @Test func `A client that has only sent its FIN gets its response`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        client.finish()
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
    }
}
