import Foundation
import Glibc
import Policy
import Proxy
import Testing

/// Points 37 to 39 of what correct means for the proxies: what clients and servers of the field send.
@Suite(.timeLimit(.minutes(1))) struct HTTPToleranceTests {
    let gateway: Gateway
    let origin: Origin

    init() throws {
        gateway = try Gateway()
        origin = try Origin()
    }

    private func line(_ method: String = "GET", _ path: String = "/") -> String {
        "\(method) http://127.0.0.1:\(origin.port)\(path) HTTP/1.1\r\nHost: a\r\n"
    }

    private let ok = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nok"

    // MARK: requests

    @Test(arguments: ["", "Host: \r\n", "Host: gateway.example:3128\r\n", "User-Agent: x\r\n"])
    func `37 CONNECT needs no Host, and whichever it has means nothing`(_ fields: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("CONNECT 127.0.0.1:\(origin.port) HTTP/1.1\r\n\(fields)\r\n")
        #expect(try await client.receiveHead() == "HTTP/1.1 200 Connection established\r\n\r\n")
        _ = try await origin.accept()
    }

    @Test func `37 A WebSocket is opened by its own scheme, too`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            "GET ws://127.0.0.1:\(origin.port)/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        let (server, _) = try await origin.accept()
        let head = try await server.receiveHead()
        #expect(head.hasPrefix("GET /chat HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\nUpgrade: websocket\r\n"))
        try await server.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
        #expect(try await client.receiveHead().hasPrefix("HTTP/1.1 101 "))
        #expect(try await client.receive(5) == Array("hello".utf8))
    }

    @Test(arguments: [
        ("wss://a.example/", "501", "wss goes through a tunnel: set this proxy for https as well"),
        ("http://al:s3cret@a.example/", "400", "the target has a user in it; send Authorization in its place"),
        ("http://a.example/a b", "400", "the target has a space in it, which is to be percent-encoded: %20"),
        ("http://a.example/a b?c d", "400", "the target has a space in it, which is to be percent-encoded: %20"),
        ("http://b\u{fc}cher.example/", "400", "the target is to name a host"),
    ])
    func `37 What cannot be passed on is refused with what to do, and without what is secret`(
        _ target: String, _ status: String, _ reason: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 \(status) ") && body.hasPrefix(reason) && !body.contains("s3cret"))
    }

    @Test(arguments: ["al:s3cret", "al%40x:s3cret", "a@b:s3cret", "s3cret"])
    func `37 A user in the target is left out if Authorization says the same`(_ user: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            "GET http://\(user)@127.0.0.1:\(origin.port)/x@y HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(
            try await server.receiveHead()
                == "GET /x@y HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\nAuthorization: Basic eDp5\r\n\r\n")
        // Nor does a trace tell it.
        let other = try await Peer.connect(to: gateway.http)
        try await other.send(
            "TRACE http://\(user)@127.0.0.1:\(origin.port)/x@y HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\n"
                + "Max-Forwards: 0\r\n\r\n")
        let (_, body) = try await other.receiveAnswer()
        #expect(body.hasPrefix("TRACE http://127.0.0.1:\(origin.port)/x@y HTTP/1.1\r\n"))
    }

    @Test func `37 Bytes that no target may have are percent-encoded`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            Array("GET http://127.0.0.1:\(origin.port)/t\u{f6}?q=".utf8) + [0xcd, 0xa8]
                + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("GET /t%C3%B6?q=%CD%A8 HTTP/1.1\r\n"))
    }

    @Test(arguments: ["QUERY", "PROPFIND", "M-SEARCH", "UPDATEREDIRECTREF", "X!#$%&'*+.^_`|~9", "get"])
    func `37 Any method passes as it is`(_ method: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line(method) + "Content-Length: 2\r\n\r\nhi")
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("\(method) / HTTP/1.1\r\n"))
        #expect(try await server.receive(2) == Array("hi".utf8))
        try await server.send(ok)
        #expect(try await client.receiveAnswer().body == "ok")
    }

    // MARK: responses

    @Test(arguments: [
        ("HTTP/1.1 200 OK\nDate: d\nContent-Length: 2\n\nok", nil),
        ("HTTP/1.1 200 OK\r\nDate: d\nContent-Length: 2\r\n\nok", nil),
        ("HTTP/1.1 200 OK\r\r\nDate: d\r\r\nContent-Length: 2\r\r\n\r\r\nok", nil),
        ("HTTP/1.1 200 OK\r\nDate:\r\n d\r\nContent-Length:\r\n\t2\r\n\r\nok", nil),
        ("HTTP/1.1 200 OK\r\n skipped\r\nDate: d\r\n \r\nContent-Length : 2 \r\n\r\nok", nil),
        ("\r\n\r\nHTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nok", nil),
        ("HTTP/1.1\t200  OK \r\nDate: d\r\nContent-Length: 2, 2\r\n\r\nok", nil),
        (
            "HTTP/1.1 200 OK\r\nDate: d\r\nX: a \r\n \t b,\n c\r\nY: a\r\u{0}b\u{7}\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nDate: d\r\nX: a b, c\r\nY: a  b\r\nContent-Length: 2\r\n\r\nok"
        ),
        (
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n02   \r\nok\r\n0000000000000000000\t\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        ),
        (
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: Chunked\r\n\r\n"
                + "0000000000000002\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        ),
    ])
    func `38 What can be read in one way is passed on in one form, and the connection goes on`(
        _ response: String, _ passed: String?
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        for (count, pieces) in [[response], response.unicodeScalars.map(String.init)].enumerated() {
            try await client.send(line("GET", "/\(count)") + "\r\n")
            let (server, _) = try await origin.accept()
            #expect(try await server.receiveHead().hasPrefix("GET /\(count) "))
            for piece in pieces { try await server.send(piece) }
            let expected = passed ?? ok
            #expect(String(decoding: try await client.receive(expected.utf8.count), as: UTF8.self) == expected)
            // Whatever the next request is answered with comes over another connection.
            server.finish()
            _ = try await server.receiveAll()
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: identity\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: identity\r\nContent-Length: 9\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding:\r\n\r\nok", "HTTP/1.0 200 OK\r\nDate: d\r\n\r\nok",
        "ICY 200 OK\r\nDate: d\r\n\r\nok",
    ])
    func `38 What has no length ends with the connection`(_ response: String) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line() + "\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(response)
        server.finish()
        let (bytes, end) = try await client.receiveAll()
        #expect(
            String(decoding: bytes, as: UTF8.self) == "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nok"
                && end == .fin)
    }

    @Test(arguments: [
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "line 1 of its head is \"SSH-2.0-OpenSSH_9.2\": it does not begin with a status line"
        ),
        ("\u{15}\u{3}\u{1}", "the head has a control character"),
        ("HTTP/2.0 200 OK\r\n\r\n", "line 1 of its head is \"HTTP/2.0 200 OK\""),
        ("HTTP/1.1 20 OK\r\n\r\n", "line 1 of its head is \"HTTP/1.1 20 OK\": the status is not a number of three"),
        (
            "HTTP/1.1 200 OK\r\nDate: d\r\nno \u{e9}\u{1b}colon\r\n\r\n",
            #"line 3 of its head is "no \xc3\xa9\x1bcolon": a field"#
        ),
        ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", "line 2 of its head is \"a b: c\": a field is not a name"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "is not one number: \"1\", \"2\""),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "the Content-Length is not one number: \"+1\""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "its Transfer-Encoding is \"gzip, chunked\""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "its Transfer-Encoding is \"chunked, identity\""
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 0\r\n", "not a hexadecimal number: \"5 0\""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", "not a hexadecimal number: \"0x5\""),
        ("HTTP/1.1 200 OK\r\nConnection: " + String(repeating: "b,", count: 33) + "\r\n\r\n", "more than 32 options"),
    ])
    func `38 What can be read in two ways, or in none, is a 502 that names it`(
        _ response: String, _ reason: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(line() + "\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send(response)
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 502 ") && body.contains(reason), "\(body)")
    }

    // MARK: sizes

    @Test func `39 Heads as large as the usual servers and clients take pass both ways`() async throws {
        let client = try await Peer.connect(to: gateway.http)
        let path = "/" + String(repeating: "a", count: 65_000)
        let cookie = "Cookie: " + String(repeating: "c", count: 60_000) + "\r\n"
        let fields = (1...495).map { "X-\($0): y\r\n" }.joined()
        // The second request of a connection is one like the first.
        for _ in 1...2 {
            for (path, fields) in [(path, cookie), ("/", fields)] {
                try await client.send(line("GET", path) + fields + "\r\n")
                let (server, _) = try await origin.accept()
                let passed = "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\n\(fields)\r\n"
                #expect(String(decoding: try await server.receive(passed.utf8.count), as: UTF8.self) == passed)
                let answer =
                    "HTTP/1.1 200 OK\r\nDate: d\r\nSet-\(cookie)\(fields)Content-Length: 2\r\n\r\nok"
                try await server.send(answer.replacing("Content-Length", with: "Connection: close\r\nContent-Length"))
                #expect(String(decoding: try await client.receive(answer.utf8.count), as: UTF8.self) == answer)
            }
        }
    }

    @Test(arguments: [
        ("GET /" + String(repeating: "a", count: 65_600), "414", "the request target is longer than 65536 bytes"),
        (
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 131_072), "431",
            "the head is larger than 131072 bytes"
        ),
        (
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n" + String(repeating: "a: b\r\n", count: 500), "431",
            "the head has more than 500 fields"
        ),
        (
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: " + String(repeating: "b, ", count: 33) + "\r\n\r\n",
            "400",
            "Connection has more than 32 options"
        ),
    ])
    func `39 Beyond a limit the answer says which it is`(
        _ request: String, _ status: String, _ reason: String
    ) async throws {
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(request)
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 \(status) ") && body.contains(reason))
    }

    @Test func `39 A response beyond a limit is a 502 that says which it is`() async throws {
        for (response, reason) in [
            ("X: " + String(repeating: "a", count: 131_072), "the head is larger than 131072 bytes"),
            (String(repeating: "a: b\r\n", count: 501), "the head has more than 500 fields"),
        ] {
            let client = try await Peer.connect(to: gateway.http)
            try await client.send(line() + "\r\n")
            let (server, _) = try await origin.accept()
            _ = try await server.receiveHead()
            try await server.send("HTTP/1.1 200 OK\r\n" + response)
            let (head, body) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 502 ") && body.contains(reason))
        }
    }

    @Test func `39 Large heads have a bound together, and one that is done gives back what it took`() async throws {
        var limits = Relay.Limits()
        // Room for two that have begun.
        limits.largeHeads = 300_000
        limits.largeHeadsOfClient = 300_000
        let gateway = try Gateway(limits: limits)
        let begun = line() + "Cookie: " + String(repeating: "c", count: 17_000)
        var clients: [Peer] = []
        // Any of the three may be the one that comes too late: which is read first is not for the test to say.
        for _ in 1...3 {
            clients.append(try await Peer.connect(to: gateway.http))
            try await clients.last?.send(begun)
        }
        let refused = try await Peer.first(toHear: clients)
        let (head, body) = try await clients[refused].receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 503 "))
        #expect(
            body.hasPrefix(
                "heads beyond 16384 bytes may take 300000 bytes together, 300000 for one client, which they do just now\n"
            ))
        // A head of the usual size costs nothing of it.
        let usual = try await Peer.connect(to: gateway.http)
        try await usual.send(line() + "\r\n")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        // An origin's is counted as well.
        try await server.send("HTTP/1.1 200 OK\r\nSet-Cookie: " + String(repeating: "c", count: 17_000))
        #expect(try await usual.receiveAnswer().head.hasPrefix("HTTP/1.1 503 "))
        clients.remove(at: refused)
        clients.removeLast()
        // What a client took that is gone is there for the next one.
        try await gateway.until { await gateway.sessionCount <= 2 }
        let next = try await Peer.connect(to: gateway.http)
        try await next.send(begun + "\r\n\r\n")
        let (other, _) = try await origin.accept()
        #expect(try await other.receiveHead().contains("Cookie: ccc"))
    }

    /// A hundred stalled heads of one client left every other with 503, for hours where they were responses.
    @Test func `39 No client takes all of the memory for large heads, neither by requests nor by responses`()
        async throws
    {
        for isResponse in [false, true] {
            var limits = Relay.Limits()
            limits.largeHeads = 700_000
            limits.largeHeadsOfClient = 300_000
            let gateway = try Gateway(limits: limits)
            let cookie = "Cookie: " + String(repeating: "c", count: 17_000)
            var (clients, servers): ([Peer], [Peer]) = ([], [])
            for _ in 1...3 {
                let client = try await Peer.connect(to: gateway.http)
                clients.append(client)
                try await client.send(line() + (isResponse ? "\r\n" : cookie))
                guard isResponse else { continue }
                servers.append(try await origin.accept().0)
                _ = try await servers.last?.receiveHead()
                try await servers.last?.send("HTTP/1.1 200 OK\r\nSet-" + cookie)
            }
            let refused = try await Peer.first(toHear: clients)
            #expect(try await clients[refused].receiveAnswer().head.hasPrefix("HTTP/1.1 503 "))
            // Somebody else has room.
            let other = try await Peer.connect(to: gateway.http, from: 0x7f00_0002)
            try await other.send(line() + cookie + "\r\n\r\n")
            let (server, _) = try await origin.accept()
            #expect(try await server.receiveHead().contains("Cookie: ccc"))
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-" + cookie + "\r\n\r\n")
            #expect(try await other.receiveAnswer().head.hasPrefix("HTTP/1.1 200 "))
            withExtendedLifetime((clients, servers)) {}
        }
    }
}

extension Peer {
    /// The index of the first of `peers` to have something to read.
    fileprivate static func first(toHear peers: [Peer]) async throws -> Int {
        try await blocking {
            var waits = peers.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&waits, nfds_t(waits.count), 10_000) > 0 else { throw Failure("poll") }
            return waits.firstIndex { $0.revents != 0 }!
        }
    }
}

extension Gateway {
    fileprivate func until(_ condition: @Sendable () async -> Bool) async throws {
        while await !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }
}
