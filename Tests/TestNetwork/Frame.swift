import Glibc

/// An Ethernet frame with one IP packet in it, made by hand: what no socket would send.
package struct Frame: Sendable {
    /// The IP packet.
    package var packet: [UInt8]
    private var type: UInt16

    /// - Parameter source: `0.0.0.0` and any other, whoever holds it.
    package static func ipv4(
        from source: String, to destination: String, protocol number: UInt8, hopLimit: UInt8 = 64, _ payload: [UInt8]
    ) -> Frame {
        let addresses = address(source, AF_INET) + address(destination, AF_INET)
        var header: [UInt8] = [0x45, 0] + bytes(UInt16(20 + payload.count)) + [0, 0, 0, 0, hopLimit, number, 0, 0]
        header += addresses
        header.replaceSubrange(10..<12, with: bytes(checksum(header)))
        let pseudo = addresses + [0, number] + bytes(UInt16(payload.count))
        return Frame(packet: header + filled(payload, number, pseudo: pseudo), type: 0x0800)
    }

    package static func ipv6(
        from source: String, to destination: String, protocol number: UInt8, hopLimit: UInt8 = 64, _ payload: [UInt8]
    ) -> Frame {
        let addresses = address(source, AF_INET6) + address(destination, AF_INET6)
        let header = [0x60, 0, 0, 0] + bytes(UInt16(payload.count)) + [number, hopLimit] + addresses
        let pseudo = addresses + bytes(UInt32(payload.count)) + [0, 0, 0, number]
        return Frame(packet: header + filled(payload, number, pseudo: pseudo), type: 0x86dd)
    }

    /// Of the family that the addresses are of.
    package static func ip(
        from source: String, to destination: String, protocol number: UInt8, hopLimit: UInt8 = 64, _ payload: [UInt8]
    ) -> Frame {
        source.contains(":")
            ? ipv6(from: source, to: destination, protocol: number, hopLimit: hopLimit, payload)
            : ipv4(from: source, to: destination, protocol: number, hopLimit: hopLimit, payload)
    }

    package static func udp(
        from source: String, _ sourcePort: UInt16, to destination: String, _ port: UInt16, _ payload: [UInt8] = []
    ) -> Frame {
        let header = bytes(sourcePort) + bytes(port) + bytes(UInt16(8 + payload.count)) + [0, 0]
        return ip(from: source, to: destination, protocol: 17, header + payload)
    }

    /// A SYN.
    package static func tcp(
        from source: String, _ sourcePort: UInt16, to destination: String, _ port: UInt16
    ) -> Frame {
        let header: [UInt8] =
            bytes(sourcePort) + bytes(port) + [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]
        return ip(from: source, to: destination, protocol: 6, header)
    }

    /// ICMP or ICMPv6.
    package static func icmp(
        from source: String, to destination: String, type: UInt8, hopLimit: UInt8 = 64, _ body: [UInt8] = [0, 1, 0, 1]
    ) -> Frame {
        ip(
            from: source, to: destination, protocol: source.contains(":") ? 58 : 1, hopLimit: hopLimit,
            [type, 0, 0, 0] + body)
    }

    fileprivate func bytes(to destination: [UInt8], from source: [UInt8]) -> [UInt8] {
        destination + source + Frame.bytes(type) + packet
    }

    /// With the checksum in its place: TCP, UDP and ICMPv6 include the addresses, ICMP does not.
    private static func filled(_ payload: [UInt8], _ number: UInt8, pseudo: [UInt8]) -> [UInt8] {
        let places: [UInt8: Int] = [1: 2, 6: 16, 17: 6, 58: 2]
        guard let place = places[number], payload.count >= place + 2 else { return payload }
        var payload = payload
        payload.replaceSubrange(place..<place + 2, with: bytes(checksum((number == 1 ? [] : pseudo) + payload)))
        return payload
    }

    /// RFC 1071
    private static func checksum(_ data: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for (index, byte) in data.enumerated() { sum += index.isMultiple(of: 2) ? UInt32(byte) << 8 : UInt32(byte) }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        let result = ~UInt16(sum)
        return result == 0 ? 0xffff : result
    }

    private static func address(_ text: String, _ family: CInt) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: family == AF_INET ? 4 : 16)
        guard inet_pton(family, text, &bytes) == 1 else { fatalError("\(text) is no address") }
        return bytes
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}

/// The end of an Ethernet segment, on which frames are sent as they are (packet(7)).
package final class Segment: Sendable {
    private let descriptor: CInt
    private let index: UInt32

    package init(in namespace: Namespace, interface: String) throws {
        (descriptor, index) = try namespace.enter {
            (socket(AF_PACKET, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0), if_nametoindex(interface))
        }
        guard descriptor >= 0 else { throw SocketFailure("socket") }
        guard index > 0 else { throw Failure("there is no interface \(interface)") }
    }

    deinit { close(descriptor) }

    /// - Parameters: hardware addresses, 6 bytes each.
    package func send(_ frame: Frame, to destination: [UInt8], from source: [UInt8]) throws {
        let bytes = frame.bytes(to: destination, from: source)
        // struct sockaddr_ll: family, protocol, index, hardware type, packet type, length and 8 bytes of address.
        var address = [UInt8](repeating: 0, count: 20)
        address.withUnsafeMutableBytes { buffer in
            buffer.storeBytes(of: UInt16(AF_PACKET), as: UInt16.self)
            buffer.storeBytes(of: index, toByteOffset: 4, as: UInt32.self)
        }
        let sent = address.withUnsafeBytes { address in
            sendto(
                descriptor, bytes, bytes.count, 0,
                address.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count))
        }
        guard sent == bytes.count else { throw SocketFailure("sendto") }
    }
}

extension Namespace {
    /// The hardware address of an interface inside, 6 bytes.
    package func hardware(of interface: String) throws -> [UInt8] {
        let shown = try run("ip", "-br", "link", "show", interface).split(separator: " ")
        guard let address = shown.first(where: { $0.contains(":") && $0.count == 17 }) else {
            throw Failure("\(shown)")
        }
        return address.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    }
}
