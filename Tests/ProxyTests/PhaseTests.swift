import Address
import Foundation
import Glibc
import Policy
import Reactor
import Testing

import class TestNetwork.Namespace

@testable import Proxy

/// How long each end of a session is waited for, and when what is over is passed on.
@Suite(.timeLimit(.minutes(1))) struct PhaseTests {
    let origin: Origin

    init() throws {
        origin = try Origin()
    }

    private func get() -> String { "GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: x\r\n\r\n" }

    private func gateway(_ edit: (inout Relay.Limits) -> Void) throws -> Gateway {
        var limits = Relay.Limits()
        edit(&limits)
        return try Gateway(limits: limits)
    }

    /// The end came when the upload did: up to 30 s later, or never for a client that sent a byte now and then.
    @Test func `41 The end of a response goes out at once, though the request is still being sent`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(
            "POST http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n0123456789")
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await server.send("HTTP/1.1 413 X\r\nDate: d\r\nConnection: close\r\n\r\nno\n")
        server.finish()
        let start = ContinuousClock.now
        let (bytes, end) = try await client.receiveAll()
        #expect(bytes.suffix(3).elementsEqual("no\n".utf8) && end == .fin)
        #expect(ContinuousClock.now - start < .seconds(5))
        // What the client still sends gets to the origin, which reads it.
        try await client.send("more")
        #expect(try await server.receive(14) == Array("0123456789more".utf8))
    }

    /// Interim responses moved the origin's deadline and not the client's, which passed, and the response was a reset.
    @Test func `40 A response that is late after interim ones gets to a client that is slow to take it`() async throws {
        let gateway = try gateway { $0.exchange = .seconds(1) }
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        for _ in 0..<3 {
            try await gateway.pause(.milliseconds(500))
            try await server.send("HTTP/1.1 102 P\r\n\r\n")
        }
        // More than the buffers between hold, so that some of it has to wait for the client.
        let content = [UInt8](repeating: 120, count: 16 << 20)
        let sent = Task {
            try await server.send("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: \(content.count)\r\n\r\n")
            try await server.send(content)
        }
        for _ in 0..<3 { #expect(try await client.receiveHead() == "HTTP/1.1 102 P\r\n\r\n") }
        _ = try await client.receiveHead()
        #expect(try await client.receive(content.count) == content)
        try await sent.value
    }

    /// Each byte of the head put the end off again: an origin could be waited for without end.
    @Test(arguments: [true, false])
    func `40 A head is waited for no longer than told, however slowly it comes`(_ isFinished: Bool) async throws {
        let gateway = try gateway { $0.exchange = .seconds(1) }
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        if isFinished { client.finish() }
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        let trickle = Task {
            for byte in "HTTP/1.1 200 OK, but not soon".utf8 {
                try await server.send([byte])
                try await gateway.pause(.milliseconds(300))
            }
        }
        #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 504 "))
        trickle.cancel()
        // The origin's connection has ended as well, long before the head would have.
        await #expect(throws: (any Error).self) { try await trickle.value }
    }

    /// BusyBox's wget sends its FIN with its request, and had 30 s from then on.
    @Test func `40 A client that has only sent its FIN gets its answer, however long that takes`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        client.finish()
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        // In a tunnel as well, of either protocol.
        let tunnels = [try await gateway.greeted(), try await Peer.connect(to: gateway.http)]
        try await tunnels[0].send(connect(loopback, origin.port))
        _ = try await tunnels[0].receive(10)
        try await tunnels[1].send(connectRequest("127.0.0.1:\(origin.port)"))
        _ = try await tunnels[1].receiveHead()
        var ends: [Peer] = []
        for tunnel in tunnels {
            try await tunnel.send("what?")
            tunnel.finish()
            ends.append(try await origin.accept().0)
        }
        for end in ends { #expect(try await end.receiveAll() == (Array("what?".utf8), .fin)) }
        try await gateway.pause(.seconds(31))
        try await server.send("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nok")
        #expect(try await client.receiveAnswer().body == "ok")
        for end in ends {
            try await end.send("that")
            end.finish()
        }
        for tunnel in tunnels { #expect(try await tunnel.receiveAll() == (Array("that".utf8), .fin)) }
    }

    @Test func `40 What nobody has set waits for no less than RFC 5382 says`() {
        let least = Duration.seconds(2 * 3600 + 4 * 60)
        let tunnels = TunnelLimits()
        #expect(tunnels.idle >= least && tunnels.halfOpen >= least && Relay.Limits().exchange >= least)
    }

    @Test func `40 A client may make a pause in what it sends, and not for ever; an origin may in what it answers`()
        async throws
    {
        let gateway = try gateway { $0.content = .seconds(1) }
        let client = try await Peer.connect(to: gateway.http)
        let request = "POST http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nda"
        try await client.send(request)
        let (first, _) = try await origin.accept()
        _ = try await first.receiveHead()
        let start = ContinuousClock.now
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 408 ") && body.contains("the content of the request took too long to arrive"))
        #expect(ContinuousClock.now - start >= .milliseconds(500))
        let other = try await Peer.connect(to: gateway.http)
        try await other.send(request)
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        try await other.send("ta")
        #expect(try await server.receive(4) == Array("data".utf8))
        try await gateway.pause(.milliseconds(1500))
        try await server.send("HTTP/1.1 200 OK\r\nDate: d\r\n\r\n")
        _ = try await other.receiveHead()
        try await gateway.pause(.milliseconds(1500))
        try await server.send("late")
        #expect(try await other.receive(4) == Array("late".utf8))
    }

    /// Nothing but silence tells of a machine that was switched off: the kernel has to ask.
    @Test func `40 The ends of an exchange are asked whether they are there`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, port) = try await origin.accept()
        _ = try await server.receiveHead()
        for end in [port, gateway.http] {
            let descriptor = try #require((0..<4096).first { portOf($0) == end && isConnected($0) })
            var (isKept, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &isKept, &length)
            #expect(isKept == 1)
        }
    }

    private func isConnected(_ descriptor: Int32) -> Bool {
        var (address, length) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) == 0 }
        }
    }

    @Test func `28 Interim responses are bounded in number`() async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        let flood = Task { while (try? await server.send("HTTP/1.1 103 Early Hints\r\n\r\n")) != nil {} }
        for _ in 0..<Relay.Limits().interims {
            #expect(try await client.receiveHead() == "HTTP/1.1 103 Early Hints\r\n\r\n")
        }
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 502 ") && body.contains("more than 100 interim responses"))
        await flood.value
    }

    @Test func `28 Interim responses do not put the end off for ever`() async throws {
        let gateway = try gateway {
            $0.exchange = .seconds(1)
            $0.interimTime = .seconds(1)
            $0.interims = .max
        }
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        let trickle = Task {
            while (try? await server.send("HTTP/1.1 102 P\r\n\r\n")) != nil {
                try await gateway.pause(.milliseconds(200))
            }
        }
        var head = ""
        repeat { head = try await client.receiveHead() } while head.hasPrefix("HTTP/1.1 102 ")
        #expect(head.hasPrefix("HTTP/1.1 504 "))
        try await trickle.value
    }

    /// The content was read over first, and a client that sent it slowly had its answer 10 s later.
    @Test(arguments: ["Transfer-Encoding: chunked", "Content-Length: 9000"])
    func `41 An answer of the proxy's own goes out at once, and then the content is read over`(
        _ framing: String
    ) async throws {
        let alice = User(name: "alice", passwordHash: Password.hash(Array("secret".utf8)).description)
        let gateway = try Gateway(authentication: .required, users: [alice])
        let client = try await Peer.connect(to: gateway.http)
        try await client.send("POST http://a.example/ HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n")
        for content in ["2328\r\n" + String(repeating: "x", count: 9000) + "\r\n0\r\n\r\n"] {
            let (head, _) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 407 ") && head.contains("\r\nConnection: keep-alive\r\n"))
            try await client.send(framing.hasPrefix("T") ? content : String(repeating: "x", count: 9000))
        }
        // Behind the content comes the next request.
        try await client.send(
            "GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: a\r\n"
                + "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveHead().hasPrefix("GET / "))
    }

    /// Behind a megabyte the connection was closed over what was unread, and the RST overtook the answer.
    @Test(arguments: [
        ("http://a.example/", "407"), ("http://127.0.0.1:1/", "502"), ("http://192.168.99.1/", "403"),
        ("https://a.example/", "501"),
        ("http://a b/", "400"), ("/", "404"),
    ])
    func `41 A client that sends all of its megabytes first reads its answer all the same`(
        _ target: String, _ status: String
    ) async throws {
        let gateway = try Gateway(authentication: status == "407" ? .required : .none)
        let client = try await Peer.connect(to: gateway.http)
        let content = [UInt8](repeating: 120, count: 16 << 20)
        try await client.send("POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: \(content.count)\r\n\r\n")
        try await client.send(content)
        let (head, _) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 \(status) ") && head.contains("\r\nConnection: close\r\n"))
        #expect(try await client.receiveAll() == ([], .fin))
    }

    @Test func `41 A bandwidth limit does not hold the end of a response back`() async throws {
        let gateway = try Gateway(quotas: [Limit(subject: .eachClient, bandwidth: 20_000)])
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get().replacing("Host", with: "Connection: close\r\nHost"))
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        // The last bytes are beyond what may move at once.
        let content = [UInt8](repeating: 120, count: 100_000)
        try await server.send("HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: \(content.count)\r\n\r\n")
        try await server.send(content)
        _ = try await client.receiveHead()
        _ = try await client.receive(content.count)
        let start = ContinuousClock.now
        #expect(try await client.receiveAll() == ([], .fin))
        #expect(ContinuousClock.now - start < .milliseconds(500))
    }

    /// The surroundings are read now and then. A box that got an address a moment ago let clients in to its own services by it.
    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace with an address of its own"))
    func `33 An address of the box's own is refused though the policy does not know it yet`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "set", "lo", "up")
        try network.run("ip", "addr", "add", "192.0.3.7/32", "dev", "lo")
        let service = try network.enter { try ListeningSocket.tcp(.v4(0xc000_0307, port: 0)) }
        let port = try ListeningSocket.address(of: service).port
        let gateway = try Gateway(network: network)
        let client = try await gateway.greeted()
        try await client.send(connect(0xc000_0307, port))
        #expect(try await client.receiveAll().bytes == failure(2))
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("192.0.3.7:\(port)"))
        #expect(try await browser.receiveAnswer().body.contains("it is an address of this gateway"))
        // An operator may want it all the same.
        let open = try Gateway(
            rules: [Rule(id: 1, action: .allow, destination: Network("192.0.3.7/32")!)], network: network)
        let welcome = try await open.greeted()
        try await welcome.send(connect(0xc000_0307, port))
        #expect(try await welcome.receive(2) == [5, 0])
    }

    /// What has come over TLS was looked for below it, where there is only what is encrypted.
    @Test func `A connection behind TLS is read on a client's behalf, and known to be quiet, as any other`()
        async throws
    {
        let server = try TLSServer(
            CertificateAuthority.issue(
                for: CertificateNames(names: ["gateway"], addresses: []), by: SecureGateway.authority.get(), at: now))
        let reactor = try Reactor(counters: Counters())
        Thread.detachNewThread { reactor.run() }
        defer { reactor.stop() }
        let near = try await Peer.connect(to: origin.port)
        let (far, _) = try await origin.accept()
        let heard = Task {
            await withCheckedContinuation { (done: CheckedContinuation<String, Never>) in
                reactor.spawn { reactor in
                    let address = Endpoint.v4(loopback, port: 1)
                    func connection(_ peer: Peer) -> Connection {
                        let descriptor = Descriptor(adopting: dup(peer.descriptor))
                        _ = fcntl(descriptor.number, F_SETFL, O_NONBLOCK)
                        return Connection(origin: Socket(adopting: descriptor, on: reactor), at: address)
                    }
                    let (secured, client) = (connection(far), connection(near))
                    let layer = server.layer(over: secured.socket.descriptor, outbox: Outbox())!
                    secured.socket.secure(with: layer)
                    do throws(Errno) {
                        try await secured.socket.shakeHands()
                        _ = try await secured.fill(for: client)
                        let text = String(decoding: secured.inbox.unread, as: UTF8.self)
                        done.resume(returning: secured.socket.isQuiet(isProbed: true) ? text : "\(text), and more")
                    } catch {
                        done.resume(returning: "\(error)")
                    }
                }
            }
        }
        let peer = try await TLSPeer.over(near)
        try await peer.send("plain")
        #expect(await heard.value == "plain")
    }
}

extension Gateway {
    /// Lets the gateway's clock run, by which deadlines go.
    fileprivate func pause(_ duration: Duration) async throws {
        try Task.checkCancellation()
        await withCheckedContinuation { done in
            reactor.spawn { reactor in
                await reactor.sleep(for: duration)
                done.resume()
            }
        }
    }
}
