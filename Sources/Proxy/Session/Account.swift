import Policy

/// A user as of a password: another password makes another account.
final class Account: Sendable {
    let name: String
    let hash: PasswordHash

    init(name: String, hash: PasswordHash) {
        self.name = name
        self.hash = hash
    }
}
