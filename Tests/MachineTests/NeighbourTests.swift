import Address
import Machine
import TestNetwork
import Testing

@Suite("Neighbours", .enabled(if: isRoot, "needs root: network namespaces"))
struct NeighbourTests {
    @Test("are read with their hardware, and who does not answer is none")
    func neighbours() throws {
        let (gateway, host) = (try Namespace(), try Namespace())
        try gateway.run(
            "ip", "-batch", "-",
            input: """
                link add lan0 type veth peer name eth0 netns \(host.path)
                link set lan0 up
                address add 192.0.2.1/24 dev lan0
                address add fd00::1/64 dev lan0 nodad
                """)
        try host.run(
            "ip", "-batch", "-",
            input: """
                link set eth0 address 52:54:00:00:00:09 up
                address add 192.0.2.9/24 dev eth0
                address add fd00::9/64 dev eth0 nodad
                """)
        _ = try gateway.attempt(["ping", "-c1", "-W1", "192.0.2.9"])
        _ = try gateway.attempt(["ping", "-c1", "-W1", "fd00::9"])
        _ = try gateway.attempt(["ping", "-c1", "-W1", "192.0.2.77"])
        let all = try gateway.enter { try Neighbour.all() }.filter { !$0.address.description.hasPrefix("fe80") }
        #expect(Set(all.map(\.address.description)) == ["192.0.2.9", "fd00::9"])
        #expect(all.allSatisfy { $0.interface == "lan0" && $0.hardware.description == "52:54:00:00:00:09" })
        #expect(all.allSatisfy { $0.age < 60 })
    }
}
