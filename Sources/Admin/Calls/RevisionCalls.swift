package import Policy

/// The calls about the history.
enum RevisionCalls {
    static let all: [any Call.Type] = [ListRevisions.self, GetRevision.self, Rollback.self]
}

package struct ListRevisions: Call {
    package static let documentation = """
        The newest revisions, newest first.
        limit: how many; null: 20.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var revisions: [Revision]

        package init(revisions: [Revision]) { self.revisions = revisions }
    }

    package var limit: Int?

    package init(limit: Int? = nil) { self.limit = limit }
}

package struct GetRevision: Call {
    package static let documentation = """
        A revision.
        changes: what it changed, one line for each thing.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var revision: Revision
        package var changes: [String]

        package init(revision: Revision, changes: [String]) {
            self.revision = revision
            self.changes = changes
        }
    }

    package var id: Int

    package init(id: Int) { self.id = id }
}

package struct Rollback: Call {
    package typealias Reply = Applied
    package static let documentation = "Makes the policy of an older revision the policy again, as a new revision."

    package var id: Int

    package init(id: Int) { self.id = id }
}
