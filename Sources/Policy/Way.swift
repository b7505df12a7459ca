/// How the packets of a device are carried.
package enum Way: String, Codable, Hashable, Sendable, CaseIterable {
    /// By the kernel: the device reaches what its zone may reach.
    case routed
    /// Through a proxy or not at all; names and time are had from the gateway.
    case proxy
    /// Not at all, and the device reaches nothing of the gateway either.
    case blocked
}

extension Way: CustomStringConvertible, LosslessStringConvertible {
    package init?(_ description: String) { self.init(rawValue: description) }

    package var description: String { rawValue }
}
