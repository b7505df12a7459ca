import Address
import Policy
import Testing

@testable import Store

@Suite struct `What happened` {
    let directory = StateDirectory()

    @Test func `is kept over a restart, oldest first, from a time on`() throws {
        do {
            let store = try Store(directory: directory.path)
            try store.record([
                ChronicleEntry(time: 10, kind: .port, text: "one"), ChronicleEntry(time: 20, kind: .role, text: "two"),
            ])
            try store.record([ChronicleEntry(time: 30, kind: .device, text: "three")])
        }
        let store = try Store(directory: directory.path)
        #expect(try store.chronicle(since: 0, limit: 10).map(\.text) == ["one", "two", "three"])
        #expect(try store.chronicle(since: 20, limit: 10).map(\.kind) == [.role, .device])
        #expect(try store.chronicle(since: 0, limit: 1).map(\.text) == ["three"])
    }

    @Test func `is bounded, in number and in length`() throws {
        let store = try Store(directory: directory.path)
        let capacity = Store.chronicleCapacity
        try store.record(
            (0..<capacity + 100).map {
                ChronicleEntry(time: $0, kind: .port, text: String(repeating: "x", count: 9000))
            })
        let kept = try store.chronicle(since: 0, limit: .max)
        #expect(kept.count == capacity)
        #expect(kept.first?.time == 100)
        #expect(kept.allSatisfy { $0.text.count < 1000 })
    }

    @Test func `forgets names that rules deny for others of these, and nothing else`() throws {
        let store = try Store(directory: directory.path)
        try store.record([ChronicleEntry(time: 1, kind: .port, text: "older")])
        for part in 0..<30 {
            try store.record(
                (0..<100).map { ChronicleEntry(time: 2 + part * 100 + $0, kind: .name, text: "x.example") })
        }
        try store.record([ChronicleEntry(time: 9000, kind: .role, text: "newer")])
        let kept = try store.chronicle(since: 0, limit: .max)
        #expect(kept.count == Store.mostNames + 2)
        #expect(kept.first?.text == "older" && kept.last?.text == "newer")
        #expect(kept[1].time == 2 + 3000 - Store.mostNames)
    }

    @Test func `waits for a change that is pending, as the expected sockets do`() throws {
        let store = try Store(directory: directory.path)
        do {
            let pending = try store.prepare(
                Policy(firewall: .enforce), author: Author(uid: 0, name: "root"), summary: "x")
            #expect(throws: StoreError.self) { try store.record([ChronicleEntry(time: 1, kind: .port, text: "x")]) }
            #expect(throws: StoreError.self) { try store.expect([], at: 1) }
            _ = consume pending
        }
        try store.record([ChronicleEntry(time: 1, kind: .port, text: "x")])
    }

    @Test func `is apart from what is expected to listen, which may be nothing`() throws {
        let store = try Store(directory: directory.path)
        #expect(try store.expectedSockets() == nil)
        let ssh = ExpectedSocket(
            place: .init(transport: .tcp, local: Endpoint("0.0.0.0:22")!), holder: "ssh.service")
        let wireguard = ExpectedSocket(place: .init(transport: .udp, local: Endpoint("[::]:51820")!), holder: nil)
        try store.expect([ssh, wireguard, ssh], at: 1)
        #expect(Set(try store.expectedSockets() ?? []) == [ssh, wireguard])
        try store.expect([], at: 2)
        #expect(try store.expectedSockets() == [])
    }
}
