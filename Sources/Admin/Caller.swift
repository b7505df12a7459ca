package import Policy

/// The other end of a connection, as the kernel vouches for it (SO_PEERCRED, unix(7)).
package struct Caller: Hashable, Sendable {
    package var author: Author
    /// Whether the caller may call what takes `Permission.operator`.
    package var isOperator: Bool
    /// The process that connected; it may have ended since.
    package var process: Int32
    /// How the change that is asked for is to be made.
    package var manner = Manner()
    /// The draft that a change is made to, by its number; nil: it is made to the policy in force.
    package var draft: Int?

    package init(author: Author, isOperator: Bool, process: Int32 = 0) {
        self.author = author
        self.isOperator = isOperator
        self.process = process
    }
}
