import Address
import Firewall
import Glibc
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
            let asked = Packet(packet, flow, from: source, at: entry.time)
            return DroppedPacket(
                time: entry.time, interface: asked.interface, output: asked.output, source: source,
                destination: flow.destination, transport: flow.transport, port: flow.port,
                device: device(source) ?? device(flow.destination),
                reason: judge(asked))
        }
    }
}
