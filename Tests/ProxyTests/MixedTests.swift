import Address
import Foundation
import Policy
import Proxy
import Testing

private let alice = User(name: "alice", passwordHash: Password.hash(Array("se:cret x".utf8)).description)

/// One port for both proxies, told apart by the client's first byte.
@Suite(.timeLimit(.minutes(1))) struct MixedTests {
    private let opened = Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)

    private func success(_ origin: UInt16, of client: Peer) async throws -> Bool {
        try await client.receive(10).starts(with: [5, 0, 0, 1, 127, 0, 0, 1])
    }

    @Test func `Both are spoken on one port, and early bytes are tunnel data in both`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let socks = try await Peer.connect(to: gateway.mixed)
        try await socks.send([5, 1, 0])
        #expect(try await socks.receive(2) == [5, 0])
        try await socks.send(connect(loopback, origin.port) + Array("early".utf8))
        #expect(try await success(origin.port, of: socks))
        let first = try await origin.accept().peer
        #expect(try await first.receive(5) == Array("early".utf8))
        let http = try await Peer.connect(to: gateway.mixed)
        try await http.send(connectRequest("127.0.0.1:\(origin.port)") + "early")
        #expect(try await http.receive(opened.count) == opened)
        let second = try await origin.accept().peer
        #expect(try await second.receive(5) == Array("early".utf8))
    }

    @Test func `The first byte may come alone and late, and all others one by one`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let (socks, http) = (try await Peer.connect(to: gateway.mixed), try await Peer.connect(to: gateway.mixed))
        // Another session from beginning to end: by then these two have long been waited for.
        let other = try await Peer.connect(to: gateway.mixed)
        try await other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try await other.receiveAnswer().head.hasPrefix("HTTP/1.1 200 "))
        for byte in [5, 1, 0] as [UInt8] { try await socks.send([byte]) }
        #expect(try await socks.receive(2) == [5, 0])
        for byte in connect(loopback, origin.port) { try await socks.send([byte]) }
        #expect(try await success(origin.port, of: socks))
        for byte in connectRequest("127.0.0.1:\(origin.port)").utf8 { try await http.send([byte]) }
        #expect(try await http.receive(opened.count) == opened)
    }

    @Test func `A password is asked for in the words of each`() async throws {
        let gateway = try Gateway(authentication: .required, users: [alice])
        let origin = try Origin()
        let open = try await Peer.connect(to: gateway.mixed)
        try await open.send([5, 1, 0])
        #expect(try await open.receiveAll().bytes == [5, 0xff])
        let socks = try await Peer.connect(to: gateway.mixed)
        try await socks.send([5, 1, 2, 1, 5] + Array("alice".utf8) + [9] + Array("se:cret x".utf8))
        #expect(try await socks.receive(4) == [5, 2, 1, 0])
        try await socks.send(connect(loopback, origin.port))
        #expect(try await success(origin.port, of: socks))
        let http = try await Peer.connect(to: gateway.mixed)
        try await http.send(connectRequest("127.0.0.1:\(origin.port)"))
        #expect(try await http.receiveAnswer().head.hasPrefix("HTTP/1.1 407 "))
        let login = Data("alice:se:cret x".utf8).base64EncodedString()
        try await http.send(connectRequest("127.0.0.1:\(origin.port)", "Proxy-Authorization: Basic \(login)\r\n"))
        #expect(try await http.receive(opened.count) == opened)
    }

    @Test func `A byte that begins neither is answered as HTTP`() async throws {
        let gateway = try Gateway()
        for first in [0, 6, 0xff] as [UInt8] {
            let client = try await Peer.connect(to: gateway.mixed)
            try await client.send([first, 1, 0, 80, 127, 0, 0, 1, 0])
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 400 "), "\(first)")
        }
    }

    @Test func `There is one deadline, from the connection on, and silence ends without a word`() async throws {
        var limits = Relay.Limits()
        limits.handshake = .seconds(8)
        let gateway = try Gateway(limits: limits)
        let silent = try await Peer.connect(to: gateway.mixed)
        let (socks, http) = (try await Peer.connect(to: gateway.mixed), try await Peer.connect(to: gateway.mixed))
        // What is tested is the time itself: the byte is to come well before the deadline.
        try await Task.sleep(for: .seconds(5))
        let late = ContinuousClock.now
        try await socks.send([5])
        try await http.send("C")
        #expect(try await socks.receiveAll().bytes.isEmpty)
        #expect(try await http.receiveAnswer().head.hasPrefix("HTTP/1.1 408 "))
        // A deadline that began anew with the first byte would be 8 s after it. The right one is 3 s after it, or 4: the
        // relay is told of a silent client when TCP_DEFER_ACCEPT has waited for a second.
        #expect(ContinuousClock.now - late < .milliseconds(6500))
        #expect(try await silent.receiveAll().bytes.isEmpty)
    }

    @Test func `29 A loop to itself is refused in both`() async throws {
        let gateway = try Gateway()
        let http = try await Peer.connect(to: gateway.mixed)
        try await http.send(connectRequest("127.0.0.1:\(gateway.mixed)"))
        #expect(try await http.receiveAnswer().body.contains("it is a listener of this gateway"))
        let socks = try await Peer.connect(to: gateway.mixed)
        try await socks.send([5, 1, 0] + connect(loopback, gateway.mixed))
        #expect(try await socks.receiveAll().bytes == [5, 0] + failure(2))
    }
}
