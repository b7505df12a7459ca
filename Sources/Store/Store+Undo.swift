package import Policy

extension Store {
    /// Today's policy without what a revision changed: things that it added are gone, things that it took away are back as
    /// they were, and whatever came later stays.
    ///
    /// - Throws: `conflict` where something that it touched has been changed again since.
    package func policy(undoing id: Int) throws(StoreError) -> Policy {
        guard id > 1 else { throw .conflict(revision: id, reason: "nothing was there before it") }
        let (after, before) = (try policy(at: id), try policy(at: id - 1))
        let today = try policy()
        var parts: [(relation: Relation, rows: [Relation.Row])] = []
        for relation in Relation.all {
            let (was, became) = (Set(relation.rows(before)), Set(relation.rows(after)))
            let (removed, added) = (was.subtracting(became), became.subtracting(was))
            var now = Set(relation.rows(today))
            for row in added.inOrder {
                if now.remove(row) != nil { continue }
                let successor = now.first { $0[0] == row[0] }
                throw .conflict(
                    revision: id,
                    reason: "\(relation.describe(row)) is no more"
                        + (successor.map { ", there is \(relation.describe($0))" } ?? ""))
            }
            for row in removed.inOrder {
                if let other = now.first(where: { $0[0] == row[0] }) {
                    throw .conflict(
                        revision: id,
                        reason: "\(relation.describe(row)) cannot come back, there is \(relation.describe(other))")
                }
            }
            parts.append((relation, now.union(removed).inOrder))
        }
        return try policy(of: parts)
    }
}
