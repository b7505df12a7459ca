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
        #expect(table.limit(forClient: .v4(0x0a00_0001)).sessions == 10)
        #expect(table.limit(forClient: .v4(0xc0a8_0101)).sessions == 20)
        #expect(table.limit(forClient: .v4(0xc0a8_0101)).bandwidth == nil)
        #expect(table.limit(forClient: .v4(0xc0a8_0107)).sessions == 30)
        #expect(table.limit(forClient: .v6(1)).sessions == 10)
        #expect(table.limit(forUser: "kid")?.bandwidth == 2048 && table.limit(forUser: "kid")?.rate == nil)
        #expect(table.limit(forUser: "alice")?.rate == 5)
        #expect(LimitTable().limit(forUser: "alice") == nil)
    }

    @Test func `A client is limited until somebody says otherwise, and a limit of no bounds says so`() {
        let standard = LimitTable().limit(forClient: .v4(0x0a00_0001))
        #expect(standard.sessions != nil && standard.rate != nil && standard.handshakes != nil)
        #expect(standard.lookups != nil && standard.questions != nil && standard.bandwidth == nil)
        #expect(LimitTable([Limit(subject: .eachClient)]).limit(forClient: .v4(0x0a00_0001)).isEmpty)
        let exempt = LimitTable([Limit(subject: .client(Network("10.0.0.1")!))])
        #expect(exempt.limit(forClient: .v4(0x0a00_0001)).isEmpty)
        #expect(exempt.limit(forClient: .v4(0x0a00_0002)) == standard)
        let machine = Surroundings()
        #expect(Limit.initial(for: .eachUser, in: machine).isEmpty)
        #expect(!Limit.initial(for: .client(Network("10.0.0.0/8")!), in: machine).isEmpty)
    }

    @Test func `An IPv6 client is counted by its network, one in a network of ours by its address as well`() {
        let home = Surroundings.Interface(
            name: "lan0",
            addresses: [
                InterfaceAddress(address: IPAddress("fd77::1")!, prefix: 64),
                InterfaceAddress(address: IPAddress("192.168.77.1")!, prefix: 24),
            ])
        let table = LimitTable([], in: Surroundings(interfaces: [home]))
        func client(_ text: String) -> LimitTable.Client { table.client(at: IPAddress(text)!) }
        #expect(client("2001:db9:1:2:3::4").key == .address(IPAddress("2001:db9:1:2::")!))
        #expect(client("2001:db9:1:2:3::4") == client("2001:db9:1:2:5::6"))
        #expect(client("2001:db9:1:2::1") != client("2001:db9:1:3::1"))
        #expect(client("fd77::10").key == .address(IPAddress("fd77::10")!) && client("fd77::10") != client("fd77::11"))
        #expect(client("fd77::10").neighbourhood == client("fd77::11").neighbourhood)
        #expect(client("fd77::10").neighbourhood != nil && client("2001:db9::1").neighbourhood == nil)
        #expect(client("192.168.77.10").key == .address(IPAddress("192.168.77.10")!))
        #expect(client("192.168.77.10").neighbourhood == nil)
    }
}
