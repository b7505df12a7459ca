import Address
import CLinux

/// A client that was accepted and is on its way to its reactor. Its session's share of the descriptors is taken already, or
/// a burst would be accepted before any of it counts.
struct Arrival {
    let descriptor: Int32
    let peer: Endpoint
    let acceptor: Acceptor

    /// Closes the connection, for want of a reactor.
    func drop() {
        _ = linux_close(descriptor)
        DescriptorBudget.shared.release(DescriptorBudget.session)
    }
}
