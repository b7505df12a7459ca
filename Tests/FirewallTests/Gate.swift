import Foundation
import TestNetwork

@testable import Firewall

/// A gateway in a namespace of its own, and what it has before it on either side, from where any frame can be sent.
///
///     lan0 192.168.77.1, fd00:77::1, fe80::77:1      wan0 203.0.113.2, 2001:db8:113::2, fe80::113:2
///     guest0 10.66.0.1, fd00:66::1, fe80::66:1       and behind it everything else
///
/// A table of nft's notes which frames come to the hooks input and forward, and which of them come past our own chains.
final class Gate {
    let gateway: Namespace
    private let outside: Namespace
    private let segments: [String: Segment]
    /// Of the frames that were sent.
    private(set) var count: UInt32 = 0

    /// - Parameter forwards: whether the kernel passes packets on.
    init(forwards: Bool = false) throws {
        (gateway, outside) = (try Namespace(), try Namespace())
        try outside.run(
            "ip", "-batch", "-",
            input: """
                link add lan type veth peer name lan0 address \(Self.hardware) netns \(gateway.path)
                link add wan type veth peer name wan0 address \(Self.hardware) netns \(gateway.path)
                link add guest type veth peer name guest0 address \(Self.hardware) netns \(gateway.path)
                """)
        // The outside says nothing by itself.
        try outside.run(
            "sysctl", "-qw", "net.ipv6.conf.lan.disable_ipv6=1", "net.ipv6.conf.wan.disable_ipv6=1",
            "net.ipv6.conf.guest.disable_ipv6=1")
        try outside.run("ip", "-batch", "-", input: "link set lan up\nlink set wan up\nlink set guest up\n")
        try gateway.run(
            "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.lan0.rp_filter=0",
            "net.ipv4.conf.wan0.rp_filter=0", "net.ipv4.conf.guest0.rp_filter=0",
            "net.ipv6.conf.lan0.addr_gen_mode=1", "net.ipv6.conf.wan0.addr_gen_mode=1",
            "net.ipv6.conf.guest0.addr_gen_mode=1", "net.ipv6.conf.lan0.accept_ra=0", "net.ipv6.conf.wan0.accept_ra=0",
            "net.ipv6.conf.guest0.accept_ra=0")
        try gateway.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link set lan0 up
                link set wan0 up
                link set guest0 up
                address add 192.168.77.1/24 dev lan0
                address add fd00:77::1/64 dev lan0 nodad
                address add fe80::77:1/64 dev lan0 nodad
                address add 10.66.0.1/24 dev guest0
                address add fd00:66::1/64 dev guest0 nodad
                address add fe80::66:1/64 dev guest0 nodad
                address add 203.0.113.2/24 dev wan0
                address add 2001:db8:113::2/64 dev wan0 nodad
                address add fe80::113:2/64 dev wan0 nodad
                route add default via 203.0.113.1
                route add default via 2001:db8:113::1 dev wan0
                """)
        if forwards {
            try gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        }
        try gateway.run(
            "nft", "-f", "-",
            input: """
                table inet judge {
                    set came { type ether_addr; flags dynamic; size 65535; }
                    set passed { type ether_addr; flags dynamic; size 65535; }
                    chain before { type filter hook input priority -10; add @came { ether saddr }; }
                    chain after { type filter hook input priority 10; add @passed { ether saddr }; }
                    chain before_forward { type filter hook forward priority -10; add @came { ether saddr }; }
                    chain after_forward { type filter hook forward priority 10; add @passed { ether saddr }; }
                }
                """)
        segments = [
            "lan0": try Segment(in: outside, interface: "lan"), "wan0": try Segment(in: outside, interface: "wan"),
            "guest0": try Segment(in: outside, interface: "guest"),
        ]
    }

    /// Sends each frame to the interface, in this order, and tells for each whether it came past our chain; nil if it did
    /// not even come to the hook.
    func passed(_ frames: [(interface: String, frame: Frame)]) throws -> [Bool?] {
        let first = count
        try gateway.run("nft", "flush set inet judge came; flush set inet judge passed")
        for (interface, frame) in frames {
            guard let segment = segments[interface] else { throw Failure("there is no segment at \(interface)") }
            try segment.send(frame, to: [2, 0, 0, 0, 0, 1], from: Self.sender(count))
            count += 1
        }
        // The last word, from loopback, does not come into the sets; so wait until nothing new comes.
        var (came, before) = (try elements("came"), Set<String>())
        while came != before { (before, came) = (came, try elements("came")) }
        let passed = try elements("passed")
        return (first..<count).map { number in
            let name = Self.sender(number).map { String(format: "%02x", $0) }.joined(separator: ":")
            return came.contains(name) ? passed.contains(name) : nil
        }
    }

    private func elements(_ set: String) throws -> Set<String> {
        let text = try gateway.run("nft", "list", "set", "inet", "judge", set)
        return Set(text.matches(of: /([0-9a-f]{2}:){5}[0-9a-f]{2}/).map { String($0.0) })
    }

    /// Of both interfaces of the gateway, each on its own segment.
    private static let hardware = "02:00:00:00:00:01"

    /// Each frame has a sender of its own, by which it is known again.
    static func sender(_ number: UInt32) -> [UInt8] {
        [2, 1] + withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }
}
