import Foundation
import Glibc
import TestNetwork
import Testing

@Suite("SOCKS5 as RFC 1928 and RFC 1929 have it", .enabled(if: isRoot, "needs root: network namespaces"))
struct SOCKS5Tests {
    let home: Home

    init() throws { home = try Home.ready() }

    /// The reply to a request without authentication, and whether the connection is closed after it.
    private func ask(_ request: [UInt8]) throws -> (reply: SOCKS5.Reply, client: Peer) {
        let client = try home.dial(.socks5)
        try client.send([5, 1, 0])
        #expect(try client.receive(exactly: 2) == [5, 0])
        try client.send(request)
        return (try SOCKS5.reply(from: client), client)
    }

    @Test(
        "8: the reply has the real reason, and the connection ends with it",
        arguments: [
            ("203.0.112.10", UInt8(5)),  // nothing listens there
            ("198.51.101.1", 4),  // the gateway has a route that says unreachable
            ("192.0.3.1", 3),  // the gateway has no route
            ("127.0.0.1", 2),  // not allowed
            ("nowhere.example", 4),
        ])
    func reasons(host: String, code: UInt8) throws {
        let names = try NameServer(in: home.wan, Home.wanHost, [:])
        let (reply, client) = try ask(SOCKS5.connect(host, 9))
        #expect(reply.code == code)
        #expect(try client.receiveToEnd() == [])
        withExtendedLifetime(names) {}
    }

    @Test("8, 9: success is replied after the dial, with the address that the origin sees")
    func bound() throws {
        let seen = Mailbox()
        let origin = try Origin(in: home.wan, Home.wanHost) { peer in seen.put(peer.farEnd) }
        let (reply, _) = try ask(SOCKS5.connect(Home.wanHost, origin.port))
        #expect(reply.code == 0)
        #expect(reply.bound == seen.take())
        #expect(reply.bound.hasPrefix("\(Home.gatewayOnWAN):"))
    }

    @Test("an IPv6 origin is reached by its address")
    func ipv6() throws {
        let origin = try echo(in: home, Home.wanHost6)
        let (reply, client) = try ask(SOCKS5.connect(Home.wanHost6, origin.port))
        #expect(reply.code == 0)
        #expect(reply.bound.hasPrefix("2001:db9:113::1:"))
        try client.send("six")
        #expect(try client.receive(exactly: 3) == Array("six".utf8))
    }

    @Test("10: an unknown command is replied to with 7, an unknown address type with 8")
    func unknown() throws {
        #expect(try ask(SOCKS5.connect(Home.wanHost, 80, command: 9)).reply.code == 7)
        #expect(try ask([5, 1, 0, 7, 1, 2, 3, 4, 0, 80]).reply.code == 8)
    }

    @Test("10: no acceptable method is said so")
    func noMethod() throws {
        let client = try home.dial(.socks5)
        try client.send([5, 2, 1, 0x80])
        #expect(try client.receiveToEnd() == [5, 0xff])
    }

    @Test("11: a request may arrive byte by byte")
    func byByte() throws {
        let origin = try echo(in: home)
        let client = try home.dial(.socks5)
        for byte in [5, 1, 0] { try client.send([UInt8(byte)]) }
        #expect(try client.receive(exactly: 2) == [5, 0])
        for byte in SOCKS5.connect(Home.wanHost, origin.port) { try client.send([byte]) }
        #expect(try SOCKS5.reply(from: client).code == 0)
    }

    @Test(
        "12: names that are none are refused", arguments: ["", "a\0b", "ü.example", String(repeating: "a", count: 255)])
    func badNames(name: String) throws {
        let client = try home.dial(.socks5)
        try client.send([5, 1, 0])
        #expect(try client.receive(exactly: 2) == [5, 0])
        try client.send([5, 1, 0, 3, UInt8(name.utf8.count)] + name.utf8 + [0, 80])
        let reply = try client.receive(exactly: 2)
        #expect(reply.count == 2 && reply[0] == 5 && reply[1] != 0, "\(reply)")
        try expectEcho(home, .socks5)
    }

    @Test("12: an address that comes as a name is that address, for rules too")
    func literal() throws {
        let origin = try echo(in: home)
        let port = [UInt8(origin.port >> 8), UInt8(origin.port & 0xff)]
        func name(_ text: String) -> [UInt8] { [5, 1, 0, 3, UInt8(text.utf8.count)] + text.utf8 + port }
        #expect(try ask(name(Home.wanHost)).reply.code == 0)
        #expect(try ask(name("127.0.0.1")).reply.code == 2)
        #expect(try ask(name("192.168.77.1")).reply.code == 2)
        try home.ctl("rule", "add", "deny", "--to", "203.0.112.10/32")
        #expect(try ask(name(Home.wanHost)).reply.code == 2)
    }

    @Test("12: case and a trailing dot make no other name of it")
    func normalised() throws {
        let names = try NameServer(in: home.wan, Home.wanHost, ["origin.test": [[Home.wanHost]]])
        let origin = try echo(in: home)
        for name in ["origin.test", "ORIGIN.Test", "origin.test."] {
            #expect(try ask(SOCKS5.connect(name, origin.port)).reply.code == 0, "\(name)")
        }
        withExtendedLifetime(names) {}
    }

    @Test("13: a wrong password is said so, then the connection ends; the right one works; neither is in the log")
    func password() throws {
        try home.ctl("user", "add", "alice", "--password-stdin", input: "correct horse\n")
        try home.ctl("listener", "add", "socks5", "192.168.77.1:1081", "--auth", "required", "--interface", "lan0")
        let origin = try echo(in: home)
        func login(_ password: String) throws -> (status: [UInt8], client: Peer) {
            let client = try Peer(to: Home.gatewayOnLAN, 1081, from: home.lan)
            try client.send([5, 2, 0, 2])
            #expect(try client.receive(exactly: 2) == [5, 2])
            try client.send([1, 5] + "alice".utf8 + [UInt8(password.utf8.count)] + password.utf8)
            return (try client.receive(exactly: 2), client)
        }
        let wrong = try login("battery staple")
        #expect(wrong.status.first == 1 && wrong.status.last != 0)
        #expect(try wrong.client.receiveToEnd() == [])

        let right = try login("correct horse")
        #expect(right.status == [1, 0])
        try right.client.send(SOCKS5.connect(Home.wanHost, origin.port))
        #expect(try SOCKS5.reply(from: right.client).code == 0)

        let anonymous = try Peer(to: Home.gatewayOnLAN, 1081, from: home.lan)
        try anonymous.send([5, 1, 0])
        #expect(try anonymous.receiveToEnd() == [5, 0xff])

        let log = home.daemon?.said ?? ""
        #expect(!log.contains("battery") && !log.contains("horse"))
    }
}

/// A string from another thread.
final class Mailbox: @unchecked Sendable {
    private var text = ""
    private let isFull = DispatchSemaphore(value: 0)

    func put(_ text: String) {
        self.text = text
        isFull.signal()
    }

    func peek() -> String { text }

    func take() -> String {
        _ = isFull.wait(timeout: .now() + 10)
        return text
    }
}
