package import Policy

extension Store {
    /// Today's policy without what a revision changed: things that it added are gone, things that it took away are back as
    /// they were, and whatever came later stays.
    ///
    /// - Throws: `conflict` where something that it touched has been changed again since.
    package func policy(undoing id: Int) throws(StoreError) -> Policy {
        guard id > 1 else { throw .conflict(revision: id, reason: "nothing was there before it") }
        let (today, changes) = (try policy(), try changes(of: id))
        do throws(Refusal) {
            return try today.making(changes.reversed)
        } catch {
            throw .conflict(revision: id, reason: error.description)
        }
    }
}
