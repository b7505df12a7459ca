import Address
import Foundation
import Glibc
import Policy
import Proxy
import Reactor
import TestProcess
import Testing

import class TestNetwork.Namespace

private let elsewhere: UInt32 = 0x7f00_0002
private let loopback4: [UInt8] = [127, 0, 0, 1]

/// Points 9 and 14 to 19 of what correct means for the proxies.
@Suite(.timeLimit(.minutes(1))) struct AssociationTests {
    @Test func `9, 17 Answers come from BND and say truly where they are from`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        #expect(client.address == loopback4)
        let origins = [try DatagramPeer(), try DatagramPeer(elsewhere)]
        for (origin, address) in zip(origins, [loopback, elsewhere]) {
            try client.send("ping", to: origin.port, at: address)
            let (bytes, from) = try await origin.receive()
            #expect(String(decoding: bytes, as: UTF8.self) == "ping")
            try origin.send(Array("pong".utf8), to: from)
            let answer = try await client.receive()
            #expect(answer.text == "pong" && answer.port == origin.port)
            #expect(answer.source == (address == loopback ? loopback4 : [127, 0, 0, 2]))
        }
    }

    @Test func `9 An address that the operator gave is told in place of the socket's`() async throws {
        let gateway = try Gateway(socks: .init(advertisedAddress: IPAddress("203.0.112.7")))
        let client = try await Associate(gateway)
        #expect(client.address == [203, 0, 112, 7])
        let origin = try DatagramPeer()
        try client.send("ping", to: origin.port)
        #expect(try await origin.receive().bytes == Array("ping".utf8))
    }

    /// The interface was lost on the way, without which a link-local address is none, and the reply was "general failure".
    @Test(.enabled(if: getuid() == 0, "needs root: a network namespace with a link of its own"))
    func `9 A client that comes by a link-local address gets an association there`() async throws {
        let network = try Namespace()
        try network.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
        for link in ["lo", "near", "far"] { try network.run("ip", "link", "set", link, "up") }
        try network.run("ip", "-6", "addr", "add", "fe80::7/64", "dev", "near", "nodad")
        let gateway = try Gateway(network: network)
        let socket = try network.enter { try ListeningSocket.tcp(.v6(0, port: 0)) }
        let port = try ListeningSocket.address(of: socket).port
        let listener = Listener(kind: .socks5, endpoint: .v6(0, port: port))
        gateway.change { $0.listeners.append(listener) }
        let acceptor = Acceptor(
            listener: socket, account: 3, reactors: [gateway.reactor], onPause: { _ in },
            session: gateway.relay.session(for: listener))
        defer { acceptor.close() }
        let client = try network.enter {
            let here = Endpoint(address: IPAddress("fe80::7")!, port: port, scope: if_nametoindex("near"))
            let peer = Peer(adopting: Glibc.socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0))
            let (storage, length) = here.socketAddress
            let result = withUnsafePointer(to: storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(peer.descriptor, $0, length) }
            }
            try #require(result == 0, "connect: \(String(cString: strerror(errno)))")
            return peer
        }
        try await client.send([5, 1, 0])
        #expect(try await client.receive(2) == [5, 0])
        try await client.send([5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
        let reply = try await client.receive(22)
        #expect(reply.prefix(6) == [5, 0, 0, 4, 0xfe, 0x80] && reply[19] == 7)
    }

    @Test func `An association has a port of the operator's range, and there are as many as ports`() async throws {
        let ports = freePorts(2, SOCK_DGRAM)
        let range = try #require(PortRange(ports.lowerBound, ports.upperBound))
        let gateway = try Gateway(socks: .init(udpPorts: range))
        let first = try await Associate(gateway)
        let second = try await Associate(gateway)
        #expect(Set([first.port, second.port]) == Set(ports))
        let third = try await gateway.greeted()
        try await third.send([5, 3, 0, 1, 0, 0, 0, 0, 0, 0])
        #expect(try await third.receiveAll().bytes == failure(1))
        // The port is free again as soon as its association ends.
        first.control.finish()
        #expect(try await first.control.receiveAll().end == .fin)
        #expect(try await Associate(gateway).port == first.port)
        withExtendedLifetime(second) {}
    }

    @Test func `14 An association ends with its connection, be it half-closed`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        try client.send("ping", to: origin.port)
        _ = try await origin.receive()
        client.control.finish()
        #expect(try await client.control.receiveAll().end == .fin)
        #expect(client.isPortShut())
    }

    @Test func `15 Only the client's address and the port of its first datagram count`() async throws {
        let gateway = try Gateway()
        // A hint that is wrong, as real clients give it, changes nothing.
        let client = try await Associate(gateway, hint: [203, 0, 112, 9, 0, 53])
        let origin = try DatagramPeer()
        let other = try DatagramPeer(elsewhere)
        try other.send(datagram(Array("another host".utf8), to: origin.port), to: client.port)
        try client.send("first", to: origin.port)
        #expect(try await origin.receive().bytes == Array("first".utf8))
        let sibling = try DatagramPeer()
        try sibling.send(datagram(Array("another port".utf8), to: origin.port), to: client.port)
        try other.send(datagram(Array("another host".utf8), to: origin.port), to: client.port)
        try client.send("second", to: origin.port)
        #expect(try await origin.receive().bytes == Array("second".utf8))
    }

    @Test func `16 Fragments arrive as the whole that they are, or not at all`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        try client.send("lost", to: origin.port, fragment: 2)
        try client.send("ab", to: origin.port, fragment: 1)
        try client.send("lost", to: origin.port, fragment: 0x83)
        try client.send("ab", to: origin.port, fragment: 1)
        try client.send("cd", to: origin.port, fragment: 2)
        try client.send("ef", to: origin.port, fragment: 0x83)
        try client.send("whole", to: origin.port)
        #expect(try await origin.receive().bytes == Array("abcdef".utf8))
        #expect(try await origin.receive().bytes == Array("whole".utf8))
    }

    @Test func `16 Fragments wait no longer than the timer`() async throws {
        #expect(Relay.Limits().reassembly >= .seconds(5))
        var limits = Relay.Limits()
        limits.reassembly = .milliseconds(50)
        let gateway = try Gateway(limits: limits)
        let (client, other) = (try await Associate(gateway), try await Associate(gateway))
        let origin = try DatagramPeer()
        /// After it the relay has looked at all that was sent before, and let the deadlines pass that had come.
        func roundTrip() async throws {
            try other.send("there", to: origin.port)
            let (bytes, from) = try await origin.receive()
            #expect(bytes == Array("there".utf8))
            try origin.send(Array("and back".utf8), to: from)
            #expect(try await other.receive().text == "and back")
        }
        try client.send("too", to: origin.port, fragment: 1)
        try await roundTrip()
        try await Task.sleep(for: .milliseconds(300))
        try await roundTrip()
        try client.send("late", to: origin.port, fragment: 0x82)
        try client.send("whole", to: origin.port)
        #expect(try await origin.receive().bytes == Array("whole".utf8))
    }

    @Test func `17 Each datagram's destination is judged, by the rules of now`() async throws {
        let gateway = try Gateway(rules: [
            Rule(id: 1, action: .deny, destination: Network("127.0.0.2")), openLoopback.numbered(2),
        ])
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        let denied = try DatagramPeer(elsewhere)
        try client.send("one", to: origin.port)
        try client.send("no", to: denied.port, at: elsewhere)
        try client.send("two", to: origin.port)
        #expect(try await origin.receive().bytes == Array("one".utf8))
        let (two, from) = try await origin.receive()
        #expect(two == Array("two".utf8))
        gateway.change { $0.rules = [openLoopback] }
        try client.send("yes", to: denied.port, at: elsewhere)
        #expect(try await denied.receive().bytes == Array("yes".utf8))
        // And what was allowed once is not for ever, in either direction.
        gateway.change {
            $0.rules = [Rule(id: 1, action: .deny, destination: Network("127.0.0.1")), openLoopback.numbered(2)]
        }
        try client.send("three", to: origin.port)
        try origin.send(Array("stale".utf8), to: from)
        try client.send("four", to: denied.port, at: elsewhere)
        #expect(try await denied.receive().bytes == Array("four".utf8))
        gateway.change { $0.rules = [openLoopback] }
        try client.send("five", to: origin.port)
        #expect(try await origin.receive().bytes == Array("five".utf8))
        try origin.send(Array("fresh".utf8), to: from)
        #expect(try await client.receive().text == "fresh")
    }

    @Test func `17 Nobody answers whom the client has not asked`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        let stranger = try DatagramPeer()
        try client.send("ping", to: origin.port)
        let (_, outlet) = try await origin.receive()
        try stranger.send(Array("unasked".utf8), to: outlet)
        try origin.send(Array("pong".utf8), to: outlet)
        #expect(try await client.receive().text == "pong")
    }

    @Test func `17 A name is looked up once, judged, and holds up nothing else`() async throws {
        let names = try NameServer([
            "origin.example": .init(v4: [loopback]), "inside.example": .init(v4: [0x0a00_0001]),
            "denied.example": .init(v4: [loopback]),
        ])
        defer { names.stop() }
        let gateway = try Gateway(
            rules: [Rule(id: 1, action: .deny, domain: "denied.example"), openLoopback.numbered(2)], nameServer: names)
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        let expected = ["one", "two", "three", "four"]
        for text in expected.dropLast() { try client.send(text, toName: "Origin.Example.", origin.port) }
        for text in expected.dropLast() { #expect(try await origin.receive().bytes == Array(text.utf8)) }
        try client.send("no", toName: "inside.example", origin.port)
        try client.send("no", toName: "denied.example", origin.port)
        try client.send("no", toName: "nowhere.example", origin.port)
        try client.send("four", toName: "origin.example", origin.port)
        let (four, from) = try await origin.receive()
        #expect(four == Array("four".utf8))
        #expect(names.questions.filter { $0 == "A origin.example" }.count == 1)
        #expect(!names.questions.contains("A denied.example"))
        try origin.send(Array("pong".utf8), to: from)
        let answer = try await client.receive()
        #expect(answer.text == "pong" && answer.source == loopback4)

        names.fallSilent()
        try client.send("held", toName: "silent.example", origin.port)
        try client.send("past it", to: origin.port)
        #expect(try await origin.receive().bytes == Array("past it".utf8))
        // A literal that comes as a name is an address (point 12).
        try client.send("literal", toName: "127.0.0.1", origin.port)
        #expect(try await origin.receive().bytes == Array("literal".utf8))
    }

    @Test func `19 The largest datagrams survive, and one too large for its header is dropped`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        let largest = (0..<(65_507 - 10)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try client.send(largest, to: origin.port)
        let (bytes, from) = try await origin.receive()
        #expect(bytes == largest)
        try origin.send([UInt8](repeating: 1, count: 65_507), to: from)
        try origin.send(largest, to: from)
        let back = try await client.socket.receive()
        #expect(back.bytes == datagram(largest, to: origin.port))
    }

    @Test func `19 An empty datagram is one too`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        try client.send("", to: origin.port)
        let (bytes, from) = try await origin.receive()
        #expect(bytes.isEmpty)
        try origin.send([], to: from)
        #expect(try await client.receive().text == "")
    }

    @Test func `19 An unreachable port, at either end, does not end the association`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        let dead: UInt16 = try { try DatagramPeer().port }()
        for _ in 0..<3 {
            try client.send("nobody", to: dead)
            try client.send("ping", to: origin.port)
            let (bytes, from) = try await origin.receive()
            #expect(bytes == Array("ping".utf8))
            try origin.send(Array("pong".utf8), to: from)
            #expect(try await client.receive().text == "pong")
        }
    }

    @Test func `Datagrams that are none are dropped, and the association goes on`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        for mistake in [[], [0], [0, 0, 0, 1, 127], [0, 0, 0, 9, 1, 2, 3, 4, 5, 6], [0, 0, 0, 3, 0, 0, 80]] as [[UInt8]]
        {
            try client.socket.send(mistake, to: client.port)
        }
        try client.send("no port", to: 0)
        try client.send("ping", to: origin.port)
        #expect(try await origin.receive().bytes == Array("ping".utf8))
    }

    @Test func `Ten thousand datagrams of two sizes to two origins come whole and in order`() async throws {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origins = [try DatagramPeer(), try DatagramPeer()]
        try await blocking {
            // No more at once than the smallest of the kernel's buffers holds.
            for round in 0..<UInt8(200) {
                try exchange(round, client, origins)
            }
        }
    }

    private func exchange(_ round: UInt8, _ client: Associate, _ origins: [DatagramPeer]) throws {
        for number in 0..<50 {
            let size = number % 7 == 6 ? 40 : 64
            let payload = [round, UInt8(number)] + [UInt8](repeating: 7, count: size)
            try client.send(payload, to: origins[number / 25].port)
        }
        for number in 0..<50 {
            let (bytes, from) = try origins[number / 25].receiveHere()
            #expect(bytes.prefix(2) == [round, UInt8(number)])
            #expect(bytes.count == (number % 7 == 6 ? 42 : 66))
            try origins[number / 25].send(bytes, to: from)
        }
        var seen: [[UInt8]] = [[], []]
        for _ in 0..<50 {
            let (bytes, _) = try client.socket.receiveHere()
            #expect(bytes[10] == round)
            seen[Int(bytes[11]) / 25].append(bytes[11])
        }
        #expect(seen == [Array(0..<25), Array(25..<50)])
    }
}

extension Rule {
    fileprivate func numbered(_ id: Int) -> Rule {
        var rule = self
        rule.id = id
        return rule
    }
}
