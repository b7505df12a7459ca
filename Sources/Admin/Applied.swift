/// What a change came to, or would come to.
package struct Applied: Outcome, Hashable {
    /// The revision in force now: a new one, or the old one if the change changed nothing.
    package var revision: Int
    /// A line for each thing; empty if nothing changed.
    package var changes: [String]
    package var warnings: [String]
    /// nil: nobody is cut off.
    package var consequences: Consequences?
    /// nil: the change is made for good, or was not made.
    package var trial: Trial?

    package init(
        revision: Int, changes: [String], warnings: [String] = [], consequences: Consequences? = nil,
        trial: Trial? = nil
    ) {
        self.revision = revision
        self.changes = changes
        self.warnings = warnings
        self.consequences = consequences
        self.trial = trial
    }
}

/// What the addition of a rule came to.
package struct AppliedRule: Outcome, Hashable {
    package var id: Int
    package var revision: Int
    package var changes: [String]
    package var warnings: [String]
    package var consequences: Consequences?
    package var trial: Trial?

    package init(id: Int, _ applied: Applied) {
        self.id = id
        revision = applied.revision
        changes = applied.changes
        warnings = applied.warnings
        consequences = applied.consequences
        trial = applied.trial
    }
}
