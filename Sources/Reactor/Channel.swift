import CLinux
import Glibc

/// Packets and descriptors between two processes, over a SOCK_SEQPACKET socketpair.
package final class Channel {
    /// One packet with the descriptors that came along.
    package struct Packet: ~Copyable {
        package let bytes: [UInt8]
        private var descriptors: [Int32]

        fileprivate init(bytes: [UInt8], descriptors: [Int32]) {
            self.bytes = bytes
            self.descriptors = descriptors
        }

        deinit {
            for descriptor in descriptors { _ = linux_close(descriptor) }
        }

        var descriptorCount: Int { descriptors.count }

        /// The first descriptor that was not taken yet.
        package mutating func takeDescriptor() -> Descriptor? {
            descriptors.isEmpty ? nil : Descriptor(adopting: descriptors.removeFirst())
        }
    }

    /// The longest packet: well under the default socket buffer, which holds 212 960 bytes. More travels in a memfd.
    package static let packetLimit = 32 << 10
    /// SCM_RIGHTS of one packet, at most.
    package static let descriptorLimit = 16

    private let source: Source
    private let buffer: UnsafeMutableRawBufferPointer

    package init(adopting descriptor: consuming Descriptor, on reactor: Reactor) {
        source = Source(adopting: descriptor, on: reactor)
        buffer = .allocate(byteCount: Channel.packetLimit, alignment: 8)
    }

    /// This end's descriptor, which remains the channel's.
    package var descriptor: Int32 { source.descriptor }

    deinit {
        buffer.deallocate()
    }

    /// A connected pair.
    package static func pair() throws(Errno) -> (parent: Int32, child: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        try checked(
            withUnsafeMutableBytes(of: &ends) { linux_packet_pair($0.bindMemory(to: Int32.self).baseAddress) })
        return ends
    }

    /// Sends one packet; the descriptors are duplicated into it and remain the caller's.
    ///
    /// - Throws: `EAGAIN` if the peer has not read what was sent before: it hangs. `EPIPE` if it is gone.
    package func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(Errno) {
        guard bytes.count <= Channel.packetLimit else { throw Errno(EMSGSIZE) }
        // The receiver could not tell it from the end (recv(2)).
        guard !bytes.isEmpty else { throw Errno(EINVAL) }
        try checked(linux_send_packet(source.descriptor, bytes, bytes.count, descriptors, Int32(descriptors.count)))
    }

    /// Waits for the next packet; nil when the peer has closed.
    package func receive() async throws(Errno) -> Packet? {
        var descriptors = [Int32](repeating: -1, count: Channel.descriptorLimit)
        var count: Int32 = 0
        let buffer = self.buffer
        let length = try await source.attempt {
            linux_receive_packet($0, buffer.baseAddress, buffer.count, &descriptors, &count)
        }
        // Made before the length is looked at: an empty packet may bring descriptors, which are to be closed.
        let packet = Packet(
            bytes: Array(UnsafeRawBufferPointer(rebasing: buffer[..<length])),
            descriptors: Array(descriptors[..<Int(count)]))
        guard length > 0 else { return nil }
        return packet
    }
}
