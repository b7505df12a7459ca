import CLinux
import Glibc

/// A descriptor that is waited on for something to read: a listening Unix socket, a channel, a signalfd, a pidfd.
package struct Source: ~Copyable {
    private let slot: Slot.Index
    private unowned(unsafe) let loop: Loop

    /// Takes a non-blocking descriptor in.
    package init(adopting descriptor: consuming Descriptor, on reactor: Reactor) {
        loop = reactor.currentLoop
        slot = loop.open(descriptor.release())
    }

    deinit {
        loop.close(slot)
    }

    package var descriptor: Int32 { loop.slots[slot].pointee.descriptor }

    /// Waits until there is something to read; a pidfd: until the process has ended.
    package borrowing func readable() async throws(Errno) {
        try await loop.wait(slot, for: .readable)
    }

    /// Makes a call that answers a result or -errno, again and again while it says that it would block.
    package borrowing func attempt(_ call: (Int32) -> Int) async throws(Errno) -> Int {
        while true {
            try await readable()
            let result = call(descriptor)
            if result >= 0 { return result }
            guard result == -Int(EAGAIN) else { throw Errno(Int32(-result)) }
            loop.slots[slot].pointee.flags.remove(.readable)
        }
    }
}
