/// What becomes of what the box itself begins and nothing lets out: neither the gateway's own needs nor an exit (`Exit`).
package enum EgressMode: String, Codable, Hashable, Sendable, CaseIterable {
    /// It goes out, and is noted.
    case observe
    /// It is refused, and told.
    case strict
}
