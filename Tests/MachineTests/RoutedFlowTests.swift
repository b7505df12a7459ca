import Address
import Machine
import TestNetwork
import Testing

@Suite("What the kernel passes on", .enabled(if: isRoot, "needs root: network namespaces"))
struct RoutedFlowTests {
    /// A LAN host, a gateway that masquerades, a WAN host.
    private let lan: Namespace
    private let gateway: Namespace
    private let wan: Namespace

    init() throws {
        (lan, gateway, wan) = (try Namespace(), try Namespace(), try Namespace())
        for (host, interface, network) in [(lan, "lan0", "192.168.1"), (wan, "wan0", "203.0.113")] {
            try host.run(
                "ip", "-batch", "-",
                input: """
                    link set lo up
                    link add eth0 type veth peer name \(interface) netns \(gateway.path)
                    link set eth0 up
                    address add \(network).10/24 dev eth0
                    route add default via \(network).1
                    """)
            try gateway.run(
                "ip", "-batch", "-",
                input: "link set \(interface) up\naddress add \(network).1/24 dev \(interface)")
        }
        try gateway.run(
            "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_acct=1",
            "net.netfilter.nf_conntrack_timestamp=1")
        try gateway.run(
            "nft",
            "add table inet t; add chain inet t f { type filter hook forward priority 0; }; "
                + "add rule inet t f ct mark and 0xffff == 0xffff drop; add rule inet t f iifname lan0 ct mark set 0x50007; "
                + "add rule inet t f ct state established accept; "
                + "add chain inet t n { type nat hook postrouting priority 100; }; "
                + "add rule inet t n oifname wan0 masquerade; "
                + "add chain inet t i { type filter hook input priority 0; }; "
                + "add rule inet t i ct state established accept")
    }

    private func flows() throws -> [RoutedFlow] {
        let own = Set(["192.168.1.1", "203.0.113.1"].map { IPAddress($0)! })
        return try gateway.enter {
            var flows: [RoutedFlow] = []
            try RoutedFlow.forEach(besides: own) { flows.append($0) }
            return flows
        }
    }

    @Test("is told with both ends, its bytes and its mark, and what the machine has a part in is not among it")
    func listing() throws {
        let far = try DatagramPeer.echo(in: wan, "203.0.113.10", port: 5001)
        let near = try DatagramPeer.echo(in: gateway, "192.168.1.1", port: 5002)
        let client = try DatagramPeer(in: lan, "192.168.1.10")
        for (host, port) in [("203.0.113.10", UInt16(5001)), ("192.168.1.1", 5002)] {
            try client.send([UInt8](repeating: 7, count: 100), to: host, port)
            #expect(try client.receive()?.bytes.count == 100)
        }
        let origin = try Origin(in: wan, "203.0.113.10") { peer in try peer.send(try peer.receive(atMost: 5)) }
        let peer = try Peer(to: "203.0.113.10", origin.port, from: lan)
        try peer.send("hello")
        #expect(try peer.receive(exactly: 5).count == 5)
        let all = try flows()
        #expect(all.count == 2, "\(all)")
        let datagrams = try #require(all.first { $0.transport == 17 })
        #expect("\(datagrams.destination)" == "203.0.113.10:5001" && "\(datagrams.source.address)" == "192.168.1.10")
        // With the headers of IP and UDP.
        #expect(datagrams.sent == 128 && datagrams.received == 128 && datagrams.mark == 0x50007)
        let stream = try #require(all.first { $0.transport == 6 })
        #expect("\(stream.source)" == peer.nearEnd && stream.destination.port == origin.port)
        #expect(stream.sent > 45 && stream.start != nil && stream.identifier != datagrams.identifier)
        withExtendedLifetime((far, near)) {}
    }

    @Test("ends for good when it is marked so, and nothing else does")
    func ending() throws {
        let far = try DatagramPeer.echo(in: wan, "203.0.113.10", port: 5001)
        let clients = try (0..<2).map { _ in try DatagramPeer(in: lan, "192.168.1.10") }
        for client in clients {
            try client.send([1], to: "203.0.113.10", 5001)
            #expect(try client.receive()?.bytes == [1])
        }
        let port = try #require(try flows().first).source.port
        try gateway.enter { try flows().first { $0.source.port == port }?.setMark(0xffff, mask: 0xffff) }
        // What stands above the mask stays.
        #expect(try flows().first { $0.source.port == port }?.mark == 0x5ffff)
        #expect(try flows().filter { $0.source.port != port }.allSatisfy { $0.mark == 0x50007 })
        for client in clients { try client.send([2], to: "203.0.113.10", 5001) }
        let answers = try clients.map { try $0.receive(within: .seconds(1))?.bytes }
        #expect(answers.filter { $0 == [2] }.count == 1 && answers.filter { $0 == nil }.count == 1, "\(answers)")
        withExtendedLifetime(far) {}
    }
}
