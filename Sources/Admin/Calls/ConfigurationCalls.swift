package import Policy

/// The calls about the configuration as a whole.
enum ConfigurationCalls {
    static let all: [any Call.Type] = [GetPolicy.self, ListBlockedNames.self, Import.self]
}

package struct GetPolicy: Call {
    package static let documentation = """
        All that the operator has decided.
        secrets: with the hashes of the passwords, which are empty otherwise; null: without.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var policy: Policy

        package init(policy: Policy) { self.policy = policy }
    }

    package var secrets: Bool?

    package init(secrets: Bool? = nil) { self.secrets = secrets }
}

package struct ListBlockedNames: Call {
    package static let documentation = """
        Names of a blocklist, some thousands at once.
        blocklist: its name.
        start: how many of them were told before.
        names: as BringNames takes them; empty: there are no more.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var names: [String]

        package init(names: [String]) { self.names = names }
    }

    package var blocklist: String
    package var start: Int

    package init(blocklist: String, start: Int) {
        self.blocklist = blocklist
        self.start = start
    }
}

package struct Import: Call {
    package typealias Reply = Imported
    package static let documentation = """
        Makes the policy what the steps make of a new gateway's, as one revision. A rule keeps its number where it and all
        before it are as they were; a user without a password keeps the one that they have here.
        refusals: the steps that were refused. Nothing is changed if there is one.
        """

    /// A call that makes a change.
    package struct Step: Codable, Hashable, Sendable {
        /// By which a refusal names the step.
        package var line: Int
        package var method: String
        package var parameters: JSONValue

        package init(line: Int, method: String, parameters: JSONValue) {
            self.line = line
            self.method = method
            self.parameters = parameters
        }
    }

    package struct Refused: Codable, Hashable, Sendable {
        package var line: Int
        package var reason: String

        package init(line: Int, reason: String) {
            self.line = line
            self.reason = reason
        }
    }

    package var steps: [Step]

    package init(steps: [Step]) { self.steps = steps }
}

extension Import.Step {
    /// - Parameter line: by which a refusal names it.
    package init<C: Call>(line: Int, _ call: C) throws where C.Reply: Outcome {
        self.init(line: line, method: C.name, parameters: try JSON.decode(JSONValue.self, from: JSON.encode(call)))
    }
}

/// What an import came to.
package struct Imported: Outcome, Hashable {
    package var refusals: [Import.Refused]
    package var revision: Int
    package var changes: [String]
    package var warnings: [String]
    package var consequences: Consequences?
    package var trial: Trial?

    package init(_ applied: Applied, refusals: [Import.Refused] = []) {
        self.refusals = refusals
        revision = applied.revision
        changes = applied.changes
        warnings = applied.warnings
        consequences = applied.consequences
        trial = applied.trial
    }
}
