import Address
import Policy
import Testing

@testable import Store

@Suite struct `Devices that were seen` {
    private let directory = StateDirectory()

    private func known(_ number: UInt16, _ hardware: String, called name: String? = nil) -> Acquaintance {
        Acquaintance(
            number: number, hardware: HardwareAddress(hardware)!, interface: "eth1", hostname: name, firstSeen: 100,
            lastSeen: 200)
    }

    @Test func `are kept beside the revisions, and forgotten when that is said`() throws {
        var (tv, kid) = (known(1, "02:00:00:00:00:0a", called: "tv"), known(2, "02:00:00:00:00:0b"))
        do {
            let store = try Store(directory: directory.path)
            let revision = try store.current()
            try store.remember([tv, kid])
            tv.lastSeen = 300
            tv.hostname = nil
            try store.remember([tv])
            #expect(try store.acquaintances() == [tv, kid])
            #expect(try store.current() == revision)
            store.close()
        }
        let store = try Store(directory: directory.path)
        #expect(try store.acquaintances() == [tv, kid])
        // The number goes to somebody else in the same breath.
        kid = known(2, "02:00:00:00:00:0c")
        try store.remember([kid], forgetting: [HardwareAddress("02:00:00:00:00:0b")!])
        #expect(try store.acquaintances() == [tv, kid])
    }

    @Test func `that cannot be read are passed over, and are no reason to refuse the store`() throws {
        let store = try Store(directory: directory.path)
        try store.remember([known(7, "02:00:00:00:00:0a")])
        try directory.sql(
            "INSERT INTO acquaintance (number, hardware, interface, first_seen, last_seen) VALUES (8, 'nonsense', 'eth1', 1, 2)"
        )
        #expect(try store.acquaintances().map(\.number) == [7])
    }
}
