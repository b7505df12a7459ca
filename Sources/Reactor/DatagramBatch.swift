package import Address
import CLinux

/// Where datagrams are received into and from which they are sent: as many as one system call takes (recvmmsg(2),
/// sendmmsg(2)). One for all sockets of a reactor, since nothing stays in it from one turn to the next.
package final class DatagramBatch {
    let state = linux_datagrams_create()!

    /// Datagrams from one place that arrived as one (UDP_GRO). The bytes are there until the next receive.
    package struct Run {
        package let bytes: UnsafeRawBufferPointer
        /// The size of each datagram but the last, which may be shorter.
        package let segment: Int
        package let source: PackedEndpoint
        /// What the firewall has marked the packet with, where the socket is one that tells (`ListeningSocket.udp`); 0: nothing.
        package let mark: UInt32

        /// How many they are.
        package var count: Int { max(1, (bytes.count + segment - 1) / max(1, segment)) }
    }

    package init() {}

    deinit {
        linux_datagrams_free(state)
    }

    /// The run at `index` among those of the last receive.
    package subscript(index: Int) -> Run {
        let run = linux_datagrams_received(state, Int32(index))
        return Run(
            bytes: UnsafeRawBufferPointer(start: run.bytes, count: Int(run.length)), segment: Int(run.segment),
            source: PackedEndpoint(run.source.pointee), mark: run.mark)
    }
}

extension Reactor {
    /// The batch that all datagrams on this reactor pass through.
    package nonisolated var datagrams: DatagramBatch { currentLoop.datagrams }
}
