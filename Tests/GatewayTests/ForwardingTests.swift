import Foundation
import Glibc
import Synchronization
import TestNetwork
import Testing

/// Plain HTTP that is passed on, over the real processes; the numbers are those of the project's list.
@Suite("The HTTP proxy passes requests on", .enabled(if: isRoot, "needs root: network namespaces"))
struct ForwardingTests {
    let home: Home

    init() throws { home = try Home.ready() }

    private func line(_ method: String = "GET", _ path: String = "/", to origin: Origin) -> String {
        "\(method) http://\(Home.wanHost):\(origin.port)\(path) HTTP/1.1\r\nHost: false.example\r\n"
    }

    private func answer(from client: Peer) throws -> (status: Int, fields: [String: String], body: String) {
        let (status, fields) = HTTP.parse(try client.receiveHead())
        let body = try client.receive(exactly: fields["content-length"].flatMap { Int($0) } ?? 0)
        return (status, fields, String(decoding: body, as: UTF8.self))
    }

    private func curl(_ arguments: String..., input: String? = nil) throws -> String {
        let outcome = try home.lan.attempt(
            ["curl", "-sS", "-x", "http://192.168.77.1:3128"] + arguments, input: input)
        guard outcome.status == 0 else { throw Failure("curl \(arguments): \(outcome)") }
        return outcome.output
    }

    @Test("22: a request without a password gets a 407, its content is read over, and the connection goes on")
    func authentication() throws {
        try home.ctl("user", "add", "alice", "--password-stdin", input: "correct horse\n")
        try home.ctl("listener", "add", "http", "192.168.77.1:3129", "--auth", "required", "--interface", "lan0")
        let server = try Server(in: home)
        let client = try Peer(to: Home.gatewayOnLAN, 3129, from: home.lan)
        try client.send(
            line("POST", to: server.origin) + "Content-Length: 4\r\n\r\ndata" + line(to: server.origin) + "\r\n")
        for _ in 1...2 {
            let refusal = try answer(from: client)
            #expect(refusal.status == 407 && refusal.fields["proxy-authenticate"]?.hasPrefix("Basic ") == true)
            #expect(!refusal.body.isEmpty)
        }
        let credentials = Data("alice:correct horse".utf8).base64EncodedString()
        try client.send(line(to: server.origin) + "Proxy-Authorization: Basic \(credentials)\r\n\r\n")
        #expect(try answer(from: client).status == 200)
        #expect(server.heads.count == 1 && !server.heads[0].lowercased().contains("proxy"))
        #expect(
            try home.lan.run(
                "curl", "-sS", "--proxy-user", "alice:correct horse", "-x", "http://192.168.77.1:3129", server.url)
                == "hello")
    }

    @Test("23: the origin is asked what the target says, and Host with it; a request to the proxy itself finds nothing")
    func host() throws {
        let server = try Server(in: home)
        let client = try home.dial(.http)
        try client.send(line("GET", "/a?b=c", to: server.origin) + "\r\n")
        #expect(try answer(from: client).body == "hello")
        #expect(server.heads == ["GET /a?b=c HTTP/1.1\r\nHost: \(Home.wanHost):\(server.origin.port)\r\n\r\n"])
        try client.send("GET /a HTTP/1.1\r\nHost: \(Home.wanHost):\(server.origin.port)\r\n\r\n")
        #expect(try answer(from: client).status == 404)
        #expect(server.heads.count == 1)
    }

    @Test(
        "24: what two recipients could read in two ways is a 400 and the end, and reaches no origin",
        arguments: [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length: 5, 6\r\n\r\nhello",
            "Content-Length: +5\r\n\r\nhello", "Content-Length: 0x5\r\n\r\nhello", "Content-Length:\r\n\r\n",
            "Content-Length: 99999999999999999999\r\n\r\n", "Transfer-Encoding: identity\r\n\r\nhello",
            "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        ])
    func smuggling(rest: String) throws {
        let server = try Server(in: home)
        let client = try home.dial(.http)
        try client.send(line("POST", to: server.origin) + rest + line("GET", "/smuggled", to: server.origin) + "\r\n")
        #expect(try answer(from: client).status == 400)
        #expect(try client.receiveAll().bytes.isEmpty)
        let old = try home.dial(.http)
        try old.send(
            "POST http://\(Home.wanHost):\(server.origin.port)/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        #expect(try answer(from: old).status == 400)
        #expect(server.heads.isEmpty)
    }

    @Test(
        "25: the grammar of heads and chunks is strict",
        arguments: [
            "Content-Length : 5\r\n\r\nhello", "X: y\nContent-Length: 5\r\n\r\nhello", "X: a\rb\r\n\r\n",
            "X: a\r\n folded\r\n\r\n", "X: \u{0}\r\n\r\n", "Host: second\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
        ])
    func grammar(rest: String) throws {
        let server = try Server(in: home)
        let client = try home.dial(.http)
        try client.send(line("POST", to: server.origin) + rest)
        #expect(try answer(from: client).status == 400)
        #expect(try client.receiveAll().bytes.isEmpty)
        try expectEcho(home, .http)
    }

    @Test("26: what is about one connection goes no further, in either direction")
    func hopByHop() throws {
        let server = try Server(in: home) { _ in
            "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
                + "Proxy-Authenticate: Basic\r\nTrailer: X\r\nUpgrade: h2c\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
        }
        let client = try home.dial(.http)
        try client.send(
            line(to: server.origin)
                + "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n"
                + "Proxy-Authorization: Basic eDp5\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: websocket\r\nX-End: 1\r\n\r\n"
        )
        let fields = try answer(from: client).fields
        #expect(fields == ["date": "d", "x-end": "2", "content-length": "0"])
        #expect(
            server.heads == ["GET / HTTP/1.1\r\nHost: \(Home.wanHost):\(server.origin.port)\r\nX-End: 1\r\n\r\n"])
    }

    @Test("26: a WebSocket is relayed as a tunnel, early bytes and half-close and all")
    func webSocket() throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            let head = try peer.receiveHead()
            guard head.contains("\r\nUpgrade: websocket\r\n"), head.contains("\r\nConnection: Upgrade\r\n") else {
                return
            }
            try peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello ")
            try peer.send(try peer.receiveToEnd())
        }
        let client = try home.dial(.http)
        try client.send(line(to: origin) + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly ")
        let head = try client.receiveHead()
        #expect(head == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        try client.send("and late")
        client.finish()
        #expect(String(decoding: try client.receiveToEnd(), as: UTF8.self) == "hello early and late")
    }

    @Test("27: nothing tells the origin of the client, or that there is a proxy")
    func anonymous() throws {
        let server = try Server(in: home)
        _ = try curl(
            "-H", "Via: 1.1 inner", "-H", "Forwarded: for=192.168.77.10", "-H", "X-Forwarded-For: 192.168.77.10",
            server.url)
        let head = try #require(server.heads.first).lowercased()
        for word in ["via", "forwarded", "192.168.77", "gatehouse", "proxy"] {
            #expect(!head.contains(word), "\(head)")
        }
    }

    @Test("28: Expect and the interim responses pass, and a client that waits for them sends its content")
    func expectContinue() throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            guard try peer.receiveHead().contains("\r\nExpect: 100-continue\r\n") else { return }
            try peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            let content = try peer.receive(exactly: 4)
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            try peer.send(content)
        }
        let client = try home.dial(.http)
        try client.send(line("PUT", to: origin) + "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        #expect(HTTP.parse(try client.receiveHead()).fields["link"] == "</a>")
        #expect(HTTP.parse(try client.receiveHead()).status == 100)
        try client.send("data")
        #expect(try answer(from: client).body == "data")
    }

    @Test("28: HEAD, 204 and 304 have no content, and the next response is taken for what it is")
    func withoutContent() throws {
        let server = try Server(in: home) { head in
            let status =
                head.hasPrefix("HEAD") ? "200 OK" : head.contains("/204") ? "204 No Content" : "304 Not Modified"
            return head.contains("/last")
                ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast" : "HTTP/1.1 \(status)\r\nContent-Length: 9\r\n\r\n"
        }
        let client = try home.dial(.http)
        for (method, path, status) in [("HEAD", "/", 200), ("GET", "/204", 204), ("GET", "/304", 304)] {
            try client.send(line(method, path, to: server.origin) + "\r\n")
            #expect(HTTP.parse(try client.receiveHead()).status == status)
        }
        try client.send(line("GET", "/last", to: server.origin) + "\r\n")
        #expect(try answer(from: client).body == "last")
    }

    @Test("28: content that ends with the connection ends so, and one that was cut short ends in a reset")
    func ends() throws {
        let mayEnd = DispatchSemaphore(value: 0)
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            switch try peer.receiveHead().split(separator: " ")[1] {
            case "/close": try peer.send("HTTP/1.1 200 OK\r\nDate: d\r\n\r\nall of it")
            case "/length": try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
            case "/chunked": try peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
            default:
                try peer.send("HTTP/1.1 200 OK\r\n\r\npart")
                mayEnd.wait()
                peer.resetAtClose()
            }
        }
        let whole = try home.dial(.http)
        try whole.send(line("GET", "/close", to: origin) + "\r\n")
        #expect(try whole.receiveHead() == "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\n")
        #expect(String(decoding: try whole.receiveToEnd(), as: UTF8.self) == "all of it")
        for path in ["/length", "/chunked", "/reset"] {
            let client = try home.dial(.http)
            try client.send(line("GET", path, to: origin) + "\r\n")
            _ = try client.receiveHead()
            let part = path == "/chunked" ? "4\r\npart\r\n" : "part"
            #expect(String(decoding: try client.receive(exactly: part.utf8.count), as: UTF8.self) == part)
            if path == "/reset" { mayEnd.signal() }
            let failure = #expect(throws: SocketFailure.self, "\(path)") { try client.receiveToEnd() }
            #expect(failure?.code == ECONNRESET, "\(path)")
        }
    }

    @Test("28: megabytes pass whole, whatever their framing, both ways at once, by curl's word")
    func megabytes() throws {
        let origin = try PythonOrigin(in: home)
        let file = home.directory + "/content"
        let content = Data((0..<6_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 11) })
        try content.write(to: URL(filePath: file))
        for fields in [["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"], []] {
            for kind in ["length", "chunked", "close"] {
                let arguments = ["-T", file, "-o", file + ".back"] + fields + ["\(origin.url)/\(kind)"]
                let outcome = try home.lan.attempt(["curl", "-sS", "-x", "http://192.168.77.1:3128"] + arguments)
                #expect(outcome.status == 0, "\(kind) \(fields): \(outcome)")
                #expect(try Data(contentsOf: URL(filePath: file + ".back")) == content, "\(kind) \(fields)")
            }
        }
        #expect(try curl("--http1.0", "\(origin.url)/chunked") == "nothing")
    }

    @Test("29: a request that would lead back to the proxy is refused, and Max-Forwards is honoured")
    func loops() throws {
        let server = try Server(in: home)
        for request in [
            "GET http://127.0.0.1:3128/", "GET http://\(Home.gatewayOnWAN):3128/",
            "GET http://\(Home.gatewayOnLAN):1080/",
            "CONNECT \(Home.gatewayOnLAN):3128",
        ] {
            let client = try home.dial(.http)
            try client.send("\(request) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try answer(from: client).status == 403, "\(request)")
        }
        // RFC 9110 §7.6: what the listener itself serves, it serves without a connection to itself.
        let own = try home.dial(.http)
        try own.send("GET http://\(Home.gatewayOnLAN):3128/ HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try answer(from: own).body.contains("/proxy.pac"))
        let client = try home.dial(.http)
        try client.send(line("TRACE", to: server.origin) + "Max-Forwards: 0\r\n\r\n")
        let trace = try answer(from: client)
        #expect(trace.status == 200 && trace.body.hasPrefix("TRACE http://"))
        try client.send(line("OPTIONS", to: server.origin) + "Max-Forwards: 0\r\n\r\n")
        #expect(try answer(from: client).fields["allow"]?.contains("CONNECT") == true)
        #expect(server.heads.isEmpty)
        try client.send(line("OPTIONS", to: server.origin) + "Max-Forwards: 3\r\n\r\n")
        #expect(try answer(from: client).status == 200)
        #expect(server.heads.count == 1 && server.heads[0].contains("\r\nMax-Forwards: 2\r\n"))
    }

    @Test("31: requests sent ahead are answered in order, over one connection to the origin")
    func pipelined() throws {
        let server = try Server(in: home) { head in
            let path = String(head.split(separator: " ")[1])
            return "HTTP/1.1 200 OK\r\nContent-Length: \(path.utf8.count)\r\n\r\n\(path)"
        }
        let client = try home.dial(.http)
        try client.send((1...50).map { line("GET", "/\($0)", to: server.origin) + "\r\n" }.joined())
        for number in 1...50 { #expect(try answer(from: client).body == "/\(number)") }
        #expect(server.connections == 1)
        // curl keeps its connection to the proxy as well.
        let urls = (1...3).map { "\(server.url)\($0)" }
        #expect(
            try curl("-w", "%{num_connects}", urls[0], urls[1], urls[2]) == "/11/20/30")
        // Another client's connection has connections to the origin of its own.
        #expect(server.connections == 2)
    }

    @Test("31: a connection to an origin is used again only if it is certain where the response ended")
    func certainty() throws {
        let server = try Server(in: home) { head in
            head.contains("/both")
                ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                : head.contains("/more")
                    ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"
                    : "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
        }
        let client = try home.dial(.http)
        for (index, path) in ["/both", "/more", "/old", "/both"].enumerated() {
            try client.send(line("GET", path, to: server.origin) + "\r\n")
            let head = try client.receiveHead()
            #expect(HTTP.parse(head).status == 200)
            if head.contains("chunked") { #expect(try client.receive(exactly: 5) == Array("0\r\n\r\n".utf8)) }
            #expect(server.connections == index + 1)
        }
    }

    @Test(
        "32: an origin that gives no answer is a 502, and the client's connection goes on",
        arguments: ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"])
    func noAnswer(response: String) throws {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            _ = try peer.receiveHead()
            try peer.send(response)
        }
        let client = try home.dial(.http)
        for _ in 1...2 {
            try client.send(line(to: origin) + "\r\n")
            let refusal = try answer(from: client)
            #expect(refusal.status == 502 && refusal.body.hasPrefix("\(Home.wanHost):\(origin.port) "))
        }
    }

    @Test(
        "32: a failure to connect has a status, a reason and what to do, and the client's connection goes on",
        arguments: [
            ("203.0.112.10:9", 502, "Connection refused"), ("192.0.3.1", 502, "unreachable"),
            ("nowhere.example", 502, "does not exist"), ("127.0.0.1", 403, "is not allowed"),
        ])
    func failures(authority: String, status: Int, reason: String) throws {
        let names = try NameServer(in: home.wan, Home.wanHost, [:])
        let client = try home.dial(.http)
        for _ in 1...2 {
            try client.send("GET http://\(authority)/ HTTP/1.1\r\nHost: x\r\n\r\n")
            let refusal = try answer(from: client)
            #expect(refusal.status == status && refusal.body.contains(reason), "\(refusal)")
            #expect(refusal.body.split(separator: "\n").count == 2, "\(refusal.body)")
        }
        withExtendedLifetime(names) {}
    }
}

/// A web server on the WAN that keeps its connections, and the heads of the requests that it got.
private final class Server: Sendable {
    private final class Log: Sendable {
        let heads = Mutex<[String]>([])
        let connections = Mutex(0)
    }

    let origin: Origin
    private let log: Log

    init(
        in home: Home,
        _ respond: @escaping @Sendable (String) -> String = { _ in
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        }
    ) throws {
        let log = Log()
        self.log = log
        origin = try Origin(in: home.wan, Home.wanHost) { peer in
            log.connections.withLock { $0 += 1 }
            while case let head = try peer.receiveHead(), !head.isEmpty {
                log.heads.withLock { $0.append(head) }
                try peer.send(respond(head))
            }
        }
    }

    var url: String { "http://\(Home.wanHost):\(origin.port)/" }
    var heads: [String] { log.heads.withLock { $0 } }
    var connections: Int { log.connections.withLock { $0 } }
}

/// Python's web server, which sends back what was uploaded, with the framing that the path names.
private final class PythonOrigin {
    let url: String
    private let program: RunningProgram

    init(in home: Home) throws {
        let script = """
            import http.server, socketserver
            class Handler(http.server.BaseHTTPRequestHandler):
                protocol_version = 'HTTP/1.1'
                def do_GET(self): self.answer(b'nothing')
                def do_PUT(self):
                    if self.headers.get('Transfer-Encoding') == 'chunked':
                        body = b''
                        while size := int(self.rfile.readline(), 16):
                            body += self.rfile.read(size)
                            self.rfile.readline()
                        self.rfile.readline()
                    else: body = self.rfile.read(int(self.headers['Content-Length']))
                    self.answer(body)
                def answer(self, body):
                    self.send_response(200)
                    if self.path == '/length': self.send_header('Content-Length', str(len(body)))
                    elif self.path == '/chunked': self.send_header('Transfer-Encoding', 'chunked')
                    else: self.close_connection = True
                    self.end_headers()
                    if self.path == '/chunked':
                        for start in range(0, len(body), 70001):
                            part = body[start:start + 70001]
                            self.wfile.write(b'%x\\r\\n' % len(part) + part + b'\\r\\n')
                        self.wfile.write(b'0\\r\\n\\r\\n')
                    else: self.wfile.write(body)
                def log_message(self, *arguments): pass
            server = socketserver.ThreadingTCPServer(('\(Home.wanHost)', 0), Handler)
            print(server.server_address[1], flush=True)
            server.serve_forever()
            """
        let program = try RunningProgram(["python3", "-c", script], in: home.wan, log: home.directory + "/origin.log")
        self.program = program
        guard eventually({ program.said.hasSuffix("\n") }), let port = Int(program.said.dropLast()) else {
            throw Failure("Python's web server does not start: \(program.said)")
        }
        url = "http://\(Home.wanHost):\(port)"
    }
}
