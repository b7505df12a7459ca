package import Policy

/// The calls about the history.
enum RevisionCalls {
    static let all: [any Call.Type] = [
        ListRevisions.self, GetRevision.self, CompareRevisions.self, Undo.self, Rollback.self,
    ]
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

package struct CompareRevisions: Call {
    package static let documentation = """
        What is different in one revision from another.
        from: the revision to begin with.
        to: the other one; null: the newest.
        changes: a line for each thing.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var changes: [String]

        package init(changes: [String]) { self.changes = changes }
    }

    package var from: Int
    package var to: Int?

    package init(from: Int, to: Int? = nil) {
        self.from = from
        self.to = to
    }
}

package struct Undo: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Takes back what one revision did, as a new revision; what came after it stays. Refused where something that it
        touched has been changed again since.
        """

    package var id: Int

    package init(id: Int) { self.id = id }
}

package struct Rollback: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes the policy of an older revision the policy again, as a new revision. Users keep the passwords that they have
        now, those who were removed since stay removed, and the firewall's mode stays.
        all: brings these back as well.
        """

    package var id: Int
    package var all: Bool?

    package init(id: Int, all: Bool? = nil) {
        self.id = id
        self.all = all
    }
}
