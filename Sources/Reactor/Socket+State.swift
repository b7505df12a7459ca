// What is known of a connection without waiting for it, and how a wait of another task is ended.

import Glibc

extension Socket {
    /// The peer was lost: a RST, or silence for too long.
    package var hasFailed: Bool { loop.slots[slot].pointee.flags.contains(.failed) }

    /// The kernel's mark of the connection (SO_MARK, socket(7)): what its first packet was marked with, where
    /// net.ipv4.tcp_fwmark_accept is on; 0: nothing.
    package var mark: UInt32 {
        var mark: UInt32 = 0
        var length = socklen_t(MemoryLayout<UInt32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_MARK, &mark, &length) == 0 ? mark : 0
    }

    /// Makes the kernel find out if the peer is gone without a word, which `hasFailed` then says.
    package borrowing func keepAlive() {
        TCPOptions.keepAlive(descriptor)
    }

    /// Ends every wait for the socket, now and to come, as if its deadline had passed, until `endInterruption`.
    package borrowing func interrupt() {
        loop.interrupt(slot)
    }

    /// The socket can be waited for again, without a deadline.
    package borrowing func endInterruption() {
        loop.clearDeadline(slot)
    }

    /// Makes the task that waits to read look around before it waits again.
    package borrowing func nudge() {
        loop.wake(slot)
    }
}
