import Address
import Foundation
import Policy
import Proxy
import Testing

private let alice = User(name: "alice", passwordHash: Password.hash(Array("se:cret x".utf8)).description)

/// Point 23 of what correct means for the proxies: origin-form on the proxy port serves PAC, and beside that what a device needs
/// to be set up (`PageTests`), and nothing else.
@Suite(.timeLimit(.minutes(1))) struct OwnAnswerTests {
    private func ask(_ port: UInt16, _ request: String) async throws -> (head: String, body: String) {
        let client = try await Peer.connect(to: port)
        try await client.send(request + " HTTP/1.1\r\nHost: gateway\r\n\r\n")
        return try await client.receiveAnswer()
    }

    @Test(arguments: ["/proxy.pac", "/wpad.dat", "/proxy.pac?x=1"])
    func `23 The PAC file names the listeners, the one that was asked first`(_ path: String) async throws {
        let gateway = try Gateway()
        for (port, other) in [(gateway.http, gateway.mixed), (gateway.mixed, gateway.http)] {
            let (head, body) = try await ask(port, "GET \(path)")
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(head.contains("\r\nContent-Type: application/x-ns-proxy-autoconfig\r\n"))
            #expect(head.contains("\r\nCache-Control: private, max-age=60\r\n"))
            let route =
                "PROXY 127.0.0.1:\(port); PROXY 127.0.0.1:\(other); SOCKS5 127.0.0.1:\(gateway.socks5)"
            #expect(body.contains("var route = \"\(route)\";"), "\(body)")
            // Whoever loses its proxy must not go on without.
            #expect(!route.contains("DIRECT"))
        }
    }

    @Test func `23 HEAD has the length of the file and no body`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("GET /proxy.pac HTTP/1.1\r\nHost: gateway\r\n\r\n")
        let whole = try await client.receiveAnswer()
        try await client.send("HEAD /proxy.pac HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        let answer = String(decoding: try await client.receiveAll().bytes, as: UTF8.self)
        #expect(answer == whole.head.replacing("keep-alive", with: "close"))
        #expect(whole.head.contains("\r\nContent-Length: \(whole.body.utf8.count)\r\n"))
    }

    /// It was refused, like all of the gateway's own: programs that take their proxy from the environment ask for everything through it.
    @Test(arguments: ["/proxy.pac", "/wpad.dat"])
    func `23 The PAC file is to be had through the proxy as well, byte for byte`(
        _ path: String
    ) async throws {
        let gateway = try Gateway()
        for port in [gateway.http, gateway.mixed] {
            let whole = try await ask(gateway.http, "GET \(path)")
            let client = try await Peer.connect(to: gateway.http)
            for method in ["GET", "HEAD"] {
                try await client.send("\(method) http://127.0.0.1:\(port)\(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                let head = try await client.receiveHead()
                #expect(head == whole.head)
                guard method == "GET" else { continue }
                #expect(try await client.receive(whole.body.utf8.count) == Array(whole.body.utf8))
            }
            try await client.send("GET http://127.0.0.1:\(port)/proxy.pac/ HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 404 "))
            try await client.send(connectRequest("127.0.0.1:\(port)"))
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 403 "))
        }
    }

    @Test func `23 No password is asked for the file, and SOCKS5 with one is left out: no browser has it`() async throws
    {
        let gateway = try Gateway(authentication: .required, users: [alice])
        let (head, body) = try await ask(gateway.http, "GET /proxy.pac")
        #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(body.contains("PROXY 127.0.0.1:\(gateway.http); PROXY 127.0.0.1:\(gateway.mixed)\";"))
    }

    @Test func `23 Whom the listener does not serve, it does not tell`() async throws {
        let gateway = try Gateway(clients: [Network("192.0.3.0/24")!])
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("GET /proxy.pac HTTP/1.1\r\nHost: gateway\r\n\r\n")
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 403 ") && !body.contains("FindProxyForURL"))
    }

    @Test(arguments: [
        "GET /index.html", "GET /proxy.pac/", "POST /", "GET /PROXY.PAC", "GET //proxy.pac", "POST /proxy.pac",
        "GET /%70roxy.pac",
    ])
    func `23 Every other origin-form request finds nothing`(_ request: String) async throws {
        for gateway in [try Gateway(), try Gateway(authentication: .required)] {
            let (head, body) = try await ask(gateway.http, request)
            #expect(head.hasPrefix("HTTP/1.1 404 Not Found\r\n") && body.contains("port of a proxy"))
        }
    }
}
