/// How a change is to be made: parameters that every call whose reply is an `Outcome` takes beside its own.
package struct Manner: Codable, Hashable, Sendable {
    /// Only tells what the change would do; null: false.
    package var dryRun: Bool?
    /// Seconds on trial. 0: the change is made for good, whomever it cuts off. null: it is on trial, for a minute, if it
    /// would cut off a connection that now comes in.
    package var trial: Int?

    package init(dryRun: Bool? = nil, trial: Int? = nil) {
        self.dryRun = dryRun
        self.trial = trial
    }

    package static let usualTrial = 60
    package static let longestTrial = 3600
}

/// The reply to a call that makes a change.
package protocol Outcome: Codable, Sendable {
    var revision: Int { get }
    var changes: [String] { get }
    var warnings: [String] { get }
    var consequences: Consequences? { get }
    var trial: Trial? { get }
}
