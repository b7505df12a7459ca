/// Bytes of one session, as its origin sees them: sent to it, and received from it.
package struct Traffic: Hashable, Sendable {
    package var sent: UInt64 = 0
    package var received: UInt64 = 0

    package init(sent: UInt64 = 0, received: UInt64 = 0) {
        self.sent = sent
        self.received = received
    }
}
