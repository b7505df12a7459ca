import Address
import Foundation
import Glibc
import Policy
import Proxy
import Synchronization
import Testing

/// A change of the policy ends exactly the sessions that it no longer allows.
@Suite(.timeLimit(.minutes(1))) struct ReviewTests {
    /// What is changed, and whose sessions end.
    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let ended: Set<String>
        let edit: @Sendable (inout Policy, _ bobsOrigin: UInt16) -> Void

        init(_ name: String, ends: Set<String>, _ edit: @escaping @Sendable (inout Policy, UInt16) -> Void) {
            testDescription = name
            ended = ends
            self.edit = edit
        }
    }

    static let changes = [
        Change("nothing", ends: []) { _, _ in },
        Change("a user more", ends: []) { policy, _ in
            policy.users.append(User(name: "carol", passwordHash: hash("c")))
        },
        Change("a rule about somewhere else", ends: []) { policy, _ in
            policy.rules.append(Rule(id: 0, action: .deny, destination: Network("192.0.3.0/24")!))
        },
        Change("a default that no session needs", ends: []) { policy, _ in policy.defaultAction = .deny },
        Change("alice is removed", ends: ["alice", "named"]) { policy, _ in
            policy.users.removeAll { $0.name == "alice" }
        },
        Change("bob's password", ends: ["bob"]) { policy, _ in
            policy.users[1].passwordHash = hash("another")
        },
        Change("the same password again, salted anew", ends: ["bob"]) { policy, _ in
            policy.users[1].passwordHash = hash("b")
        },
        Change("the SOCKS5 listener is removed", ends: ["alice", "waiting"]) { policy, _ in
            policy.listeners.removeAll { $0.kind == .socks5 }
        },
        Change("the HTTP listener serves another network", ends: ["bob"]) { policy, _ in
            policy.listeners[1].clients = [Network("10.0.0.0/8")!]
        },
        Change("the HTTP listener lets in alice alone", ends: ["bob"]) { policy, _ in
            policy.listeners[1].users = ["alice"]
        },
        Change("the HTTP listener lets in bob alone", ends: []) { policy, _ in policy.listeners[1].users = ["bob"] },
        Change("the HTTP listener becomes one for TLS", ends: ["bob"]) { policy, _ in
            policy.listeners[1].kind = .https
        },
        Change("the HTTP listener becomes mixed", ends: []) { policy, _ in policy.listeners[1].kind = .mixed },
        Change("no listener asks for a password, and nobody has one", ends: []) { policy, _ in
            for index in policy.listeners.indices { policy.listeners[index].authentication = .none }
            policy.users = []
        },
        Change("a rule about the name", ends: ["named"]) { policy, _ in
            policy.rules.append(Rule(id: 0, action: .deny, domain: "example.test"))
        },
        Change("a rule about the port", ends: ["bob"]) { policy, port in
            policy.rules.append(Rule(id: 0, action: .deny, ports: PortRange(port, port)))
        },
        Change("a rule about bob", ends: ["bob"]) { policy, _ in
            policy.rules.append(Rule(id: 0, action: .deny, user: "bob"))
        },
        Change("a rule about the clients", ends: ["alice", "bob", "named"]) { policy, _ in
            policy.rules.append(Rule(id: 0, action: .deny, client: Network("127.0.0.0/8")!))
        },
        Change("loopback is shut again", ends: ["alice", "bob", "named"]) { policy, _ in policy.rules = [] },
        Change("nobody may do anything", ends: ["alice", "bob", "named", "waiting"]) {
            $0 = Policy()
            _ = $1
        },
    ]

    @Test(arguments: changes) func `A change ends what it no longer allows, and nothing else`(_ change: Change)
        async throws
    {
        let names = try NameServer(["www.example.test": .init(v4: [loopback])])
        defer { names.stop() }
        let users = [
            User(name: "alice", passwordHash: hash("a")), User(name: "bob", passwordHash: hash("b")),
        ]
        let gateway = try Gateway(authentication: .required, users: users, nameServer: names)
        let (origin, bobsOrigin) = (try Origin(), try Origin())
        var streams: [String: Stream] = [:]
        streams["alice"] = try await Stream(
            try await socks(gateway.socks5, "alice", "a", connect(loopback, origin.port)), origin)
        streams["named"] = try await Stream(
            try await socks(gateway.mixed, "alice", "a", connect("www.example.test", origin.port)), origin)
        let bob = try await Peer.connect(to: gateway.http)
        try await bob.send(connectRequest("127.0.0.1:\(bobsOrigin.port)", basic("bob", "b")))
        #expect(try await bob.receiveAnswer().head.hasPrefix("HTTP/1.1 200 "))
        streams["bob"] = try await Stream(bob, bobsOrigin)
        let waiting = try await Peer.connect(to: gateway.socks5)
        try await waiting.send([5, 1, 2])
        #expect(try await waiting.receive(2) == [5, 2])

        gateway.change { change.edit(&$0, bobsOrigin.port) }
        await gateway.relay.review()
        for (name, stream) in streams where change.ended.contains(name) {
            #expect(try await withinASecond { stream.isOver }, "\(name) goes on")
        }
        if change.ended.contains("waiting") {
            #expect(try await withinASecond { waiting.hasNews })
            #expect(try await waiting.receiveAll() == ([], .reset))
        }
        // The others carry on, and what they carry is what was sent.
        for (name, stream) in streams where !change.ended.contains(name) {
            let before = stream.rounds
            while stream.rounds < before + 20, !stream.isOver { try await Task.sleep(for: .milliseconds(1)) }
            #expect(!stream.isOver, "\(name) ended as well")
        }
        if !change.ended.contains("waiting") {
            try await waiting.send([1, 1, UInt8(ascii: "x"), 1, UInt8(ascii: "y")])
            #expect(try await waiting.receive(2) == [1, 1])
        }
    }

    @Test func `An association ends with its client's leave to be there, and not for where its datagrams went`()
        async throws
    {
        let gateway = try Gateway()
        let client = try await Associate(gateway)
        let origin = try DatagramPeer()
        try client.send("before", to: origin.port)
        #expect(try await origin.receive().bytes == Array("before".utf8))
        // Each datagram is judged for itself, so that a rule about one destination leaves the association to the others.
        gateway.change { policy in
            policy.rules.insert(Rule(id: 0, action: .deny, ports: PortRange(origin.port, origin.port)), at: 0)
        }
        await gateway.relay.review()
        let other = try DatagramPeer()
        try client.send("denied", to: origin.port)
        try client.send("allowed", to: other.port)
        #expect(try await other.receive().bytes == Array("allowed".utf8))
        #expect(recv(origin.descriptor, nil, 0, Int32(MSG_DONTWAIT)) == -1)

        gateway.change { $0.listeners.removeAll { $0.kind == .socks5 } }
        await gateway.relay.review()
        #expect(try await withinASecond { client.control.hasNews })
        #expect(try await client.control.receiveAll() == ([], .reset))
        // Its port is shut: the kernel says that nobody is there.
        while await gateway.sessionCount > 0 { await Task.yield() }
        #expect(client.isPortShut())
    }

    @Test func `An exchange under way ends at both ends, and a connection between two requests stays`() async throws {
        let gateway = try Gateway()
        let origin = try Origin()
        let get = "GET http://127.0.0.1:\(origin.port)/ HTTP/1.1\r\nHost: 127.0.0.1:\(origin.port)\r\n\r\n"
        let waits = try await Peer.connect(to: gateway.http)
        try await waits.send(get)
        let (silent, _) = try await origin.accept()
        _ = try await silent.receive(10)
        let rests = try await Peer.connect(to: gateway.http)
        try await rests.send(get)
        let (server, _) = try await origin.accept()
        _ = try await server.receive(10)
        try await server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        #expect(try await rests.receiveAnswer().body == "hi")

        gateway.change { policy in
            policy.rules.append(Rule(id: 0, action: .deny, ports: PortRange(origin.port, origin.port)))
        }
        await gateway.relay.review()
        #expect(try await waits.receiveAll() == ([], .reset))
        _ = try? await silent.receiveAll()
        // It led to what is denied now, but does so no longer.
        try await rests.send(get)
        #expect(try await rests.receiveAnswer().head.hasPrefix("HTTP/1.1 403 "))
    }

    @Test func `A session that is killed while its name is looked up gets no connection`() async throws {
        let names = try NameServer([:])
        defer { names.stop() }
        names.fallSilent()
        let gateway = try Gateway(nameServer: names)
        let client = try await gateway.greeted()
        try await client.send(connect("slow.test", 80))
        while names.questions.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        gateway.change { $0.listeners = [] }
        await gateway.relay.review()
        #expect(try await client.receiveAll() == ([], .reset))
    }

    @Test func `A request whose session is killed while its name is looked up reaches no origin`() async throws {
        let names = try NameServer(["slow.test": .init(v4: [loopback])])
        defer { names.stop() }
        names.fallSilent()
        let gateway = try Gateway(nameServer: names)
        let origin = try Origin()
        let client = try await Peer.connect(to: gateway.http)
        let at = "slow.test:\(origin.port)"
        try await client.send("POST http://\(at)/ HTTP/1.1\r\nHost: \(at)\r\nContent-Length: 2\r\n\r\nhi")
        while names.questions.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(await gateway.relay.sessions[0].end(SessionSelection()) == 1)
        #expect(try await client.receiveAll() == ([], .reset))
        // The lookup is given up with it: whoever comes next is the first whom the origin sees.
        names.speak()
        let next = try await Peer.connect(to: gateway.http)
        try await next.send("GET http://\(at)/next HTTP/1.1\r\nHost: \(at)\r\n\r\n")
        let (server, _) = try await origin.accept()
        #expect(String(decoding: try await server.receive(9), as: UTF8.self) == "GET /next")
    }

    /// A client behind a successful CONNECT.
    private func socks(_ port: UInt16, _ name: String, _ password: String, _ request: [UInt8]) async throws -> Peer {
        let client = try await Peer.connect(to: port)
        try await client.send([5, 1, 2])
        #expect(try await client.receive(2) == [5, 2])
        try await client.send([1, UInt8(name.utf8.count)] + name.utf8 + [UInt8(password.utf8.count)] + password.utf8)
        #expect(try await client.receive(2) == [1, 0])
        try await client.send(request)
        #expect(try await client.receive(10).prefix(2) == [5, 0])
        return client
    }
}

private func hash(_ password: String) -> String { Password.hash(Array(password.utf8)).description }

private func basic(_ name: String, _ password: String) -> String {
    "Proxy-Authorization: Basic \(Data("\(name):\(password)".utf8).base64EncodedString())\r\n"
}

/// Counted in waits that came to their end: a machine that stands still for a second takes one of them.
private func withinASecond(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<200 where !condition() { try await Task.sleep(for: .milliseconds(5)) }
    return condition()
}

extension Peer {
    /// Whether there are bytes to read, or an end.
    fileprivate var hasNews: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }
}

/// A tunnel that carries blocks to and fro, each checked, as long as it stands.
private final class Stream: Sendable {
    private let count = Atomic<Int>(0)
    private let over = Atomic<Bool>(false)
    private let client: Peer

    init(_ client: Peer, _ origin: Origin) async throws {
        self.client = client
        let (server, _) = try await origin.accept()
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 65536)
            while case let length = recv(server.descriptor, &buffer, buffer.count, 0), length > 0 {
                guard send(server.descriptor, buffer, length, Int32(MSG_NOSIGNAL)) == length else { break }
            }
        }
        Thread.detachNewThread { [self] in
            var random = SystemRandomNumberGenerator()
            while true {
                let block = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
                var back = [UInt8](repeating: 0, count: block.count)
                guard send(client.descriptor, block, block.count, Int32(MSG_NOSIGNAL)) == block.count,
                    recv(client.descriptor, &back, back.count, Int32(MSG_WAITALL)) == back.count, back == block
                else { break }
                count.add(1, ordering: .relaxed)
            }
            over.store(true, ordering: .relaxed)
        }
    }

    var rounds: Int { count.load(ordering: .relaxed) }
    var isOver: Bool { over.load(ordering: .relaxed) }
}
