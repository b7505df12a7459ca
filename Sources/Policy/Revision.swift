/// Who asked for a change: the peer of the admin socket (SO_PEERCRED, unix(7)).
package struct Author: Codable, Hashable, Sendable {
    package var uid: UInt32
    /// The account's name, or the uid in digits when it has none.
    package var name: String

    package init(uid: UInt32, name: String) {
        self.uid = uid
        self.name = name
    }
}

/// A numbered change of the policy. Numbers start at 1, grow by 1 and are never reused.
package struct Revision: Codable, Hashable, Sendable {
    package var id: Int
    /// Seconds since 1970, UTC.
    package var time: Int
    package var author: Author
    /// What was asked for, in a line.
    package var summary: String
    package var state: State
    /// When a trial ends unless it is confirmed, in seconds since 1970, UTC; nil: the revision is not on trial. For people
    /// to read: a clock that is set moves no trial's end.
    package var deadline: Int?

    package enum State: String, Codable, Hashable, Sendable, CaseIterable {
        /// In force until its deadline, and for good once it is confirmed.
        case trial
        case kept
        /// It was on trial and nobody confirmed it; the revision after it took it back.
        case reverted
    }

    package init(
        id: Int, time: Int, author: Author, summary: String, state: State = .kept, deadline: Int? = nil
    ) {
        self.id = id
        self.time = time
        self.author = author
        self.summary = summary
        self.state = state
        self.deadline = deadline
    }
}
