/// Two sockets and what is between them. It belongs to the loop, which moves its bytes; no task waits for it.
struct Tunnel {
    typealias Index = UInt32
    static let none = Index.max

    struct Direction {
        /// Bytes that were copied and not taken by the sink yet, in memory of their own; nil: none.
        var stuck: UnsafeMutableRawPointer?
        var stuckStart: UInt32 = 0
        var stuckEnd: UInt32 = 0
        /// The pipe with bytes that were spliced and not taken by the sink yet; `none`: no pipe.
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
    var client = Slot.none
    var origin = Slot.none
    /// Client to origin.
    var up = Direction()
    /// Origin to client.
    var down = Direction()
    /// Tick of the last byte that moved.
    var lastMoved: UInt32 = 0
    /// Bytes that both ends had not acknowledged when the deadline last passed. A change shows a peer that is slow, not dead.
    var unsent: Int32 = 0
    /// In the loop's list of tunnels to be pumped again. While it is, only that list's turn may release the tunnel.
    var isQueued = false
    /// The origin's socket has keep-alive: four calls that a tunnel of a few seconds is spared.
    var isKeptAlive = false
    var broken = Broken.none

    var isHalfOpen: Bool { up.isShut || down.isShut }
}
