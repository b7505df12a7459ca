import Address
import Firewall
import Glibc
import Policy
import Ruleset
import Supervisor

/// The last packets that were dropped, as the kernel told of them: of each source ten at once and then one a second, of no more than
/// 1024 sources of each family within a minute.
///
/// Those that were dropped for their source alone are counted apart, for there are always some: fewer are kept than `firewall log`
/// shows if it is not told how many, so that they hide nothing else.
struct DropLog {
    private struct Entry {
        var time: Int
        var packet: PacketLog.Packet
    }

    private struct Ring {
        let capacity: Int
        private var entries: [Entry] = []
        /// Where the next one goes, once there are as many as are kept.
        private var next = 0

        init(capacity: Int) { self.capacity = capacity }

        mutating func add(_ entry: Entry) {
            if entries.count < capacity {
                entries.append(entry)
            } else {
                entries[next] = entry
                next = (next + 1) % capacity
            }
        }

        var inOrder: [Entry] { Array(entries[next...] + entries[..<next]) }
    }

    private var drops = Ring(capacity: 1024)
    private var barred = Ring(capacity: 50)

    mutating func note(_ packet: PacketLog.Packet) {
        let entry = Entry(time: Int(time(nil)), packet: packet)
        if packet.notice == .barred { barred.add(entry) } else { drops.add(entry) }
    }

    /// The oldest first.
    ///
    /// - Parameters:
    ///   - judge: what of the rules stops it, where the kernel has not said so.
    ///   - device: what the device of an address is called.
    func told(_ judge: (Packet) -> String, device: (IPAddress) -> String?) -> [DroppedPacket] {
        (drops.inOrder + barred.inOrder).sorted { $0.time < $1.time }.compactMap { entry in
            let packet = entry.packet
            guard let flow = Departure(packet: packet.bytes, user: nil), let source = packet.source else { return nil }
            let asked = Packet(packet, flow, from: source, at: entry.time)
            return DroppedPacket(
                time: entry.time, interface: asked.interface, output: asked.output, source: source,
                destination: flow.destination, transport: flow.transport, port: flow.port,
                device: device(source) ?? device(flow.destination),
                reason: packet.reason ?? judge(asked))
        }
    }
}
