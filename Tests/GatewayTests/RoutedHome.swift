import Foundation
import TestNetwork

/// A home that is routed: beside the LAN host and the WAN host of `Home` there are a guest's host in a zone of its own, and an
/// internet with addresses beyond the WAN host's own network.
///
///     lan   192.168.77.10, 2001:db9:77::10   guest 10.66.0.10, 2001:db9:66::10
///     wan   203.0.112.10, 2001:db9:113::10, and on its loopback 9.9.9.9, 10.9.9.9, 2620:fe::9
final class RoutedHome: @unchecked Sendable {
    let home: Home
    let guest: Namespace

    static let guestHost = "10.66.0.10"
    static let lanHost = "192.168.77.10"
    static let lanHost6 = "2001:db9:77::10"
    static let far = "9.9.9.9"
    static let far6 = "2620:fe::9"
    static let farPrivate = "10.9.9.9"

    init() throws {
        (home, guest) = (try Home(), try Namespace())
        try guest.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name guest0 netns \(home.gateway.path)
                link set eth0 up
                address add 10.66.0.10/24 dev eth0
                address add 2001:db9:66::10/64 dev eth0 nodad
                route add default via 10.66.0.1
                """)
        try home.gateway.run(
            "ip", "-batch", "-",
            input: """
                link set guest0 up
                address add 10.66.0.1/24 dev guest0
                address add 2001:db9:66::1/64 dev guest0 nodad
                address add 2001:db9:77::1/64 dev lan0 nodad
                route add default via 203.0.112.10
                route add default via 2001:db9:113::10 dev wan0
                """)
        try home.lan.run(
            "ip", "-batch", "-",
            input: "address add 2001:db9:77::10/64 dev eth0 nodad\nroute add default via 2001:db9:77::1 dev eth0\n")
        try guest.run("ip", "route", "add", "default", "via", "2001:db9:66::1", "dev", "eth0")
        try home.wan.run(
            "ip", "-batch", "-",
            input: """
                address add 9.9.9.9/32 dev lo
                address add 10.9.9.9/32 dev lo
                address add 2620:fe::9/128 dev lo nodad
                route add default via 2001:db9:113::1 dev eth0
                """)
    }

    /// As `setup` makes it, with the guests' zone.
    static func ready(guests: [String] = [], ownsTable: Bool = true) throws -> RoutedHome {
        let routed = try RoutedHome()
        routed.home.ownsTable = ownsTable
        try routed.home.start(firewall: nil)
        try routed.home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try routed.home.ctl(["zone", "add", "guest", "--interface", "guest0"] + guests)
        // Until the kernel has tried out its link-local addresses (RFC 4862 §5.4) nobody finds a neighbour.
        let hosts = [routed.home.lan, routed.home.wan, routed.home.gateway, routed.guest]
        guard try eventually({ try hosts.allSatisfy { try $0.run("ip", "-6", "address", "show", "tentative") == "" } })
        else { throw Failure("addresses are still being tried out") }
        return routed
    }

    /// The hardware address of the LAN host, once the household knows where the host is.
    func nameOfLANHost() throws -> String {
        guard try pings(home.lan, Home.gatewayOnLAN),
            try eventually(within: .seconds(20), { try home.ctl("device", "list").contains(Self.lanHost) }),
            let name = try home.lan.run("ip", "-br", "link", "show", "eth0").split(separator: " ")
                .first(where: { $0.contains(":") && $0.count == 17 })
        else { throw Failure("the household does not know the LAN host") }
        return String(name)
    }

    /// Whether a TCP connection can be had, and a word comes back over it.
    func connects(_ host: Namespace, _ address: String, _ port: UInt16) -> Bool {
        let outcome = try? host.attempt([
            "timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/\(address)/\(port) && echo word >&3 && head -c 4 <&3",
        ])
        return outcome?.output == "word"
    }

    /// Whether a datagram comes back. The first one to a neighbour may be lost with the question who that is.
    func answers(_ host: Namespace, _ address: String, _ port: UInt16) throws -> Bool {
        let peer = try DatagramPeer(in: host, address.contains(":") ? "::" : "0.0.0.0")
        for _ in 0..<3 {
            try? peer.send(Array("word".utf8), to: address, port)
            if (try? peer.receive(within: .milliseconds(700))) != nil { return true }
        }
        return false
    }

    func pings(_ host: Namespace, _ address: String) throws -> Bool {
        try host.attempt(["ping", "-c", "3", "-i", "0.2", "-W", "1", address]).status == 0
    }
}

/// Services on a host: what is sent to them comes back.
final class Services: Sendable {
    private let origins: [Origin]
    private let datagrams: [DatagramPeer]

    /// - Parameter address: of the host, at which datagrams are answered; an answer from another one would be nobody's.
    init(in host: Namespace, at address: String = "0.0.0.0", ports: [UInt16]) throws {
        origins = try ports.flatMap { port in
            // An IPv6 socket on :: serves both.
            [
                try Origin(in: host, "::", port: port) { peer in
                    while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
                }
            ]
        }
        datagrams = try ports.map { try DatagramPeer.echo(in: host, address, port: $0) }
    }
}
