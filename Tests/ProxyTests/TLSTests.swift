import Address
import Foundation
import Glibc
import Policy
import Testing

@testable import Proxy

/// Points 1 to 4 where the client speaks TLS: what is a FIN to others is close_notify here. Each runs with and without
/// splicing, which no direction may do that has TLS at an end; and the long ones with TLS 1.2 too.
@Suite(.timeLimit(.minutes(2))) struct TLSTests {
    private static let versions: [Int32] = [0x0303, 0x0304]

    @Test(arguments: [true, false])
    func `1 After the client's close_notify the origin goes on`(splices: Bool) async throws {
        let gateway = try SecureGateway(splices: splices)
        let (client, origin) = try await gateway.tunnel()
        try await client.send("request")
        client.finish()
        #expect(try await origin.receiveAll() == (Array("request".utf8), .fin))
        let answer = noise(3_000_001)
        let sent = Task {
            try await origin.send(answer)
            origin.finish()
        }
        let received = try await client.receiveAll()
        try await sent.value
        #expect(received.end == .closed && received.bytes == answer)
    }

    @Test(arguments: [true, false])
    func `1 The origin's FIN is close_notify, and the client may go on`(splices: Bool) async throws {
        let gateway = try SecureGateway(splices: splices)
        let (client, origin) = try await gateway.tunnel()
        try await origin.send(Array("greeting".utf8))
        origin.finish()
        let greeting = try await client.receiveAll()
        #expect(greeting.end == .closed && greeting.bytes == Array("greeting".utf8))
        let upload = noise(3_000_001)
        let sent = Task { try await client.converse(sending: upload, receiving: 0, finishes: true) }
        let received = try await origin.receiveAll()
        _ = try await sent.value
        #expect(received.end == .fin && received.bytes == upload)
    }

    @Test(arguments: versions)
    func `2 A client's FIN without close_notify is a reset, after all that came before it`(version: Int32) async throws
    {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel(version: version)
        try await client.send("half a mess")
        client.truncate()
        #expect(try await origin.receive(11) == Array("half a mess".utf8))
        #expect(try await origin.receiveAll().end == .reset)
    }

    @Test func `2 A client's RST is a reset`() async throws {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel()
        try await client.send("half a mess")
        #expect(try await origin.receive(11) == Array("half a mess".utf8))
        client.reset()
        #expect(try await origin.receiveAll().end == .reset)
    }

    @Test(arguments: [true, false])
    func `2 An origin's RST is no close_notify`(splices: Bool) async throws {
        let gateway = try SecureGateway(splices: splices)
        let (client, origin) = try await gateway.tunnel()
        let half = noise(300_000)
        try await origin.send(half)
        #expect(try await client.receive(half.count) == half)
        origin.resetOnClose()
        let end = try await client.receiveAll()
        #expect(end.bytes.isEmpty && end.end == .reset)
    }

    @Test func `3 What follows the head in the same record is tunnel data`() async throws {
        let gateway = try SecureGateway()
        let origin = try Origin()
        let client = try await TLSPeer.connect(to: gateway.port)
        let early = String(repeating: "early ", count: 1000)
        try await client.send(connectRequest("127.0.0.1:\(origin.port)") + early)
        client.finish()
        let (server, _) = try await origin.accept()
        #expect(try await server.receiveAll() == (Array(early.utf8), .fin))
    }

    @Test(arguments: versions, [true, false])
    func `4 Both ways at once everything arrives`(version: Int32, splices: Bool) async throws {
        let gateway = try SecureGateway(splices: splices)
        let (client, origin) = try await gateway.tunnel(version: version)
        let (up, down) = (noise(6_000_003), noise(9_000_017))
        let sent = Task {
            try await origin.send(down)
            origin.finish()
        }
        let received = Task { try await origin.receiveAll() }
        let atClient = try await client.converse(sending: up, receiving: .max, finishes: true)
        try await sent.value
        let atOrigin = try await received.value
        #expect(atClient.end == .closed && atClient.bytes == down)
        #expect(atOrigin.end == .fin && atOrigin.bytes == up)
    }

    /// A change of keys makes the reader of records write one (RFC 8446 §4.6.3).
    @Test func `4 Keys may change on the way`() async throws {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel()
        let (up, down) = (noise(8_000_003), noise(8_000_017))
        let sent = Task {
            try await origin.send(down)
            origin.finish()
        }
        let received = Task { try await origin.receiveAll() }
        let atClient = try await client.converse(
            sending: up, receiving: .max, finishes: true, rekeysEvery: 50_000)
        try await sent.value
        #expect(atClient.end == .closed && atClient.bytes == down)
        #expect(try await received.value.bytes == up)
    }

    @Test func `4 A slow reader gets everything, and only then the end`() async throws {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel()
        let down = noise(9_000_017)
        let sent = Task {
            try await origin.send(down)
            origin.finish()
        }
        #expect(try await receiveSlowly(down.count, from: client) == down)
        try await sent.value
        #expect(try await client.receiveAll().end == .closed)
    }

    private func receiveSlowly(_ count: Int, from client: TLSPeer) async throws -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            all += try await client.receive(min(100_003, count - all.count))
            usleep(1000)
        }
        return all
    }

    /// Records were taken for 16 KiB each: of a client with shorter ones more counted as sent than there was.
    @Test(arguments: zip(versions, [1, 4] as [UInt8]))
    func `4 A slow reader of short records gets everything, and what it sends meanwhile arrives`(
        version: Int32, fragments: UInt8
    ) async throws {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel(version: version, fragments: fragments)
        let (up, down) = (noise(1_000_003), noise(9_000_017))
        let sent = Task {
            try await origin.send(down)
            origin.finish()
        }
        let received = Task { try await origin.receive(up.count) }
        // The origin's first bytes are on their way, and nobody takes them before all of these have arrived.
        try await client.send(up)
        #expect(try await received.value == up)
        #expect(try await receiveSlowly(down.count, from: client) == down)
        try await sent.value
        #expect(try await client.receiveAll().end == .closed)
    }

    @Test func `Bandwidth is held to both ways inside TLS, and all arrives`() async throws {
        let gateway = try SecureGateway()
        let rate = 1_000_000
        gateway.change { $0.limits = [Limit(subject: .eachClient, bandwidth: rate)] }
        let (client, origin) = try await gateway.tunnel()
        let (up, down) = (noise(2 * rate), noise(2 * rate))
        let began = ContinuousClock.now
        let sent = Task { try await origin.send(down) }
        let received = Task { try await origin.receive(up.count) }
        let atClient = try await client.converse(sending: up, receiving: down.count)
        try await sent.value
        #expect(try await received.value == up)
        #expect(atClient.bytes == down)
        // A quarter of a second's worth goes at once, and either way has a bucket of its own.
        let elapsed = ContinuousClock.now - began
        #expect(elapsed > .milliseconds(1600) && elapsed < .seconds(4), "\(elapsed)")
    }

    /// Content that comes faster than the client takes it has to wait inside the layer, and be woken from there.
    @Test func `A plain request is forwarded whole, however slowly the client reads`() async throws {
        let gateway = try SecureGateway()
        let origin = try Origin()
        let client = try await TLSPeer.connect(to: gateway.port)
        let (up, down) = (noise(3_000_001), noise(6_000_017))
        let at = "127.0.0.1:\(origin.port)"
        let head = "POST http://\(at)/ HTTP/1.1\r\nHost: \(at)\r\nContent-Length: \(up.count)\r\n\r\n"
        let served = Task {
            let (server, _) = try await origin.accept()
            #expect(try await server.receiveHead().hasPrefix("POST / HTTP/1.1\r\n"))
            #expect(try await server.receive(up.count) == up)
            try await server.send("HTTP/1.1 200 OK\r\nContent-Length: \(down.count)\r\n\r\n")
            try await server.send(down)
        }
        try await client.send(Array(head.utf8) + up)
        var answer: [UInt8] = []
        while !answer.suffix(4).elementsEqual("\r\n\r\n".utf8) { answer += try await client.receive(1) }
        #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
        var body: [UInt8] = []
        while body.count < down.count {
            body += try await client.receive(min(100_003, down.count - body.count))
            usleep(1000)
        }
        try await served.value
        #expect(body == down)
    }

    @Test func `Whoever speaks HTTP in the clear is told to speak TLS`() async throws {
        let gateway = try SecureGateway()
        for request in [
            connectRequest("example.org:443"), "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
        ] {
            let client = try await Peer.connect(to: gateway.port)
            try await client.send(request)
            let (head, body) = try await client.receiveAnswer()
            #expect(head.hasPrefix("HTTP/1.1 400 ") && body.contains("https://"))
            #expect(try await client.receiveAll().end == .fin)
        }
    }

    @Test func `Whoever speaks something else, or nothing, is let go of in time`() async throws {
        var limits = Relay.Limits()
        limits.handshake = .milliseconds(300)
        limits.farewell = .milliseconds(300)
        let gateway = try SecureGateway(limits: limits)
        // A ClientHello that is announced and never comes; SOCKS5; silence.
        for bytes in [[0x16, 3, 1, 2, 0, 1] as [UInt8], [5, 1, 0], []] {
            let client = try await Peer.connect(to: gateway.port)
            if !bytes.isEmpty { try await client.send(bytes) }
            let rest = try await client.receiveAll()
            #expect(rest.bytes.count < 16, "\(bytes)")
        }
    }

    @Test func `A listener that has nothing to show turns clients away, and takes them once it has`() async throws {
        let gateway = try SecureGateway(hasCertificate: false)
        let early = try await Peer.connect(to: gateway.port)
        #expect(try await early.receiveAll().end == .reset)
        try gateway.renew()
        let (client, origin) = try await gateway.tunnel()
        try await client.send("hello")
        #expect(try await origin.receive(5) == Array("hello".utf8))
    }

    @Test func `A session goes on while the certificate is replaced under it`() async throws {
        let gateway = try SecureGateway()
        let (client, origin) = try await gateway.tunnel()
        for round in 0..<20 {
            try gateway.renew()
            try await client.send("\(round % 10)")
            #expect(try await origin.receive(1) == Array("\(round % 10)".utf8))
        }
    }
}

/// Bytes without a pattern that a mistake of position could hide in.
private func noise(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
}

extension Peer {
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), descriptor)
    }
}
