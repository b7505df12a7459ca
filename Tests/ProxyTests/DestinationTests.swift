import Address
import Foundation
import Glibc
import Policy
import Reactor
import Testing
import Wire

import class TestNetwork.Namespace

@testable import Proxy

/// Points 8 and 33 to 35 of what correct means for the proxies, over real names and real routes.
@Suite(.timeLimit(.minutes(1))) struct DestinationTests {
    @Test func `33 A name that resolves to what is shut is refused, and the gateway's own listeners are`() async throws
    {
        let names = try NameServer([
            "inside.example": .init(v4: [0x0a00_0001]), "mapped.example": .init(v6: [0xffff_0a00_0001]),
            "self.example": .init(v4: [loopback]),
        ])
        defer { names.stop() }
        let gateway = try Gateway(nameServer: names)
        for name in ["inside.example", "mapped.example", "Inside.Example."] {
            let client = try await gateway.greeted()
            try await client.send(connect(name, 80))
            #expect(try await client.receiveAll().bytes == failure(2), "\(name)")
        }
        for port in [gateway.socks5, gateway.http] {
            for request in [connect("self.example", port), connect(loopback, port), connect("::ffff:127.0.0.1", port)] {
                let client = try await gateway.greeted()
                try await client.send(request)
                #expect(try await client.receiveAll().bytes == failure(2))
            }
        }
    }

    @Test func `34 A name is looked up once, and the address that was judged is the one dialled`() async throws {
        let origin = try Origin()
        let names = try NameServer(["flips.example": .init(v4: [loopback], secondsToLive: 0)])
        defer { names.stop() }
        let gateway = try Gateway(nameServer: names)
        let client = try await gateway.greeted()
        try await client.send(connect("flips.example", origin.port))
        #expect(try await client.receive(10).prefix(2) == [5, 0])
        #expect(names.questions.sorted() == ["A flips.example", "AAAA flips.example"])
        // A time to live of zero is not kept: the next session asks again, and is judged by what it hears.
        names.set("flips.example", .init(v4: [0xc0a8_0001], secondsToLive: 0))
        let next = try await gateway.greeted()
        try await next.send(connect("flips.example", origin.port))
        #expect(try await next.receiveAll().bytes == failure(2))
        #expect(names.questions.count == 4)
    }

    @Test func `Of several addresses those that are shut are left out`() async throws {
        let origin = try Origin()
        let names = try NameServer(["both.example": .init(v4: [0x0a00_0001, loopback], v6: [1])])
        defer { names.stop() }
        let gateway = try Gateway(nameServer: names)
        let client = try await gateway.greeted()
        try await client.send(connect("both.example", origin.port))
        #expect(try await client.receive(10).prefix(2) == [5, 0])
    }

    @Test func `A name that does not exist is host unreachable, and a 502`() async throws {
        let names = try NameServer([:])
        defer { names.stop() }
        let gateway = try Gateway(nameServer: names)
        let client = try await gateway.greeted()
        try await client.send(connect("nowhere.example", 80))
        #expect(try await client.receiveAll().bytes == failure(4))
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("nowhere.example:443"))
        let (head, body) = try await browser.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 502 "))
        #expect(body.hasPrefix("nowhere.example:443: the name does not exist or has no address\n"))
        #expect(names.questions.count == 2, "the second answer comes from the cache")
    }

    @Test(
        arguments: [
            (ECONNREFUSED, .connectionRefused, .badGateway), (ENETUNREACH, .networkUnreachable, .badGateway),
            (EHOSTUNREACH, .hostUnreachable, .badGateway), (ETIMEDOUT, .ttlExpired, .gatewayTimeout),
            (EACCES, .notAllowed, .forbidden), (EMFILE, .generalFailure, .serviceUnavailable),
            (EADDRNOTAVAIL, .generalFailure, .serviceUnavailable),
        ] as [(Int32, SOCKS5ReplyCode, HTTPStatus)])
    func `8 Every errno has its reply and its status`(_ code: Int32, _ reply: SOCKS5ReplyCode, _ status: HTTPStatus) {
        let failure = DialFailure.unreachable(Errno(code))
        #expect(failure.replyCode == reply && failure.status == status)
        #expect(!failure.description.isEmpty)
    }

    @Test func `33 What is refused for NAT64's own prefix says so, and how to allow it`() {
        let local = DialFailure.notAllowed(.address(IPAddress("64:ff9b:1::c633:6407")!), .privateRange)
        #expect(local.advice.contains("NAT64") && local.advice.contains("rule add allow --to 64:ff9b:1::/48"))
        let other = DialFailure.notAllowed(.address(IPAddress("fd00::1")!), .privateRange)
        #expect(!other.advice.contains("NAT64"))
    }

    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace with routes of its own"))
    func `8 The reply is the kernel's real reason`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "set", "lo", "up")
        try network.run("ip", "route", "add", "unreachable", "198.51.101.0/24")
        try network.run("ip", "route", "add", "prohibit", "203.0.112.0/24")
        let gateway = try Gateway(network: network)
        for (address, code) in [(0xc000_0301, 3), (0xc633_6501, 4), (0xcb00_7001, 2)] as [(UInt32, UInt8)] {
            let client = try await gateway.greeted()
            try await client.send(connect(address, 80))
            #expect(try await client.receiveAll().bytes == failure(code), "\(IPAddress.v4(address))")
        }
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest("192.0.3.1:443"))
        #expect(try await browser.receiveAnswer().body.hasPrefix("192.0.3.1:443: Network is unreachable\n"))
    }

    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace in which IPv6 goes nowhere"))
    func `35 A dead IPv6 path costs a quarter of a second and not a timeout`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "set", "lo", "up")
        try network.run("ip", "link", "add", "void", "type", "veth", "peer", "name", "beyond")
        try network.run("ip", "link", "set", "void", "up")
        try network.run("ip", "link", "set", "beyond", "up")
        try network.run("ip", "-6", "addr", "add", "2001:db9::2/64", "dev", "void", "nodad")
        try network.run("ip", "-6", "neigh", "add", "2001:db9::1", "lladdr", "02:00:00:00:00:01", "dev", "void")
        let origin = try network.enter { try Origin() }
        let names = try network.enter { try NameServer(["dual.example": .init(v4: [loopback], v6: [dead])]) }
        defer { names.stop() }
        let gateway = try Gateway(
            rules: [openLoopback, Rule(id: 2, action: .allow, destination: Network("2001:db9::/32")!)],
            nameServer: names, network: network)
        let client = try await gateway.greeted()
        let start = ContinuousClock.now
        try await client.send(connect("dual.example", origin.port))
        #expect(try await client.receive(10).prefix(4) == [5, 0, 0, 1])
        // Not a measure of speed: without the race it would be the whole dial timeout of ten seconds.
        #expect((.milliseconds(240) ..< .seconds(5) as Range<Duration>).contains(ContinuousClock.now - start))
    }
}

private let dead: UInt128 = 0x2001_0db9_0000_0000_0000_0000_0000_0001
