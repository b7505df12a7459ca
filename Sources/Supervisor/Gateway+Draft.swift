import Admin
import Policy

// Policies in the making: an import begins with that of a new gateway, and each of its steps goes through the checks that it
// would go through alone. Nothing of a draft is in force, and the machine is not touched.

extension Gateway {
    /// A new draft, by its number.
    func openDraft() -> Int {
        let number = (drafts.keys.max() ?? 0) + 1
        drafts[number] = Policy()
        return number
    }

    /// Forgets a draft, and the names of its blocklists that are not in force.
    func closeDraft(_ number: Int) {
        for list in drafts[number]?.blocklists ?? []
        where !policy.blocklists.contains(where: { $0.content == list.content }) {
            lists.drop(list.content)
        }
        drafts[number] = nil
    }

    /// Does what `edit` does to a draft, on the machine as the draft would make it, or throws and leaves the draft as it was.
    func change(
        draft number: Int, _ edit: (inout Policy) throws(Refusal) -> Void
    ) throws(AdminError) {
        guard var target = drafts[number] else { throw .refused("the import is over") }
        let found = surroundings
        defer { surroundings = found }
        surroundings.exchange(groundwork(of: policy).assignments, for: groundwork(of: target).assignments)
        do throws(Refusal) {
            try edit(&target)
        } catch {
            throw .refused(error.description)
        }
        drafts[number] = target
    }
}
