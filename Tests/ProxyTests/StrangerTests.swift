import Address
import Policy
import Testing

/// Clients that come to the wrong port, or say the right thing in a way of their own (RFC 1928 §3, RFC 8446 §6).
@Suite(.timeLimit(.minutes(1))) struct StrangerTests {
    /// What Tor answers: a person who set the wrong port sees a sentence, and which port is right.
    @Test(arguments: [
        "GET http://example.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\n\r\n",
    ])
    func `HTTP on a SOCKS port is told so, with the right port, and no reset overtakes it`(request: String) async throws
    {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(Array(request.utf8) + [UInt8](repeating: 7, count: 100_000))
        let (head, body) = try await client.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 501 "))
        #expect(body.contains("speaks SOCKS and no HTTP"))
        #expect(try await client.receiveAll().end == .fin)
    }

    @Test func `TLS on a SOCKS port and on an HTTP port gets an alert`() async throws {
        let gateway = try Gateway()
        let hello: [UInt8] = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3] + [UInt8](repeating: 9, count: 194)
        for port in [gateway.socks5, gateway.http, gateway.mixed] {
            let client = try await Peer.connect(to: port)
            try await client.send(hello)
            let (bytes, end) = try await client.receiveAll()
            #expect(bytes == [0x15, 3, 1, 0, 2, 2, 70] && end == .fin)
        }
    }

    @Test func `SOCKS on an HTTP port gets the refusal of its version`() async throws {
        let gateway = try Gateway()
        let five = try await Peer.connect(to: gateway.http)
        try await five.send([5, 1, 0])
        #expect(try await five.receiveAll().bytes == [5, 0xff])
        for port in [gateway.http, gateway.mixed] {
            let four = try await Peer.connect(to: port)
            try await four.send([4, 1, 0, 80, 127, 0, 0, 1, 0])
            #expect(try await four.receiveAll().bytes == [0, 91, 0, 0, 0, 0, 0, 0])
        }
    }

    /// OpenVPN and some libraries offer nothing but a password, and send one that nobody has set.
    @Test(arguments: [[5, 1, 2], [5, 2, 1, 2]] as [[UInt8]])
    func `A client that offers only a password is let in where none is asked for`(greeting: [UInt8]) async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(greeting + [1, 1, 0x78, 1, 0x79] + connect(loopback, origin.port))
        #expect(try await client.receive(6) == [5, 2, 1, 0, 5, 0])
    }

    @Test(
        arguments: [([5, 2, 2, 0], [5, 0]), ([5, 3, 0, 1, 2], [5, 0]), ([5, 1, 1], [5, 0xff])] as [([UInt8], [UInt8])])
    func `Where no password is asked for, none is what is chosen`(greeting: [UInt8], answer: [UInt8]) async throws {
        let gateway = try Gateway()
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(greeting)
        #expect(try await client.receive(2) == answer)
    }

    @Test(
        arguments: [
            ("[::1]", 2), ("::1", 2), ("[::ffff:127.0.0.1]", 0), ("[fe80::1%25eth0]", 1), ("[fe80::1%eth0]", 1),
            ("[]", 1),
            ("[127.0.0.1]", 1), ("[::1", 1), ("::1]", 1), ("[[::1]]", 1), ("[example.test]", 1),
        ] as [(String, UInt8)])
    func `An IPv6 address in the place of a name may have brackets, and is judged as that address`(
        text: String, code: UInt8
    ) async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let client = try await gateway.greeted()
        try await client.send(connect(text, origin.port))
        #expect(try await client.receive(2) == [5, code], "\(text)")
    }
}
