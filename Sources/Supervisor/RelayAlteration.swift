package import Policy

/// A relay's share on its way to a process that has an earlier one: of each list only the part that is different travels. The process
/// reads it on a thread that serves clients, and thousands of rules would hold them up for tens of milliseconds.
package struct RelayAlteration: Codable, Sendable {
    /// How many elements at the beginning and at the end of a list are the earlier list's.
    private struct Kept: Codable {
        var first: Int
        var last: Int
    }

    /// The share, with lists that lack what is kept.
    private var difference: RelayAssignment
    /// One for each list, in the order of `applied(to:)`.
    private var kept: [Kept] = []

    init(to share: RelayAssignment, from former: RelayAssignment?) {
        difference = share
        trim(\.accounts, of: share, against: former)
        trim(\.listeners, of: share, against: former)
        trim(\.users, of: share, against: former)
        trim(\.rules, of: share, against: former)
        trim(\.limits, of: share, against: former)
        trim(\.standings, of: share, against: former)
    }

    /// The share, for the process that has `former`.
    ///
    /// - Throws: the alteration is one of another share.
    package func applied(to former: RelayAssignment?) throws(Refusal) -> RelayAssignment {
        var share = difference
        var kept = kept[...]
        guard fill(\.accounts, of: &share, from: former, &kept), fill(\.listeners, of: &share, from: former, &kept),
            fill(\.users, of: &share, from: former, &kept), fill(\.rules, of: &share, from: former, &kept),
            fill(\.limits, of: &share, from: former, &kept), fill(\.standings, of: &share, from: former, &kept)
        else { throw Refusal("the supervisor alters a share that this process has not got") }
        return share
    }

    private mutating func trim<Element: Equatable>(
        _ list: WritableKeyPath<RelayAssignment, [Element]>, of share: RelayAssignment, against former: RelayAssignment?
    ) {
        let whole = share[keyPath: list]
        let (mine, _) = whole.trimmed(against: former?[keyPath: list] ?? [])
        kept.append(Kept(first: mine.startIndex, last: whole.endIndex - mine.endIndex))
        difference[keyPath: list] = Array(mine)
    }

    private func fill<Element>(
        _ list: WritableKeyPath<RelayAssignment, [Element]>, of share: inout RelayAssignment,
        from former: RelayAssignment?, _ kept: inout ArraySlice<Kept>
    ) -> Bool {
        let before = former?[keyPath: list] ?? []
        guard let ends = kept.popFirst(), ends.first >= 0, ends.last >= 0, ends.first + ends.last <= before.count else {
            return false
        }
        share[keyPath: list] = before.prefix(ends.first) + share[keyPath: list] + before.suffix(ends.last)
        return true
    }
}
