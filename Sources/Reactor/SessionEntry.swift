/// Keeps a session's record. An owner belongs to the session's reactor.
package protocol SessionOwner: AnyObject {
    /// The client's connection is closed, and with it the session is over. Called once, on the reactor's thread.
    func sessionEnded(_ traffic: Traffic)
}

/// A session as its loop knows it, carried by a task or by a tunnel.
struct SessionEntry {
    typealias Index = UInt32
    static let none = Index.max

    /// nil: the place is free.
    var owner: (any SessionOwner)?
    /// The session ends when this slot is closed.
    var client = Slot.none
    /// The first of the slots that have joined the session (`Slot.sibling`); `none`: no other than the client's.
    var joined = Slot.none
    var traffic = Traffic()
    /// How fast the session's bytes may move; nil: as fast as they can.
    var throttle: Throttle?
}
