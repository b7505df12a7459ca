/// The calls about a change that is on trial.
enum TrialCalls {
    static let all: [any Call.Type] = [GetTrial.self, Confirm.self, Revert.self]
}

package struct GetTrial: Call {
    package static let documentation = """
        The change that is on trial.
        trial: null: none is.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var trial: Trial?

        package init(trial: Trial?) { self.trial = trial }
    }

    package init() {}
}

package struct Confirm: Call {
    package static let documentation = """
        Keeps the change that is on trial, if for each connection that it endangers another one has come in since, from the
        same address to the same port, or if the caller sits at the machine itself.
        blind: keeps it all the same.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var revision: Int
        package var warnings: [String]

        package init(revision: Int, warnings: [String]) {
            self.revision = revision
            self.warnings = warnings
        }
    }

    package var blind: Bool?

    package init(blind: Bool? = nil) { self.blind = blind }
}

package struct Revert: Call {
    package static let documentation = """
        Takes back the change that is on trial.
        revision: the one that says so, whose policy is that before the change.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var revision: Int
        package var changes: [String]
        package var warnings: [String]

        package init(revision: Int, changes: [String], warnings: [String]) {
            self.revision = revision
            self.changes = changes
            self.warnings = warnings
        }
    }

    package init() {}
}
