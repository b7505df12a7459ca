import Address
import Foundation
import Policy
import Testing

@testable import Proxy

private let elsewhere = Network("127.7.0.0/16")!
private let alice = User(name: "alice", passwordHash: Password.hash(Array("secret".utf8)).description)
private let kid = User(name: "kid", passwordHash: Password.hash(Array("secret".utf8)).description)

private func login(_ name: String, _ password: String = "secret") -> [UInt8] {
    [1, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(password.utf8.count)] + Array(password.utf8)
}

private func authorization(_ name: String, _ password: String = "secret") -> String {
    "Proxy-Authorization: Basic \(Data("\(name):\(password)".utf8).base64EncodedString())\r\n"
}

/// Who is served and where they are taken, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct AccessTests {
    @Test func `A client from outside the listener's networks is turned away before it has said anything`() async throws
    {
        let gateway = try Gateway(clients: [elsewhere])
        let client = try await Peer.connect(to: gateway.socks5)
        #expect(try await client.receiveAll().bytes.isEmpty)
        let browser = try await Peer.connect(to: gateway.http)
        let (head, body) = try await browser.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 403 "))
        #expect(body == "this proxy does not serve clients from your network\n")
    }

    @Test func `A user whom the listener does not let in is refused as with a wrong password`() async throws {
        let origin = try Origin()
        let gateway = try Gateway(authentication: .required, users: [alice, kid], permitted: ["alice"])
        var refusals: [[UInt8]] = []
        for message in [login("kid"), login("alice", "wrong"), login("nobody")] {
            let client = try await Peer.connect(to: gateway.socks5)
            try await client.send([5, 1, 2])
            #expect(try await client.receive(2) == [5, 2])
            try await client.send(message)
            refusals.append(try await client.receiveAll().bytes)
        }
        #expect(Set(refusals) == [[1, 1]])
        let client = try await Peer.connect(to: gateway.socks5)
        try await client.send([5, 1, 2] + login("alice"))
        #expect(try await client.receive(4) == [5, 2, 1, 0])
        var answers: Set<String> = []
        for fields in [authorization("kid"), authorization("alice", "wrong")] {
            let browser = try await Peer.connect(to: gateway.http)
            try await browser.send(connectRequest("127.0.0.1:\(origin.port)", fields))
            answers.insert(try await browser.receiveAnswer().head)
        }
        #expect(answers.count == 1 && answers.first?.hasPrefix("HTTP/1.1 407 ") == true)
    }

    @Test func `Rules go by the user, and tell the client which one it was`() async throws {
        let origin = try Origin()
        let gateway = try Gateway(
            authentication: .required, users: [alice, kid],
            rules: [
                Rule(id: 3, action: .deny, user: "kid", ports: PortRange(origin.port, origin.port)),
                Rule(id: 7, action: .allow, destination: Network("127.0.0.0/8")!),
            ])
        let target = "127.0.0.1:\(origin.port)"
        let browser = try await Peer.connect(to: gateway.http)
        try await browser.send(connectRequest(target, authorization("kid")))
        let (head, body) = try await browser.receiveAnswer()
        #expect(head.hasPrefix("HTTP/1.1 403 "))
        #expect(body.hasPrefix("\(target): refused: 127.0.0.1 is not allowed, rule 3 denies it\n"))
        let other = try await Peer.connect(to: gateway.http)
        try await other.send(connectRequest(target, authorization("alice")))
        #expect(try await other.receiveAnswer().head.hasPrefix("HTTP/1.1 200 "))
    }

    @Test func `A domain that is denied is not looked up, nor is anything that no rule allows`() async throws {
        let origin = try Origin()
        let names = try NameServer([
            "school.example": .init(v4: [loopback]), "www.school.example": .init(v4: [loopback]),
            "ads.example": .init(v4: [loopback]),
        ])
        defer { names.stop() }
        let gateway = try Gateway(
            rules: [
                Rule(id: 1, action: .deny, domain: "ads.example"),
                Rule(id: 2, action: .allow, destination: Network("127.0.0.0/8")!, domain: "school.example"),
            ], defaultAction: .deny, nameServer: names)
        let reply = { (request: [UInt8]) in
            let client = try await gateway.greeted()
            try await client.send(request)
            return try await client.receive(10)[1]
        }
        for name in ["ads.example", "TRACKER.Ads.Example.", "elsewhere.example", "notschool.example"] {
            #expect(try await reply(connect(name, origin.port)) == 2, "\(name)")
        }
        #expect(try await reply(connect(loopback, origin.port)) == 2, "an address is no name")
        #expect(names.questions.isEmpty)
        for name in ["school.example", "WWW.School.Example"] {
            #expect(try await reply(connect(name, origin.port)) == 0, "\(name)")
        }
    }

    @Test func `A client that came before a change is judged by what holds when it asks`() async throws {
        let origin = try Origin()
        let gateway = try Gateway()
        let clients = [try await gateway.greeted(), try await gateway.greeted(), try await gateway.greeted()]
        let changes: [(inout Policy) -> Void] = [
            { $0.listeners[0].clients = [elsewhere] }, { $0.listeners[0].authentication = .required },
            { $0.listeners.remove(at: 0) },
        ]
        for (client, change) in zip(clients, changes) {
            gateway.change(change)
            try await client.send(connect(loopback, origin.port))
            #expect(try await client.receiveAll().bytes == failure(2))
        }
        gateway.change { _ in }
        let client = try await gateway.greeted()
        try await client.send(connect(loopback, origin.port))
        #expect(try await client.receive(10).prefix(2) == [5, 0])
    }
}
