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

    package init(id: Int, time: Int, author: Author, summary: String) {
        self.id = id
        self.time = time
        self.author = author
        self.summary = summary
    }
}
