import Address
import Firewall
import Glibc
import Machine
import Policy
import Ruleset
import Supervisor

/// The last packets that were dropped, as the kernel told of them: of each source a few at once and then a few a second.
struct DropLog {
    private static let capacity = 1024

    private struct Entry {
        var time: Int
        var packet: PacketLog.Packet
    }

    private var entries: [Entry] = []
    /// Where the next one goes, once there are as many as are kept.
    private var next = 0

    mutating func note(_ packet: PacketLog.Packet) {
        let entry = Entry(time: Int(time(nil)), packet: packet)
        if entries.count < Self.capacity {
            entries.append(entry)
        } else {
            entries[next] = entry
            next = (next + 1) % Self.capacity
        }
    }

    /// The oldest first.
    ///
    /// - Parameters:
    ///   - judge: what of the rules stops it.
    ///   - device: what the device of an address is called.
    func told(_ judge: (Packet) -> String, device: (IPAddress) -> String?) -> [DroppedPacket] {
        (entries[next...] + entries[..<next]).compactMap { entry in
            let packet = entry.packet
            guard let flow = Departure(packet: packet.bytes, user: nil), let source = packet.source else { return nil }
            let interface = packet.input.flatMap { Interface.name(of: $0) } ?? ""
            let output = packet.output.flatMap { Interface.name(of: $0) }
            var asked = Packet(
                hook: output == nil ? .input : .forward, interface: interface, source: source,
                destination: flow.destination, content: flow.content(packet.messageType))
            asked.output = output
            asked.hardware = packet.hardware
            asked.time = entry.time
            return DroppedPacket(
                time: entry.time, interface: interface, output: output, source: source, destination: flow.destination,
                transport: flow.transport, port: flow.port, device: device(source) ?? device(flow.destination),
                reason: judge(asked))
        }
    }
}

extension Departure {
    fileprivate func content(_ messageType: UInt8?) -> Packet.Content {
        switch (transport.number, port) {
        case (1, _): messageType.map { .icmp($0) } ?? .other(1)
        case (58, _): messageType.map { .icmpv6($0) } ?? .other(58)
        case (6, let port?): .tcp(port)
        case (17, let port?): .udp(port)
        case (let number, _): .other(number)
        }
    }
}
