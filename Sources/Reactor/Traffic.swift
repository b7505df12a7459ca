/// Bytes of one session, as its origin sees them: sent to it, and received from it.
package struct Traffic: Hashable, Sendable {
    package var sent: UInt64 = 0
    package var received: UInt64 = 0

    package init(sent: UInt64 = 0, received: UInt64 = 0) {
        self.sent = sent
        self.received = received
    }

    /// Another process may have a hand in the numbers: their sum must not trap.
    package mutating func add(_ other: Traffic) {
        sent &+= other.sent
        received &+= other.received
    }
}
