import Foundation
import TestNetwork
import Testing

/// Packets that belong to no connection, and so to no device by which they could be judged: what goes between neighbours alone, and
/// answers and ends of nothing. The kernel translates none of them either, so one that leaves shows the home's own addresses.
@Suite(
    "Packets of no connection", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(2)))
struct StrayPacketTests {
    private let routed: RoutedHome
    private var home: Home { routed.home }
    /// By their ways.
    private let devices: [(way: String, host: Namespace, ipv4: String, ipv6: String)]

    init() throws {
        routed = try RoutedHome()
        let home = routed.home
        devices = try [("routed", 21), ("proxy", 22), ("blocked", 23)].map { way, last in
            let host = try home.plugIn(last)
            try host.run("ip", "address", "add", "2001:db9:77::\(last)/64", "dev", "eth0", "nodad")
            try host.run("ip", "route", "add", "default", "via", "2001:db9:77::1", "dev", "eth0")
            return (way, host, "192.168.77.\(last)", "2001:db9:77::\(last)")
        }
    }

    /// What has an Ethernet segment at one end, and the gateway's card on it.
    private struct End {
        let segment: Segment
        let hardware: [UInt8]
        let gateway: [UInt8]
        let capture: Capture

        init(_ host: Namespace, gateway: [UInt8]) throws {
            segment = try Segment(in: host, interface: "eth0")
            hardware = try host.hardware(of: "eth0")
            capture = try Capture(in: host, interface: "eth0")
            self.gateway = gateway
        }

        func send(_ frames: [Frame]) throws {
            for frame in frames { try segment.send(frame, to: gateway, from: hardware) }
        }
    }

    /// Packets of no connection, each with its name in it, from one pair of addresses to another.
    private static func strays(_ sender: String, from: (String, String), to: (String, String)) -> [Frame] {
        func text(_ kind: String) -> [UInt8] { Array("<\(sender) \(kind)>".utf8) }
        // Router and neighbour discovery and a redirect (RFC 4861), and listener discovery (RFC 2710, RFC 3810), to somewhere
        // else than a neighbour; with the hop limit that a neighbour takes them with at first, and another one.
        var frames = [UInt8(130), 131, 132, 133, 134, 135, 136, 137, 143].flatMap { type in
            [UInt8(255), 64].map { limit in
                Frame.icmp(
                    from: from.1, to: to.1, type: type, hopLimit: limit,
                    [0, 0, 0, 0] + [UInt8](repeating: 0x20, count: 32) + text("ICMPv6 \(type)/\(limit)"))
            }
        }
        let flags: [(String, UInt8)] = [
            ("ACK", 0x10), ("SYN+ACK", 0x12), ("RST", 0x04), ("RST+ACK", 0x14), ("FIN", 0x01), ("FIN+ACK", 0x11),
            ("none", 0x00), ("all", 0x3f), ("SYN+FIN", 0x03),
        ]
        for (index, (name, bits)) in flags.enumerated() {
            for (source, destination) in [(from.0, to.0), (from.1, to.1)] {
                let header: [UInt8] =
                    [0x9c, 0x40 + UInt8(index), 1, 187, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, bits, 0xff, 0xff, 0, 0, 0, 0]
                frames.append(.ip(from: source, to: destination, protocol: 6, header + text("TCP \(name)")))
            }
        }
        // Errors about nothing, and an answer to no question. (Those of IPv6 come in: RFC 4890 §4.3.1.)
        let body = [UInt8](repeating: 0, count: 28)
        for type: UInt8 in [0, 3, 11] {
            frames.append(.icmp(from: from.0, to: to.0, type: type, body + text("ICMP \(type)")))
        }
        for type: UInt8 in from.1 == RoutedHome.far6 ? [129] : [1, 2, 3, 4, 129] {
            frames.append(.icmp(from: from.1, to: to.1, type: type, body + text("ICMPv6 \(type)")))
        }
        return frames
    }

    private static let toWAN = (RoutedHome.far, RoutedHome.far6)

    /// The names in what has come, each as often as it has.
    private static func names(_ frames: [[UInt8]]) -> [String] {
        frames.compactMap { frame in
            String(decoding: frame, as: UTF8.self).firstMatch(
                of: #/<((?:routed|proxy|blocked|internet|the last)[^<>]*)>/#
            )
            .map { String($0.1) }
        }
    }

    private static func names(_ frames: [Frame]) -> [String] { names(frames.map(\.packet)) }

    @Test("go neither from a device to the internet nor from there to a device, whatever the device's way is")
    func bothDirections() throws {
        let (lan0, wan0) = (try home.gateway.hardware(of: "lan0"), try home.gateway.hardware(of: "wan0"))
        let wan = try End(home.wan, gateway: wan0)
        let ends = try devices.map { try End($0.host, gateway: lan0) }
        let outgoing = devices.map { Self.strays($0.way, from: ($0.ipv4, $0.ipv6), to: Self.toWAN) }
        let incoming = devices.map { Self.strays("internet to \($0.way)", from: Self.toWAN, to: ($0.ipv4, $0.ipv6)) }
        func sendAll() throws {
            for index in devices.indices {
                try ends[index].send(outgoing[index])
                try wan.send(incoming[index])
            }
        }
        for device in devices {
            #expect(try routed.pings(device.host, Home.gatewayOnLAN) && routed.pings(device.host, "2001:db9:77::1"))
        }
        #expect(try routed.pings(home.gateway, Home.wanHost) && routed.pings(home.gateway, Home.wanHost6))
        // A machine that passes on what it gets carries all of them: it is the rules that stop them.
        try home.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        try sendAll()
        var (seen, arrived): (Set<String>, [Set<String>]) = ([], devices.map { _ in [] })
        #expect(
            try eventually {
                seen.formUnion(Self.names(try wan.capture.frames()))
                for index in devices.indices {
                    arrived[index].formUnion(Self.names(try ends[index].capture.frames()))
                }
                return seen.isSuperset(of: outgoing.flatMap(Self.names))
                    && zip(arrived, incoming).allSatisfy { $0.isSuperset(of: Self.names($1)) }
            },
            "\(Set(outgoing.flatMap(Self.names)).subtracting(seen).sorted()) \(arrived.map(\.count))")
        try home.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")

        try home.start(firewall: nil)
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        for device in devices {
            try home.meet(device.host, as: device.way)
            try home.ctl("device", "way", device.way, device.way)
        }
        // Without what the hosts had to say to the packets of before.
        for capture in [wan.capture] + ends.map(\.capture) { _ = try capture.frames() }
        try sendAll()
        // What was sent before this has passed by now, in either direction: this is of a connection.
        let last = Frame.icmp(
            from: devices[0].ipv6, to: RoutedHome.far6, type: 128, [0, 1, 0, 1] + Array("<the last>".utf8))
        var (left, came): ([[UInt8]], [[[UInt8]]]) = ([], devices.map { _ in [] })
        #expect(
            try eventually {
                try ends[0].send([last])
                left += try wan.capture.frames()
                for index in devices.indices { came[index] += try ends[index].capture.frames() }
                return Self.names(left).contains("the last") && Self.names(came[0]).contains("the last")
            })
        // An acknowledgement that nobody knows may be of a connection from before a reboot, which goes on; under the gateway's
        // own address, and only in the device's own way.
        let mayLeave = Set(["the last", "routed TCP ACK"])
        #expect(Set(Self.names(left)).subtracting(mayLeave) == [], "to the internet")
        for (device, frames) in zip(devices, came) {
            #expect(Set(Self.names(frames)).subtracting(["the last"]) == [], "to the device with the way \(device.way)")
        }
        let own = try #require(Self.bytes(of: Home.gatewayOnWAN))
        for frame in left where frame[12...13] == [0x08, 0x00] {
            #expect(Array(frame[26..<30]) == own, "an address of the home's: \(frame[26..<30])")
        }
        // And the rules that count them say so.
        let table = try home.gateway.run("nft", "list", "table", "inet", "gatehouse")
        #expect(table.contains(#/ct state untracked counter packets [1-9]/#), "\(table)")
        #expect(table.contains(#/ct state invalid counter packets [1-9]/#), "\(table)")
    }

    private static func bytes(of address: String) -> [UInt8]? {
        let bytes = address.split(separator: ".").compactMap { UInt8($0) }
        return bytes.count == 4 ? bytes : nil
    }
}
