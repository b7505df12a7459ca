package import Address
internal import CNetfilter
internal import Glibc
package import Reactor
package import Ruleset

/// The packets that rules note (`Ruleset.Decision.note`), as the kernel tells of them (nfnetlink_log), in the network namespace in
/// which it was opened. The kernel has a bounded room for those that nobody has read, and drops the rest.
package struct PacketLog: ~Copyable {
    private let source: Source

    package struct Packet: Sendable {
        package var notice: Ruleset.Notice
        /// Of the rule that noted it; nil: it gives none.
        package var reason: String?
        /// The account of the program that sent it; nil: the kernel does not say.
        package var user: UInt32?
        /// The numbers of the interfaces by which it came and by which it leaves; nil: by none.
        package var input: UInt32?
        package var output: UInt32?
        /// Of its sender on the interface's own network; nil: there is none that could be seen.
        package var hardware: HardwareAddress?
        /// From its IP header on, and no more than is asked for.
        package var bytes: ArraySlice<UInt8>

        /// Of ICMP in either version, what kind of message it is (RFC 792, RFC 4443 §2.1); nil: it is cut short, or of IPv6 with other
        /// headers before it.
        package var messageType: UInt8? {
            guard let first = bytes.first else { return nil }
            let (transport, header) = first >> 4 == 4 ? (9, Int(first & 0xf) * 4) : (6, 40)
            guard bytes.count > header, [1, 58].contains(bytes[bytes.startIndex + transport]) else { return nil }
            return bytes[bytes.startIndex + header]
        }

        /// Who sent it (RFC 791 §3.1, RFC 8200 §3); nil: it is no packet of IP.
        package var source: IPAddress? {
            guard let first = bytes.first else { return nil }
            switch first >> 4 {
            case 4 where bytes.count >= 20:
                return .v4(bytes.dropFirst(12).prefix(4).reduce(0) { $0 << 8 | UInt32($1) })
            case 6 where bytes.count >= 40:
                return .v6(bytes.dropFirst(8).prefix(16).reduce(0) { $0 << 8 | UInt128($1) })
            default: return nil
            }
        }
    }

    /// Of a packet so much is of interest: the longest header of IP, and the ports behind it.
    private static let length: UInt32 = 64

    /// Takes CAP_NET_ADMIN. A group has one reader.
    package init(on reactor: Reactor) throws(FirewallError) {
        let number = socket(
            AF_NETLINK, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), NETLINK_NETFILTER)
        guard number >= 0 else { throw FirewallError("cannot open a netlink socket", errno: errno) }
        let descriptor = Descriptor(adopting: number)
        for notice in Ruleset.Notice.allCases { try Self.listen(number, to: notice.rawValue) }
        source = Source(adopting: descriptor, on: reactor)
    }

    private static func listen(_ socket: CInt, to group: UInt16) throws(FirewallError) {
        // NFULA_CFG_CMD (1): NFULNL_CFG_CMD_BIND (1). NFULA_CFG_MODE (2): the range, and NFULNL_COPY_PACKET (2).
        // NFULA_CFG_QTHRESH (5): each is told at once.
        let message = configuration(
            group, attribute(1, [1]) + attribute(2, bytes(length) + [2, 0]) + attribute(5, bytes(UInt32(1))))
        guard send(socket, message, message.count, 0) == message.count else {
            throw FirewallError("cannot ask for packets that are noted", errno: errno)
        }
        var answer = [UInt8](repeating: 0, count: 1024)
        // It is written before send(2) returns; between two of them a packet of an earlier group may come.
        while true {
            let count = recv(socket, &answer, answer.count, CInt(MSG_DONTWAIT))
            guard count >= 0 else { throw FirewallError("the kernel tells of no packets that are noted", errno: errno) }
            // NLMSG_ERROR, and struct nlmsgerr behind the header: 0, or an error.
            guard count >= 20, hostNumber(answer[4..<6]) == 2 else { continue }
            let code = hostNumber(answer[16..<20])
            guard code != 0 else { return }
            throw FirewallError("the kernel tells of no packets that are noted", errno: CInt(bitPattern: 0 &- code))
        }
    }

    /// Waits for some. Of what was lost for want of room nothing is told.
    package borrowing func next() async throws(Errno) -> [Packet] {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = try await source.attempt { descriptor in
            let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            if count < 0 { return errno == ENOBUFS ? 0 : -Int(errno) }
            return count
        }
        return Self.packets(in: buffer[..<count])
    }

    /// Of a datagram of netlink messages.
    static func packets(in datagram: ArraySlice<UInt8>) -> [Packet] {
        var packets: [Packet] = []
        var rest = datagram
        // struct nlmsghdr: length, type, flags, sequence, port; in the machine's byte order.
        while rest.count >= 16 {
            let length = Int(hostNumber(rest.prefix(4)))
            guard length >= 16, length <= rest.count else { break }
            let message = rest.prefix(length)
            rest = rest.dropFirst((length + 3) & ~3)
            // NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET.
            // Behind it struct nfgenmsg, which ends with the group.
            guard hostNumber(message.dropFirst(4).prefix(2)) == 4 << 8, length >= 20,
                let notice = Ruleset.Notice(rawValue: UInt16(number(message.dropFirst(18).prefix(2))))
            else { continue }
            var attributes = message.dropFirst(20)
            var packet = Packet(notice: notice, bytes: [])
            var hasPayload = false
            while attributes.count >= 4 {
                let length = Int(hostNumber(attributes.prefix(2)))
                guard length >= 4, length <= attributes.count else { break }
                let value = attributes.prefix(length).dropFirst(4)
                // NFULA_IFINDEX_INDEV, NFULA_IFINDEX_OUTDEV, NFULA_HWADDR (its length, two bytes of nothing, the address),
                // NFULA_PAYLOAD, NFULA_PREFIX (a C string) and NFULA_UID.
                switch hostNumber(attributes.dropFirst(2).prefix(2)) & 0x3fff {
                case 4: packet.input = number(value)
                case 5: packet.output = number(value)
                case 8: packet.hardware = HardwareAddress(bytes: Array(value.dropFirst(4).prefix(6)))
                case 9: (packet.bytes, hasPayload) = (value, true)
                case 10 where value.count > 1: packet.reason = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
                case 11: packet.user = number(value)
                default: break
                }
                attributes = attributes.dropFirst((length + 3) & ~3)
            }
            if hasPayload { packets.append(packet) }
        }
        return packets
    }

    private static func configuration(_ group: UInt16, _ attributes: [UInt8]) -> [UInt8] {
        // NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG; NLM_F_REQUEST | NLM_F_ACK.
        let header: [UInt16] = [UInt16(truncatingIfNeeded: 20 + attributes.count), 0, 4 << 8 | 1, 1 | 4, 0, 0, 0, 0]
        // struct nfgenmsg: no family, version 0, the group.
        return header.flatMap { number in withUnsafeBytes(of: number) { Array($0) } } + [0, 0] + bytes(group)
            + attributes
    }

    private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let head = [UInt16(4 + value.count), type].flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
        return head + value + [UInt8](repeating: 0, count: -value.count & 3)
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// In the network's byte order.
    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    private static func hostNumber(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
