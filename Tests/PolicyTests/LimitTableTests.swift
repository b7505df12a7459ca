import Address
import Policy
import Testing

@Suite struct LimitTableTests {
    @Test func `The most specific limit holds, and it alone`() {
        let table = LimitTable([
            Limit(subject: .eachClient, sessions: 10, bandwidth: 5000),
            Limit(subject: .client(Network("192.168.0.0/16")!), sessions: 20),
            Limit(subject: .client(Network("192.168.1.7")!), sessions: 30),
            Limit(subject: .eachUser, rate: 5), Limit(subject: .user("kid"), bandwidth: 2048),
        ])
        #expect(!table.isEmpty && LimitTable().isEmpty)
        #expect(table.limit(forClient: .v4(0x0a00_0001))?.sessions == 10)
        #expect(table.limit(forClient: .v4(0xc0a8_0101))?.sessions == 20)
        #expect(table.limit(forClient: .v4(0xc0a8_0101))?.bandwidth == nil)
        #expect(table.limit(forClient: .v4(0xc0a8_0107))?.sessions == 30)
        #expect(table.limit(forClient: .v6(1))?.sessions == 10)
        #expect(table.limit(forUser: "kid")?.bandwidth == 2048 && table.limit(forUser: "kid")?.rate == nil)
        #expect(table.limit(forUser: "alice")?.rate == 5)
        #expect(LimitTable().limit(forUser: "alice") == nil)
    }
}
