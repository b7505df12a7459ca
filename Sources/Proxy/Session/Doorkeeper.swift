package import Policy

/// Opens pinholes in the firewall for sessions, and shuts them. A relay cannot do it by itself.
package struct Doorkeeper: Sendable {
    /// - Returns: why they are not open; nil: they are.
    package let open: @Sendable ([Pinhole]) async -> String?
    /// Each that was opened is shut once.
    package let shut: @Sendable ([Pinhole]) -> Void

    package init(
        open: @escaping @Sendable ([Pinhole]) async -> String?, shut: @escaping @Sendable ([Pinhole]) -> Void
    ) {
        self.open = open
        self.shut = shut
    }

    /// Where nobody filters anything.
    package static let none = Doorkeeper(open: { _ in nil }, shut: { _ in })
}
