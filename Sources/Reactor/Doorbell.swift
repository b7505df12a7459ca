import CLinux
import Glibc

/// Wakes one thread that has nothing to do but wait, from any thread (eventfd(2)).
package final class Doorbell: Sendable {
    private let descriptor: Descriptor

    package init() throws(Errno) {
        descriptor = try Descriptor(adopting: checked(linux_eventfd()))
    }

    package func ring() {
        var one: UInt64 = 1
        _ = linux_write(descriptor.number, &one, 8)
    }

    /// Waits until it has been rung since it was last waited for.
    ///
    /// - Parameter nanoseconds: how long at most, of which no more than 24 days count.
    package func wait(atMost nanoseconds: UInt64) {
        var poll = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
        // Rounded up: a wait that ended early would be begun again and again.
        let timeout = Int32(clamping: nanoseconds / 1_000_000 + 1)
        guard Glibc.poll(&poll, 1, timeout) > 0 else { return }
        var count: UInt64 = 0
        _ = linux_read(descriptor.number, &count, 8)
    }
}
