import Glibc
import Testing
import Wire

@Suite struct HTTPForwardingTests {
    private func forwarded(_ fields: String, line: String, keepsUpgrade: Bool = false, left: Int? = nil) throws
        -> String
    {
        let head = try request(fields, line: line)
        let output = try head.forwarded(
            to: head.absoluteTarget(), framing: head.framing(), keepsUpgrade: keepsUpgrade, forwardsLeft: left)
        return String(decoding: output, as: UTF8.self)
    }

    @Test(arguments: [
        ("GET http://Example.org/a?b HTTP/1.1", "GET /a?b HTTP/1.1\r\nHost: Example.org\r\n\r\n"),
        ("GET http://example.org HTTP/1.1", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        ("GET HTTP://example.org:8080?q HTTP/1.1", "GET /?q HTTP/1.1\r\nHost: example.org:8080\r\n\r\n"),
        ("GET http://[2001:db8::1]:/x HTTP/1.0", "GET /x HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n"),
        ("OPTIONS http://example.org HTTP/1.1", "OPTIONS * HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        ("OPTIONS http://example.org/ HTTP/1.1", "OPTIONS / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        ("GET ws://example.org/x HTTP/1.1", "GET /x HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        ("GET http://example.org?\u{fc}%fc HTTP/1.1", "GET /?%C3%BC%fc HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    ])
    func `Host is what the target says, and the target becomes a path`(_ line: String, _ head: String) throws {
        #expect(try forwarded("", line: line) == head)
    }

    @Test func `What is about this connection, and what tells about the client, goes no further`() throws {
        let fields = [
            "Connection: keep-alive, X-Secret,close", "X-Secret: 1", "Keep-Alive: 5", "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic YTpi", "proxy-anything: 1", "TE: trailers", "Trailer: X", "Upgrade: websocket",
            "Via: 1.1 x", "Forwarded: for=192.168.1.2", "X-Forwarded-For: 192.168.1.2", "Content-Length: 3",
            "Content-Length: 3", "Accept:  */* ", "Cookie: a", "cookie: b", "Expect: 100-continue",
        ]
        #expect(
            try forwarded(fields.joined(separator: "\r\n") + "\r\n", line: "POST http://b/ HTTP/1.1")
                == "POST / HTTP/1.1\r\nHost: b\r\nAccept: */*\r\nCookie: a\r\ncookie: b\r\nExpect: 100-continue\r\n"
                + "Content-Length: 3\r\n\r\n")
    }

    @Test func `An upgrade that is relayed as one keeps its fields`() throws {
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
        #expect(try request(fields).asksForUpgrade)
        #expect(
            try forwarded(fields, line: "GET http://b/ HTTP/1.1", keepsUpgrade: true)
                == "GET / HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nConnection: Upgrade\r\n\r\n"
        )
        #expect(try !request("Upgrade: websocket\r\n").asksForUpgrade)
        #expect(try !request("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n").asksForUpgrade)
        #expect(try !request(fields, line: "GET http://b/ HTTP/1.0").asksForUpgrade)
    }

    @Test(arguments: ["u", "u:p", "u@b:p", "u%40:p", ""])
    func `A user in the target goes no further, if Authorization says who it is`(_ user: String) throws {
        let head = try forwarded("Authorization: Basic eDp5\r\n", line: "GET http://\(user)@b:8080/x@y HTTP/1.1")
        #expect(head == "GET /x@y HTTP/1.1\r\nHost: b:8080\r\nAuthorization: Basic eDp5\r\n\r\n")
    }

    /// Each option was compared with the name of each field: a large head held the reactor up for 150 ms.
    @Test func `As many options and fields as there may be cost no more than the head's length`() throws {
        let names = (0..<499).map { String(repeating: "a", count: 200) + "\($0 + 100)" }
        let options = (0..<32).map { String(repeating: "a", count: 200) + "\($0 + 1000)" } + [names[7]]
        let fields =
            "Connection: \(options.dropFirst().joined(separator: ","))\r\n"
            + names.dropLast(2).map { "\($0): \r\n" }.joined()
        let head = try request(fields)
        let start = ContinuousClock.now
        let output = try head.forwarded(to: head.absoluteTarget(), framing: .none, keepsUpgrade: false)
        #expect(ContinuousClock.now - start < .milliseconds(200))
        let text = String(decoding: output, as: UTF8.self)
        #expect(text.contains(names[6]) && !text.contains(names[7]))
    }

    @Test func `Max-Forwards counts for TRACE and OPTIONS`() throws {
        #expect(try request("Max-Forwards: 3\r\n", line: "TRACE http://a/ HTTP/1.1").forwardsLeft() == 3)
        #expect(try request("Max-Forwards: 0\r\n", line: "GET http://a/ HTTP/1.1").forwardsLeft() == nil)
        #expect(
            try forwarded("Max-Forwards: 3\r\n", line: "TRACE http://a/ HTTP/1.1", left: 2)
                == "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 2\r\n\r\n")
        #expect(throws: HTTPError.self) {
            try request("Max-Forwards: -1\r\n", line: "TRACE http://a/ HTTP/1.1").forwardsLeft()
        }
    }

    @Test func `What Connection names goes no further, whatever it is`() throws {
        let fields = "Connection: Expect, Max-Forwards\r\nExpect: 100-continue\r\nMax-Forwards: 3\r\nAccept: a\r\n"
        let head = "OPTIONS / HTTP/1.1\r\nHost: a\r\nAccept: a\r\n\r\n"
        #expect(try forwarded(fields, line: "OPTIONS http://a/ HTTP/1.1", left: 2) == head)
    }

    @Test(arguments: [
        ("https://a/", HTTPStatus.notImplemented), ("wss://a/", .notImplemented), ("http://\u{fc}/", .badRequest),
        ("http://\u{fc}@a/", .badRequest), ("http://a@/", .badRequest),
        ("ftp://a/", .notImplemented), ("http:a", .badRequest),
        ("http:///x", .badRequest), ("http://", .badRequest), ("http://u:p@a/", .badRequest),
        ("http://a:0/", .badRequest),
        ("http://a:65536/", .badRequest), ("http://a:+80/", .badRequest), ("http://a/#b", .badRequest),
        ("http://[::1/", .badRequest), ("http://[fe80::1%25eth0]/", .badRequest), ("http://a%2eb/", .badRequest),
        ("http://a\\b/", .badRequest), ("a:443", .badRequest), ("**", .badRequest), ("http://a:80:80/", .badRequest),
    ])
    func `A target that leads nowhere is refused`(_ target: String, _ status: HTTPStatus) throws {
        let head = try request("", line: "GET \(target) HTTP/1.1")
        do {
            _ = try head.absoluteTarget()
            Issue.record("\(target) was taken")
        } catch {
            #expect(error.status == status)
        }
    }

    @Test func `A response's head loses what was about the origin's connection`() throws {
        let head = try response(
            "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nServer : s\r\nProxy-Authenticate: Basic\r\n"
                + "Transfer-Encoding: chunked\r\nContent-Length: 9\r\nTrailer: X\r\nUpgrade: h2c\r\nVia: 1.1 y\r\n"
                + "Set-Cookie: a\r\nDate: d\r\nSet-Cookie: b\r\n", line: "HTTP/1.0 200 Fine  thing")
        #expect(
            String(decoding: head.forwarded(framing: .chunked, connection: .stays, at: 0), as: UTF8.self)
                == "HTTP/1.1 200 Fine  thing\r\nServer: s\r\nSet-Cookie: a\r\nDate: d\r\nSet-Cookie: b\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n")
        #expect(
            String(decoding: head.forwarded(framing: .untilClose, connection: .closes, at: 0), as: UTF8.self)
                .hasSuffix("Set-Cookie: b\r\nConnection: close\r\n\r\n"))
    }

    @Test func `A response without content says how long it would be if HEAD or 304 asked`() throws {
        let head = try response("Content-Length: 9\r\nDate: d\r\n", line: "HTTP/1.1 304 x")
        #expect(
            String(
                decoding: head.forwarded(framing: .none, keepsLength: true, connection: .stays, at: 0), as: UTF8.self)
                == "HTTP/1.1 304 x\r\nContent-Length: 9\r\nDate: d\r\n\r\n")
        #expect(
            String(decoding: head.forwarded(framing: .none, connection: .stays, at: 0), as: UTF8.self)
                == "HTTP/1.1 304 x\r\nDate: d\r\n\r\n")
    }

    @Test(arguments: [
        (HTTPResponseHead.Connection.stays, "Connection: Upgrade"), (.closes, "Connection: close, Upgrade"),
    ])
    func `What a 426 asks for is named in Connection`(_ connection: HTTPResponseHead.Connection, _ field: String) throws
    {
        let head = try response("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\nDate: d\r\n", line: "HTTP/1.1 426 x")
        #expect(
            String(decoding: head.forwarded(framing: .length(0), connection: connection, at: 0), as: UTF8.self)
                == "HTTP/1.1 426 x\r\nUpgrade: TLS/1.0\r\nDate: d\r\nContent-Length: 0\r\n\(field)\r\n\r\n")
    }

    @Test func `A final response without a Date gets one`() throws {
        func date(_ fields: String, _ status: Int, at now: Int) throws -> [String] {
            let head = try response(fields, line: "HTTP/1.1 \(status) x")
            let text = String(decoding: head.forwarded(framing: .none, connection: .stays, at: now), as: UTF8.self)
            return text.split(separator: "\r\n").filter { $0.hasPrefix("Date:") }.map { String($0.dropFirst(6)) }
        }
        #expect(try date("", 200, at: 784_111_777) == ["Sun, 06 Nov 1994 08:49:37 GMT"])
        #expect(try date("date: d\r\n", 200, at: 784_111_777) == [])
        #expect(try date("", 103, at: 784_111_777) == [])
        var noise = Noise(state: 6)
        for _ in 0..<2000 {
            // Up to the year 9999.
            var time = time_t(Int.random(in: 0..<253_402_300_800, using: &noise))
            var parts = tm()
            gmtime_r(&time, &parts)
            var text = [CChar](repeating: 0, count: 64)
            let count = strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            #expect(try date("", 404, at: time) == [String(decoding: text[..<count].map(UInt8.init), as: UTF8.self)])
        }
    }

    @Test func `A login for the connection is told from one for a request`() throws {
        #expect(try response("WWW-Authenticate: Negotiate\r\n").fields.authenticatesConnection)
        #expect(try request("Authorization: NTLM TlRM\r\n").fields.authenticatesConnection)
        #expect(try !request("Authorization: Basic YTpi\r\n").fields.authenticatesConnection)
    }
}
