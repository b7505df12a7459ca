package import Policy

/// The calls about limits.
enum LimitCalls {
    static let all: [any Call.Type] = [ListLimits.self, SetLimit.self, RemoveLimit.self]
}

package struct ListLimits: Call {
    package static let documentation = """
        The limits that there are.
        standard: what holds for each client beside them; null: the limit for client takes its place.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var limits: [Limit]
        package var standard: Limit?

        package init(limits: [Limit], standard: Limit) {
            self.limits = limits
            self.standard = limits.contains { $0.subject == .eachClient } ? nil : standard
        }
    }

    package init() {}
}

package struct SetLimit: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Limits somebody, or changes the limit that there is for the same subject: what is null stays as it is.
        A new limit for clients begins with the standard one's bounds.
        sessions, rate, bandwidth, handshakes, lookups, questions: as in Limit; 0: not limited any more.
        """

    package var subject: Limit.Subject
    package var sessions: Int?
    package var rate: Int?
    package var bandwidth: Int?
    package var handshakes: Int?
    package var lookups: Int?
    package var questions: Int?

    package init(
        subject: Limit.Subject, sessions: Int? = nil, rate: Int? = nil, bandwidth: Int? = nil, handshakes: Int? = nil,
        lookups: Int? = nil, questions: Int? = nil
    ) {
        self.subject = subject
        self.sessions = sessions
        self.rate = rate
        self.bandwidth = bandwidth
        self.handshakes = handshakes
        self.lookups = lookups
        self.questions = questions
    }

    /// What changes, as text for the history: `rate 50, sessions none`.
    package var details: String {
        let bounds = [("sessions", sessions), ("rate", rate), ("bandwidth", bandwidth)]
        return bounds.compactMap { name, bound in bound.map { "\(name) \($0 == 0 ? "none" : "\($0)")" } }
            .joined(separator: ", ")
    }

    /// Gives `limit` what is not nil here.
    package func change(_ limit: inout Limit) {
        if let sessions { limit.sessions = sessions == 0 ? nil : sessions }
        if let rate { limit.rate = rate == 0 ? nil : rate }
        if let bandwidth { limit.bandwidth = bandwidth == 0 ? nil : bandwidth }
        if let handshakes { limit.handshakes = handshakes == 0 ? nil : handshakes }
        if let lookups { limit.lookups = lookups == 0 ? nil : lookups }
        if let questions { limit.questions = questions == 0 ? nil : questions }
    }
}

package struct RemoveLimit: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Takes a limit away, by whom it is for. Without the one for client the standard limit holds.
        """

    package var subject: Limit.Subject

    package init(subject: Limit.Subject) { self.subject = subject }
}
