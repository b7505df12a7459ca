import Address
import Firewall
import Machine
import Policy
import Ruleset

extension Packet {
    /// As the rules are asked about a packet that one of them noted.
    ///
    /// - Parameter time: when it was noted, in seconds since 1970.
    init(_ noted: PacketLog.Packet, _ flow: Departure, from source: IPAddress, at time: Int) {
        let output = noted.output.flatMap { Interface.name(of: $0) }
        self.init(
            hook: output == nil ? .input : .forward, interface: noted.input.flatMap { Interface.name(of: $0) } ?? "",
            source: source, destination: flow.destination, content: flow.content(noted.messageType))
        self.output = output
        hardware = noted.hardware
        self.time = time
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
