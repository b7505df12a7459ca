import CLinux

/// Watches a descriptor that a library owns and calls back on the reactor's thread.
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
        // EPOLLERR and EPOLLHUP cannot be masked: a watch for nothing hears of them once (EPOLLET), not for ever.
        if events.isEmpty { return LINUX_EPOLLET }
        return (events.contains(.read) ? LINUX_EPOLLIN : 0) | (events.contains(.write) ? LINUX_EPOLLOUT : 0)
    }
}
