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

/// Watches a descriptor that a library owns (c-ares, say) and calls back on the reactor's thread.
package final class Watch {
    package struct Events: OptionSet, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        package static let read = Events(rawValue: 1)
        package static let write = Events(rawValue: 2)
    }

    private let slot: Slot.Index
    private let loop: Loop

    /// Level-triggered. The watch must end before its descriptor is closed.
    package init(
        _ descriptor: Int32, for events: Events, on reactor: Reactor, _ ready: @escaping (Events) -> Void
    ) throws(Errno) {
        let loop = reactor.currentLoop
        self.loop = loop
        var index = Slot.none
        index = try loop.watch(descriptor, for: Watch.mask(events)) { flags in
            var events: Events = []
            if flags.contains(.readable) { events.insert(.read) }
            if flags.contains(.writable) { events.insert(.write) }
            loop.slots[index].pointee.flags.subtract([.readable, .writable, .hangup, .failed])
            ready(events)
        }
        slot = index
    }

    deinit {
        loop.close(slot)
    }

    package func change(to events: Events) {
        loop.rewatch(slot, for: Watch.mask(events))
    }

    private static func mask(_ events: Events) -> UInt32 {
        // EPOLLERR and EPOLLHUP cannot be masked: who waits for nothing is told of them once, not for ever.
        if events.isEmpty { return LINUX_EPOLLET }
        return (events.contains(.read) ? LINUX_EPOLLIN : 0) | (events.contains(.write) ? LINUX_EPOLLOUT : 0)
    }
}
