import Glibc

/// All that comes in by an interface, kept by the kernel until somebody looks (packet(7)).
package final class Capture: Sendable {
    private let descriptor: CInt

    package init(in namespace: Namespace, interface: String) throws {
        // ETH_P_ALL, in network order.
        let everything = UInt16(3).bigEndian
        let (descriptor, index) = try namespace.enter {
            (
                socket(AF_PACKET, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), CInt(everything)),
                if_nametoindex(interface)
            )
        }
        guard descriptor >= 0 else { throw SocketFailure("socket") }
        self.descriptor = descriptor
        guard index > 0 else { throw Failure("there is no interface \(interface)") }
        // Without this, of many frames at once only the first are kept: SO_RCVBUFFORCE.
        var room: CInt = 8 << 20
        setsockopt(descriptor, SOL_SOCKET, 33, &room, socklen_t(MemoryLayout<CInt>.size))
        // struct sockaddr_ll: family, protocol and index.
        var address = [UInt8](repeating: 0, count: 20)
        address.withUnsafeMutableBytes { buffer in
            buffer.storeBytes(of: UInt16(AF_PACKET), as: UInt16.self)
            buffer.storeBytes(of: everything, toByteOffset: 2, as: UInt16.self)
            buffer.storeBytes(of: index, toByteOffset: 4, as: UInt32.self)
        }
        let outcome = address.withUnsafeBytes {
            bind(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard outcome == 0 else { throw SocketFailure("bind") }
    }

    deinit { close(descriptor) }

    /// The IP packets among the frames that have come since the last look, with their Ethernet heads; not those that the host
    /// itself has sent.
    package func frames() throws -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var (address, length) = ([UInt8](repeating: 0, count: 20), socklen_t(20))
            let count = address.withUnsafeMutableBytes { address in
                recvfrom(
                    descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT),
                    address.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
            }
            if count < 0, errno == EAGAIN { return frames }
            guard count >= 0 else { throw SocketFailure("recvfrom") }
            // The eleventh byte is the packet's kind: PACKET_OUTGOING is 4.
            let isIP = count > 14 && [[0x08, 0x00], [0x86, 0xdd]].contains(Array(buffer[12..<14]))
            if isIP, address[10] != 4 { frames.append(Array(buffer[..<count])) }
        }
    }
}
