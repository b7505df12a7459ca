/// Two sockets and what is between them. It belongs to the loop, which moves its bytes; no task waits for it.
struct Tunnel {
    typealias Index = UInt32
    static let none = Index.max

    struct Direction {
        /// What was read and not taken by the other end yet, if it was copied: heap memory of its own.
        var stuck: UnsafeMutableRawPointer?
        var stuckStart: UInt32 = 0
        var stuckEnd: UInt32 = 0
        /// The pipe with what was read and not taken yet, if it was spliced.
        var pipe = PipePool.none
        var piped: Int32 = 0
        /// The source has sent its FIN.
        var hasEnded = false
        /// The FIN was passed on.
        var isShut = false
        /// Reads fill the buffer: splice(2) pays.
        var isBulk = false

        var hasStuckBytes: Bool { piped > 0 || stuck != nil }
    }

    var client: Slot.Index
    var origin: Slot.Index
    /// Client to origin.
    var up = Direction()
    /// Origin to client.
    var down = Direction()
    /// Tick of the last byte.
    var lastMoved: UInt32
    /// In the loop's list of tunnels to be pumped again.
    var isQueued = false
    /// One end is gone by RST; the other gets one as soon as it has what was sent before.
    var isResetting = false
    var resetDeadline: UInt32 = 0
}

/// Tunnels by index; pages that never move.
struct TunnelTable: ~Copyable {
    private static let pageSize = 64
    private var pages: [UnsafeMutablePointer<Tunnel>] = []
    private var free: [Tunnel.Index] = []

    deinit {
        for page in pages { page.deallocate() }
    }

    @inline(__always)
    subscript(index: Tunnel.Index) -> UnsafeMutablePointer<Tunnel> {
        pages[Int(index) / TunnelTable.pageSize] + Int(index) % TunnelTable.pageSize
    }

    mutating func insert(_ tunnel: Tunnel) -> Tunnel.Index {
        if free.isEmpty {
            let first = Tunnel.Index(pages.count * TunnelTable.pageSize)
            pages.append(.allocate(capacity: TunnelTable.pageSize))
            free.append(contentsOf: (first..<first + UInt32(TunnelTable.pageSize)).reversed())
        }
        let index = free.removeLast()
        (self[index]).initialize(to: tunnel)
        return index
    }

    mutating func remove(_ index: Tunnel.Index) {
        free.append(index)
    }
}

extension Reactor {
    /// Joins two sockets. What one end sends the other gets, each FIN and RST too, until both have ended; the tunnel needs
    /// no task any more. Bytes that the session has read already must have been written by it before.
    package func tunnel(client: consuming Socket, origin: consuming Socket) {
        loop.join(client: client.release(), origin: origin.release())
    }
}
