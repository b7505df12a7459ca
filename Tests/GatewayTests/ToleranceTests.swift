import Foundation
import Synchronization
import TestNetwork
import Testing

/// What clients and servers of the field send, with clients of the field, over the real processes; the numbers are those of the project's
/// list.
@Suite("The HTTP proxy takes what the field sends", .enabled(if: isRoot, "needs root: network namespaces"))
struct ToleranceTests {
    let home: Home
    private let origins = Origins()

    init() throws { home = try Home.ready() }

    private func run(_ command: String..., proxy: String = "http://192.168.77.1:3128") throws -> String {
        let outcome = try home.lan.attempt(["env", "http_proxy=\(proxy)", "https_proxy=\(proxy)"] + command)
        guard outcome.status == 0 else { throw Failure("\(command.map { $0.prefix(200) }): \(outcome)") }
        return outcome.output
    }

    /// An origin that answers each connection once, and the heads that it got.
    private func url(answering answer: String, heads: Mailbox = Mailbox()) throws -> String {
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            heads.put(try peer.receiveHead())
            try peer.send(answer)
        }
        origins.list.append(origin)
        return "http://\(Home.wanHost):\(origin.port)/"
    }

    @Test("37: curl sends bytes that no target may have, and a user where none is passed on")
    func targets() throws {
        let heads = Mailbox()
        let url = try url(answering: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", heads: heads)
        #expect(try run("curl", "-sS", url + "t\u{f6}?q=\u{e9}") == "hello")
        #expect(heads.take().hasPrefix("GET /t%C3%B6?q=%C3%A9 HTTP/1.1\r\n"))
        // curl takes the user out of the target, and luasocket leaves it there.
        let client = try home.dial(.http)
        try client.send(
            "GET \(url.replacing("://", with: "://al:s3cret@"))x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWw6czNjcmV0\r\n\r\n"
        )
        #expect(HTTP.parse(try client.receiveHead()).status == 200)
        let head = heads.take()
        #expect(head.hasPrefix("GET /x HTTP/1.1\r\nHost: \(Home.wanHost):") && !head.contains("s3cret"))
        #expect(try !home.ctl("session", "list").contains("s3cret"))
    }

    @Test("37: CONNECT without Host opens its tunnel")
    func connect() throws {
        let url = try url(answering: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        let client = try home.dial(.http)
        try client.send("CONNECT \(url.dropFirst(7).dropLast()) HTTP/1.1\r\n\r\nGET \(url) HTTP/1.1\r\n\r\n")
        #expect(HTTP.parse(try client.receiveHead()).status == 200)
        #expect(HTTP.parse(try client.receiveHead()).fields["content-length"] == "5")
    }

    @Test(
        "38: curl understands what servers of the field answer",
        arguments: [
            "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "ICY 200 OK\r\nicy-name: x\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
            "\r\nHTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5   \r\nhello\r\n0   \r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000005\r\nhello\r\n000000000000000000\r\n\r\n",
            "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
        ])
    func responses(answer: String) throws {
        let url = try url(answering: answer)
        #expect(try run("curl", "-sS", "--fail", url) == "hello")
        #expect(try run("curl", "-sS", "--fail", "--http1.0", url) == "hello")
    }

    @Test("38: a 502 names the line that is no field")
    func line() throws {
        let url = try url(answering: "HTTP/1.1 200 OK\r\nDate: d\r\nno field\r\n\r\n")
        #expect(try run("curl", "-sS", url).contains(#"line 3 of its head is "no field""#))
    }

    @Test("39: long addresses and large cookies pass")
    func sizes() throws {
        let heads = Mailbox()
        let cookie = String(repeating: "c", count: 60_000)
        let url = try url(
            answering: "HTTP/1.1 200 OK\r\nSet-Cookie: \(cookie)\r\nContent-Length: 5\r\n\r\nhello", heads: heads)
        let path = String(repeating: "a", count: 60_000)
        #expect(try run("curl", "-sS", "--fail", "-H", "Cookie: \(cookie)", url + path) == "hello")
        let head = heads.take()
        #expect(head.hasPrefix("GET /\(path) ") && head.contains("\r\nCookie: \(cookie)\r\n"))
    }

    @Test(
        "40: BusyBox's wget, which sends its FIN with its request, gets what it asked for",
        arguments: ["", "0123456789"])
    func halfClose(content: String) throws {
        let url = try url(answering: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        let post = content.isEmpty ? [] : ["--post-data", content]
        let outcome = try home.lan.attempt(
            ["env", "http_proxy=http://192.168.77.1:3128", "busybox", "wget", "-q", "-O", "-"] + post + [url])
        #expect(outcome.output == "hello", "\(outcome)")
    }

    @Test("41: curl reads its 407 in the midst of its upload")
    func refusal() throws {
        try home.ctl("listener", "add", "http", "192.168.77.1:3129", "--auth", "required", "--interface", "lan0")
        let file = home.directory + "/upload"
        try Data(repeating: 120, count: 16 << 20).write(to: URL(filePath: file))
        for (path, framing) in [("/a", "Transfer-Encoding: chunked"), ("/b", "X: y")] {
            let status = try run(
                "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "-H", framing, "-T", file,
                "http://\(Home.wanHost)\(path)", proxy: "http://192.168.77.1:3129")
            #expect(status == "407")
        }
    }

    @Test("42: what one client leaves on a connection to an origin, no other one meets")
    func separation() throws {
        let count = Count()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in
            count.connections.withLock { $0 += 1 }
            // It reads no content, as many a server of files.
            while case let head = try peer.receiveHead(), !head.isEmpty {
                try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(head.utf8.count)\r\n\r\n\(head)")
            }
        }
        let url = "http://\(Home.wanHost):\(origin.port)/"
        for _ in 1...20 {
            let attacker = try home.dial(.http)
            let content = "GET /evil HTTP/1.1\r\nX: "
            try attacker.send(
                "POST \(url) HTTP/1.1\r\nHost: x\r\nContent-Length: \(content.utf8.count)\r\n\r\n\(content)")
            #expect(HTTP.parse(try attacker.receiveHead()).status == 200)
            #expect(try run("curl", "-sS", "-H", "Cookie: secret", url + "mine").hasPrefix("GET /mine "))
        }
        #expect(count.connections.withLock { $0 } == 40)
    }

    @Test("23: the gateway's PAC file is to be had through the gateway")
    func autoConfiguration() throws {
        let direct = try run("curl", "-sS", "--fail", "--noproxy", "*", "http://192.168.77.1:3128/proxy.pac")
        #expect(direct.contains("FindProxyForURL"))
        #expect(try run("curl", "-sS", "--fail", "http://192.168.77.1:3128/proxy.pac") == direct)
        let guide = try run("curl", "-sS", "--fail", "--noproxy", "*", "http://192.168.77.1:3128/")
        #expect(try run("curl", "-sS", "--fail", "http://192.168.77.1:3128/") == guide)
        // The SOCKS port serves neither.
        let refusal = try run("curl", "-sS", "http://192.168.77.1:1080/proxy.pac")
        #expect(refusal.contains("No proxy leads to itself"), "\(refusal)")
    }
}

/// Servers that are there until the test is over.
private final class Origins {
    var list: [Origin] = []
}

private final class Count: Sendable {
    let connections = Mutex(0)
}
