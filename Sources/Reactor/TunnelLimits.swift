/// How long a tunnel may be idle before it is reset.
package struct TunnelLimits: Sendable {
    /// A tunnel in which nothing moved for so long is reset, though both ends answer TCP keep-alive (RFC 5382 REQ-5: no less than 2 h 4 min).
    package var idle: Duration = .seconds(2 * 3600 + 5 * 60)
    /// As `idle`, once the client has sent its FIN (RFC 9293 §3.6): the origin may take its time to answer. A client that is gone answers
    /// keep-alive by a RST.
    package var halfOpen: Duration = .seconds(2 * 3600 + 5 * 60)
    /// As `idle`, once the origin has sent its FIN: the client has all that it will get, and programs forget to close.
    package var ended: Duration = .seconds(300)
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
    let ended: UInt32
    let resetDrain: UInt32
    let splice: Bool
    /// How old a tunnel becomes before its origin gets keep-alive.
    let youth = TimerWheel.ticks(.seconds(30))

    init(_ limits: TunnelLimits) {
        idle = TimerWheel.ticks(limits.idle)
        halfOpen = TimerWheel.ticks(limits.halfOpen)
        ended = TimerWheel.ticks(limits.ended)
        resetDrain = TimerWheel.ticks(limits.resetDrain)
        splice = limits.splice
    }
}
