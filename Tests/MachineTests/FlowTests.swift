import Address
import Machine
import TestNetwork
import Testing

@Suite("Conversations that connection tracking knows", .enabled(if: isRoot, "needs root: network namespaces"))
struct FlowTests {
    @Test(
        "are read with who began them and to which port, and can be ended one by one", arguments: ["192.0.2.1", "::1"])
    func flows(address: String) throws {
        let namespace = try Namespace()
        try namespace.run("ip", "link", "set", "lo", "up")
        try namespace.run("ip", "address", "add", "192.0.2.1/24", "dev", "lo")
        try namespace.run(
            "nft",
            "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
                + "add rule inet t c ct state established accept")
        let services = try [5001, 5002].map { try DatagramPeer.echo(in: namespace, address, port: $0) }
        let client = try DatagramPeer(in: namespace, address)
        for port in [5001, 5002] as [UInt16] {
            try client.send([1], to: address, port)
            #expect(try client.receive() != nil)
        }
        let flows = try namespace.enter { try Flow.current() }
        let own = IPAddress(address)!
        #expect(Set(flows.map(\.port)) == [5001, 5002])
        #expect(flows.allSatisfy { $0.transport == 17 && $0.source == own && $0.destination == own })
        #expect(flows.allSatisfy { $0.sourcePort == client.port })
        try namespace.enter { try flows.first { $0.port == 5001 }?.end() }
        #expect(try namespace.enter { try Flow.current() }.map(\.port) == [5002])
        withExtendedLifetime(services) {}
    }
}
