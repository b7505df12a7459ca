import Address
import Policy
import Testing

@testable import Store

@Suite("Where devices go is kept")
struct LearningTests {
    @Test("a learning is as it was kept, and is forgotten with all that was seen")
    func kept() throws {
        let directory = StateDirectory()
        let card = HardwareAddress("02:00:00:00:00:07")!
        var learning = Learning(hardware: card, since: 5, until: 1000, missed: 3)
        learning.note(Visit(host: .name("cloud.example"), transport: .tcp, port: 443), at: .v4(9), time: 6)
        learning.note(Visit(host: .address(.v6(1 << 120)), transport: .icmpv6, port: nil), at: .v6(1 << 120), time: 7)
        let other = Learning(hardware: HardwareAddress("02:00:00:00:00:08")!, since: 8, until: nil)
        do {
            let store = try Store(directory: directory.path)
            try store.keep([learning, other])
            learning.note(Visit(host: .name("cloud.example"), transport: .tcp, port: 443), at: .v4(10), time: 8)
            try store.keep([learning])
            store.close()
        }
        let store = try Store(directory: directory.path)
        #expect(try store.learnings().sorted { $0.hardware < $1.hardware } == [learning, other])
        try store.keep([], forgetting: [card])
        #expect(try store.learnings() == [other])
    }
}
