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
    @Test func `40 A client that has said its last waits for a head no longer than told, however slowly it comes`()
        async throws
    {
        let gateway = try gateway { $0.halfOpen = .seconds(1) }
        let client = try await Peer.connect(to: gateway.http)
        try await client.send(get())
        client.finish()
        let (server, _) = try await origin.accept()
        _ = try await server.receiveHead()
        let trickle = Task {
            for byte in "HTTP/1.1 200 OK, but not soon".utf8 {
                try await server.send([byte])
                try await gateway.pause(.milliseconds(300))
            }
        }
        _ = try await client.receiveAll()
        trickle.cancel()
        // The origin's connection has ended as well, long before the head would have.
        await #expect(throws: (any Error).self) { try await trickle.value }
    }

    /// The surroundings are read now and then. A box that got an address a moment ago let clients in to its own services by it.
    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace with an address of its own"))
    func `33 An address of the box's own is refused though the policy does not know it yet`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "set", "lo", "up")
        try network.run("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
        let service = try network.enter { try ListeningSocket.tcp(.v4(0xc000_0207, port: 0)) }
        let port = try ListeningSocket.address(of: service).port
        let gateway = try Gateway(network: network)
        let client = try await gateway.greeted()
        try await client.send(connect(0xc000_0207, port))
        #expect(try await client.receiveAll().bytes == failure(2))
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("192.0.2.7:\(port)"))
        #expect(try await browser.receiveAnswer().body.contains("it is an address of this gateway"))
        // An operator may want it all the same.
        let open = try Gateway(
            rules: [Rule(id: 1, action: .allow, destination: Network("192.0.2.7/32")!)], network: network)
        let welcome = try await open.greeted()
        try await welcome.send(connect(0xc000_0207, port))
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
                        _ = try await secured.fill(for: client, within: .seconds(1))
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
