/// Who keeps a session's record. It belongs to the session's reactor.
package protocol SessionOwner: AnyObject {
    /// The client's connection is closed, and with it the session is over. Called once, on the reactor's thread.
    func sessionEnded(_ traffic: Traffic)
}

/// A session as its loop knows it, whoever carries it now: a task, or a tunnel.
struct SessionEntry {
    typealias Index = UInt32
    static let none = Index.max

    /// nil: the place is free.
    var owner: (any SessionOwner)?
    /// The session ends when this slot is closed.
    var client = Slot.none
    /// What else its tasks wait for: the first of a list that runs through the slots.
    var joined = Slot.none
    var traffic = Traffic()
    /// What its bytes are held to, if to anything.
    var throttle: Throttle?
}
