package import Policy

// A revision on trial is the newest one: no other is made before it is kept or taken back. Each step is one transaction, so
// that a power cut leaves a trial or its end, and nothing between them.

extension Store {
    /// The revision on trial; nil: none is.
    package func trial() throws(StoreError) -> Revision? {
        let newest = try current()
        return newest.state == .trial ? newest : nil
    }

    /// Keeps the revision on trial for good.
    ///
    /// - Returns: the revision as it is now.
    @discardableResult
    package func keepTrial() throws(StoreError) -> Revision {
        guard let trial = try trial() else { throw .noTrial }
        guard !writer.hasTransaction else { throw .changePending }
        try writer.transaction { () throws(StoreError) in try end(trial, as: .kept) }
        return try revision(trial.id)
    }

    /// Makes the policy before the trial the policy again, as a revision of its own.
    @discardableResult
    package func revertTrial(author: Author, summary: String) throws(StoreError) -> Revision {
        guard let trial = try trial() else { throw .noTrial }
        let pending = try prepare(try policy(at: trial.id - 1), author: author, summary: summary)
        try end(trial, as: .reverted)
        return try pending.commit()
    }

    private func end(_ trial: Revision, as state: Revision.State) throws(StoreError) {
        try writer.query(
            "UPDATE revision SET state = ?, deadline = NULL WHERE id = ?",
            [.text(state.rawValue), .integer(trial.id)])
    }
}
