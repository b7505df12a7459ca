import Address
import Foundation
import Policy
import Reactor
import Testing

@testable import Proxy

/// What may be written in several ways, and what leads where nobody is, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct SpellingTests {
    /// As the operator's terminal sends it.
    private let users = [
        User(name: "j\u{f6}rg", passwordHash: Password.hash(Array("p\u{e4}ssw\u{f6}rd".utf8)).description)
    ]

    private static let spellings: [(name: [UInt8], password: [UInt8])] = [
        (Array("j\u{f6}rg".utf8), Array("p\u{e4}ssw\u{f6}rd".utf8)),
        // Decomposed, as Apple's systems have it; and Latin-1, as older browsers do.
        (Array("jo\u{308}rg".utf8), Array("pa\u{308}sswo\u{308}rd".utf8)),
        (
            Array("j".utf8) + [0xf6] + Array("rg".utf8),
            Array("p".utf8) + [0xe4] + Array("ssw".utf8) + [0xf6] + Array("rd".utf8)
        ),
    ]

    @Test(arguments: 0..<3) func `A name and a password beyond ASCII are right as each program spells them`(
        index: Int
    ) async throws {
        let gateway = try Gateway(authentication: .required, users: users)
        let origin = try Origin()
        let (name, password) = Self.spellings[index]
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send(
            [5, 1, 2, 1, UInt8(name.count)] + name + [UInt8(password.count)] + password + connect(loopback, origin.port)
        )
        #expect(try await client.receive(6) == [5, 2, 1, 0, 5, 0])
        let browser = try await Peer.connect(to: gateway.http)
        func login(_ password: [UInt8]) -> String {
            "Proxy-Authorization: Basic \(Data(name + [UInt8(ascii: ":")] + password).base64EncodedString())\r\n"
        }
        try await browser.send(connectRequest("127.0.0.1:\(origin.port)", login(password + [0x21])))
        #expect(try await browser.receiveAnswer().head.hasPrefix("HTTP/1.1 407 "))
        let other = try await Peer.connect(to: gateway.http)
        try await other.send(connectRequest("127.0.0.1:\(origin.port)", login(password)))
        #expect(try await other.receiveHead().hasPrefix("HTTP/1.1 200 "))
    }

    @Test func `Networks that are no place on the internet are refused, over each protocol`() async throws {
        let gateway = try Gateway()
        let echo = try Origin()
        for text in [
            "198.18.0.1", "198.19.255.254", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "240.0.0.1",
            "2001:db8::1",
            "3fff::1", "2001:2::1", "100::1", "64:ff9b::c612:1", "2002:c612:1::1",
        ] {
            let address = try #require(IPAddress(text))
            let authority = address.isIPv6 ? "[\(text)]:80" : "\(text):80"
            for request in [
                connectRequest(authority), "GET http://\(authority)/ HTTP/1.1\r\nHost: \(authority)\r\n\r\n",
            ] {
                let client = try await Peer.connect(to: gateway.http)
                try await client.send(request)
                #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 403 "), "\(authority)")
            }
            let client = try await gateway.greeted()
            try await client.send([5, 1, 0] + Self.bytes(address) + [0, 80])
            #expect(try await client.receiveAll().bytes.prefix(2) == [5, 2], "\(text)")
            // In brackets an address is no name.
            let named = try await gateway.greeted()
            try await named.send(connect(address.isIPv6 ? "[\(text)]" : text, 80))
            #expect(try await named.receiveAll().bytes.prefix(2) == [5, 2], "\(text)")
            let log = await gateway.relay.sessions[0].log(SessionLogQuery(leavesOutAllowed: true, limit: 100))
            #expect(log.entries.last?.verdict == .denied)
        }
        withExtendedLifetime(echo) {}
    }

    @Test func `An IPv6 address without brackets is no target, for nobody could tell its port`() async throws {
        let gateway = try Gateway()
        for target in ["2001:db8::10:443", "::1:80", "2001:db8::10"] {
            let client = try await Peer.connect(to: gateway.http)
            try await client.send(connectRequest(target))
            #expect(try await client.receiveAnswer().head.hasPrefix("HTTP/1.1 400 "), "\(target)")
        }
    }

    private static func bytes(_ address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let bits): [1] + (0..<4).map { UInt8(truncatingIfNeeded: bits >> (24 - 8 * $0)) }
        case .v6(let bits): [4] + (0..<16).map { UInt8(truncatingIfNeeded: bits >> (120 - 8 * $0)) }
        }
    }
}
