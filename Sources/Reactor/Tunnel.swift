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
        /// Nothing more will come from the source: it has sent its FIN, or is broken and read to its end.
        var hasEnded = false
        /// Nothing more goes to the sink: the FIN was passed on, or the sink is broken.
        var isShut = false
        /// Reads fill the buffer: splice(2) pays.
        var isBulk = false

        var hasStuckBytes: Bool { piped > 0 || stuck != nil }
    }

    /// Which ends are gone by RST, or by an error that stands for one.
    enum Broken: UInt8 {
        case none, client, origin, both
    }

    /// Both are open as long as the tunnel lives; `Slot.none` once it is over.
    var client: Slot.Index
    var origin: Slot.Index
    /// Client to origin.
    var up = Direction()
    /// Origin to client.
    var down = Direction()
    /// Tick of the last byte that moved.
    var lastMoved: UInt32
    /// What both ends had not acknowledged when the deadline last passed: a change shows a peer that is slow, not dead.
    var unsent: Int32 = 0
    /// In the loop's list of tunnels to be pumped again, which alone may free it then.
    var isQueued = false
    /// The origin's socket has keep-alive: four calls that a tunnel of a few seconds is spared.
    var isKeptAlive = false
    var broken = Broken.none

    var isHalfOpen: Bool { up.isShut || down.isShut }
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
        self[index].initialize(to: tunnel)
        return index
    }

    mutating func remove(_ index: Tunnel.Index) {
        free.append(index)
    }
}

/// What a tunnel may cost before it is reaped.
package struct TunnelLimits: Sendable {
    /// A tunnel in which nothing moved for so long is reset.
    package var idle: Duration = .seconds(3600)
    /// As `idle`, once one end has sent its FIN (RFC 9293 §3.6).
    package var halfOpen: Duration = .seconds(300)
    /// As `idle`, once one end was reset: how long the other one may take nothing of what was sent before.
    package var resetDrain: Duration = .seconds(5)
    /// Whether bulk data moves by splice(2); without, every byte is copied.
    package var splice = true

    package init() {}
}

/// The limits in ticks of the timer wheel.
struct TunnelTicks {
    let idle: UInt32
    let halfOpen: UInt32
    let resetDrain: UInt32
    let splice: Bool
    /// How old a tunnel becomes before its origin gets keep-alive.
    let youth = TimerWheel.ticks(.seconds(30))

    init(_ limits: TunnelLimits) {
        idle = TimerWheel.ticks(limits.idle)
        halfOpen = TimerWheel.ticks(limits.halfOpen)
        resetDrain = TimerWheel.ticks(limits.resetDrain)
        splice = limits.splice
    }
}

extension Reactor {
    /// Joins two sockets. What one end sends the other gets, each FIN and RST too, until both have ended; the tunnel needs
    /// no task any more. Bytes that the session has read already must have been written by it before. On the reactor's thread.
    package nonisolated func tunnel(client: consuming Socket, origin: consuming Socket) {
        currentLoop.join(client: client.release(), origin: origin.release())
    }
}
