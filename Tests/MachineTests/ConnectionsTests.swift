import Address
import Foundation
import Glibc
import TestNetwork
import Testing

@testable import Machine

/// Two hosts in network namespaces, one cable between them.
private struct Cable {
    let here: Namespace
    let there: Namespace

    init() throws {
        (here, there) = (try Namespace(), try Namespace())
        try here.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add near type veth peer name far netns \(there.path)
                link set near up
                address add 192.0.2.1/24 dev near
                address add 2001:db8::1/64 dev near nodad
                """)
        try there.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link set far up
                address add 192.0.2.2/24 dev far
                address add 2001:db8::2/64 dev far nodad
                route add default via 192.0.2.1 metric 100
                route add default via 2001:db8::1 metric 50
                """)
    }
}

@Suite("What this machine is connected to", .enabled(if: isRoot, "needs root: network namespaces"))
struct ConnectionsTests {
    @Test("Connections that came in are told from those that went out, in both families")
    func inbound() throws {
        let cable = try Cable()
        let server = try Origin(in: cable.here, "::", port: 2222) { peer in _ = try? peer.receiveToEnd() }
        let other = try Origin(in: cable.there, "0.0.0.0", port: 80) { peer in _ = try? peer.receiveToEnd() }
        let four = try Peer(to: "192.0.2.1", 2222, from: cable.there)
        let six = try Peer(to: "2001:db8::1", 2222, from: cable.there)
        let out = try Peer(to: "192.0.2.2", 80, from: cable.here)
        let connections = try cable.here.enter { try Connections.current() }
        // What an IPv6 socket has of IPv4 is IPv4.
        let locals = connections.inbound.map { "\($0.local)" }.sorted()
        #expect(locals == ["192.0.2.1:2222", "[2001:db8::1]:2222"])
        #expect(Set(connections.inbound.map { "\($0.remote)" }) == [four.nearEnd, bracketed(six.nearEnd)])
        #expect(Set(connections.inbound.map(\.cookie)).count == 2 && !connections.inbound.contains { $0.cookie == 0 })
        let again = try Peer(to: "192.0.2.1", 2222, from: cable.there)
        let later = try cable.here.enter { try Connections.current() }
        #expect(Set(later.inbound.map(\.cookie)).isSuperset(of: connections.inbound.map(\.cookie)))
        #expect(later.inbound.count == 3)
        withExtendedLifetime((server, other, out, again)) {}
    }

    @Test("Connections that went out are told with their account, and none of those whose listener is there")
    func outbound() throws {
        let cable = try Cable()
        let server = try Origin(in: cable.here, "::", port: 2222) { peer in _ = try? peer.receiveToEnd() }
        let other = try Origin(in: cable.there, "::", port: 80) { _ in while true { pause() } }
        let came = try Peer(to: "192.0.2.1", 2222, from: cable.there)
        let out = [try Peer(to: "192.0.2.2", 80, from: cable.here), try Peer(to: "2001:db8::2", 80, from: cable.here)]
        // The other end may go on.
        out[0].finish()
        let found = try cable.here.enter { try Connections.outbound() }
        #expect(Set(found.map { "\($0.remote)" }) == ["192.0.2.2:80", "[2001:db8::2]:80"], "\(found)")
        #expect(found.allSatisfy { $0.uid == getuid() })
        withExtendedLifetime((server, other, came, out)) {}
    }

    @Test("Datagrams are told by whose socket they went out, connected or not, and none that is not there")
    func senders() throws {
        let cable = try Cable()
        let open = try DatagramPeer(in: cable.here, "0.0.0.0", port: 5000)
        let bound = try DatagramPeer(in: cable.here, "2001:db8::1", port: 5001)
        let connected = try RunningProgram(
            [
                "setpriv", "--reuid", "games", "--clear-groups", "bash", "-c",
                "exec 3<>/dev/udp/192.0.2.2/53; echo ready; sleep 60",
            ], in: cable.here, log: NSTemporaryDirectory() + "gatehouse-senders-\(getpid())")
        #expect(eventually { connected.said.contains("ready") })
        let port = try #require(
            UInt16(try cable.here.run("ss", "-Hun", "dport = :53").firstMatch(of: /192\.0\.2\.1:(\d+)/)?.1 ?? ""))
        let sockets = try cable.here.enter { try DatagramSockets.current() }
        func users(_ address: String, _ port: UInt16, _ remote: String, _ remotePort: UInt16) -> Set<UInt32> {
            sockets.users(
                sendingFrom: Endpoint(address: IPAddress(address)!, port: port),
                to: Endpoint(address: IPAddress(remote)!, port: remotePort))
        }
        #expect(users("192.0.2.1", 5000, "192.0.2.2", 9) == [getuid()])
        #expect(users("2001:db8::1", 5001, "2001:db8::2", 9) == [getuid()])
        #expect(users("2001:db8::7", 5001, "2001:db8::2", 9).isEmpty)
        #expect(users("192.0.2.1", 5002, "192.0.2.2", 9).isEmpty)
        let games = try #require(getpwnam("games")).pointee.pw_uid
        #expect(users("192.0.2.1", port, "192.0.2.2", 53) == [games])
        #expect(users("192.0.2.1", port, "192.0.2.2", 54).isEmpty)
        withExtendedLifetime((open, bound, connected)) {}
    }

    /// `Peer` writes an IPv6 address without brackets.
    private func bracketed(_ text: String) -> String {
        let colon = text.lastIndex(of: ":") ?? text.startIndex
        return "[\(text[..<colon])]\(text[colon...])"
    }

    @Test("Sockets that wait for anybody are listed, with what they hear")
    func listening() throws {
        let cable = try Cable()
        let both = try Origin(in: cable.here, "::", port: 2222) { _ in }
        let four = try Origin(in: cable.here, "192.0.2.1", port: 53) { _ in }
        let datagrams = try DatagramPeer(in: cable.here, "0.0.0.0", port: 123)
        let sockets = try cable.here.enter { try Connections.current() }.listening
        let shown = sockets.map { "\($0.transport) \($0.local)\($0.hearsBothFamilies ? " both" : "")" }.sorted()
        #expect(shown == ["tcp 192.0.2.1:53", "tcp [::]:2222 both", "udp 0.0.0.0:123"])
        #expect(sockets.allSatisfy { $0.uid == getuid() && $0.inode != 0 })
        withExtendedLifetime((both, four, datagrams)) {}
    }

    @Test("Default routes come with the preferred one first, and the way to an address with its interface")
    func routes() throws {
        let cable = try Cable()
        let routes = try cable.there.enter { try Route.defaults() }
        #expect(
            routes == [
                Route(metric: 50, interfaces: ["far"], isIPv6: true, routers: [IPAddress("2001:db8::1")!]),
                Route(metric: 100, interfaces: ["far"], routers: [IPAddress("192.0.2.1")!]),
            ])
        let ways = try cable.there.enter {
            ["198.51.100.1", "2001:db8:1::1", "127.0.0.1"].map { Route.interface(towards: IPAddress($0)!) }
        }
        #expect(ways == ["far", "far", "lo"])
        #expect(try cable.here.enter { try Route.defaults() }.isEmpty)
        #expect(try cable.here.enter { Route.interface(towards: IPAddress("198.51.100.1")!) } == nil)
    }

    @Test("What the machine does for others is seen")
    func duties() throws {
        let cable = try Cable()
        #expect(try cable.here.enter { try Duty.all() }.isEmpty)
        try cable.here.run(
            "ip", "-batch", "-",
            input: """
                link add docker0 type bridge
                link add br-0123456789ab type bridge
                link add virbr0 type bridge
                link add br-lan type bridge
                """)
        try cable.here.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        #expect(
            try cable.here.enter { try Duty.all() } == [
                .forwarding, .guests(.docker, interfaces: ["docker0", "br-0123456789ab"]),
                .guests(.libvirt, interfaces: ["virbr0"]),
            ])
    }

    @Test("A bridge counts whose ports the IP firewall comes between, and a tunnel of WireGuard")
    func bridges() {
        let links = [
            Link(index: 1, name: "lo"), Link(index: 2, name: "br0", kind: "bridge"),
            Link(index: 3, name: "eth1", bridge: 2), Link(index: 4, name: "wlan0", bridge: 2),
            Link(index: 5, name: "br1", kind: "bridge"), Link(index: 6, name: "eth2", bridge: 5),
            Link(index: 7, name: "wg0", kind: "wireguard"),
        ]
        #expect(
            Duty.of(links, isForwarding: false, isBridgeFiltered: true) == [.tunnels(["wg0"]), .bridging(["br0"])])
        #expect(Duty.of(links, isForwarding: false, isBridgeFiltered: false) == [.tunnels(["wg0"])])
    }
}

@Suite("Where somebody sits")
struct TerminalTests {
    @Test(
        "A screen and a serial line are the machine's own, a pseudo-terminal and none are not",
        arguments: [
            ("1 (sh) S 1 1 1 1025 1", true), ("1 (a) (b c) S 1 1 1 1088 1", true), ("1 (sh) S 1 1 1 34816 1", false),
            ("1 (sh) S 1 1 1 0 -1", false), ("1 (sh) S 1 1 1 1281 1", true), ("1 (sh) S 1 1 1 1280 1", false),
            ("1 (sh) S 1 1 1 58624 1", true), ("1 (sh", false), ("", false),
        ])
    func console(stat: String, isConsole: Bool) {
        #expect((Terminal.device(inStat: Array(stat.utf8)[...]).map(Terminal.isConsole) ?? false) == isConsole)
    }
}
