package import Address
import Logging

/// Tells of wrong passwords: the supervisor, who may ban for them, of each, and the log never as often as they come. Never the
/// password.
final class Guesses: Sendable {
    private let bound = LogBound()
    private let logger: Logger
    private let tell: @Sendable (WrongLogins) -> Void

    init(logger: Logger, tell: @escaping @Sendable (WrongLogins) -> Void) {
        self.logger = logger
        self.tell = tell
    }

    /// A login was wrong.
    ///
    /// - Parameter count: the wrong ones of the client's network lately, with this one. 1, 10, 100 and so on are news.
    func note(user: String, from client: IPAddress, count: Int) {
        tell(WrongLogins(client: client, user: user, count: count))
        guard bound.admits(client, isNew: count.isPowerOfTen) else { return }
        logger.notice(
            "a wrong name or password", metadata: ["client": "\(client)", "user": "\(user)", "lately": "\(count)"])
    }
}

/// Several wrong passwords that came from one place.
package struct WrongLogins: Hashable, Sendable {
    /// Where the last came from.
    package let client: IPAddress
    /// For whom the last was, in printable ASCII.
    package let user: String
    /// How many there were lately, from the client's network.
    package let count: Int
}

extension Int {
    fileprivate var isPowerOfTen: Bool {
        var rest = self
        while rest >= 10, rest.isMultiple(of: 10) { rest /= 10 }
        return rest == 1
    }
}
