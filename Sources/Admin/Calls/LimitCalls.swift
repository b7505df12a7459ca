package import Policy

/// The calls about limits.
enum LimitCalls {
    static let all: [any Call.Type] = [ListLimits.self, SetLimit.self, RemoveLimit.self]
}

package struct ListLimits: Call {
    package static let documentation = "The limits that there are."

    package struct Reply: Codable, Hashable, Sendable {
        package var limits: [Limit]

        package init(limits: [Limit]) { self.limits = limits }
    }

    package init() {}
}

package struct SetLimit: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes the place of the limit for the same subject, if there is one."

    package var limit: Limit

    package init(limit: Limit) { self.limit = limit }
}

package struct RemoveLimit: Call {
    package typealias Reply = Applied
    package static let documentation = "Takes a limit away, by whom it is for."

    package var subject: Limit.Subject

    package init(subject: Limit.Subject) { self.subject = subject }
}
