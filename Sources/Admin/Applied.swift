/// The outcome of a change.
package struct Applied: Codable, Hashable, Sendable {
    /// The revision in force now: a new one, or the old one if the change changed nothing.
    package var revision: Int
    /// A line for each thing; empty if nothing changed.
    package var changes: [String]
    package var warnings: [String]

    package init(revision: Int, changes: [String], warnings: [String] = []) {
        self.revision = revision
        self.changes = changes
        self.warnings = warnings
    }
}

/// The outcome of adding a rule.
package struct AppliedRule: Codable, Hashable, Sendable {
    package var id: Int
    package var revision: Int
    package var changes: [String]
    package var warnings: [String]

    package init(id: Int, _ applied: Applied) {
        self.id = id
        revision = applied.revision
        changes = applied.changes
        warnings = applied.warnings
    }
}
