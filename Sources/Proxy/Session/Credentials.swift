import COpenSSL
import Policy
import Reactor
import Synchronization
import Wire

/// Says whether a login is right: scrypt the first time, on a thread of its own; a keyed digest from then on.
///
/// The memory of a login is its HMAC-SHA256 under a key that this process drew and nobody else has, so that neither a password
/// nor anything from which one could be guessed stays in memory. A wrong login is never remembered and always costs the
/// derivation, as does an unknown name: the time tells nothing.
final class Credentials: Sendable {
    private struct Digest: Hashable {
        let words: (UInt64, UInt64, UInt64, UInt64)

        static func == (left: Digest, right: Digest) -> Bool {
            left.words == right.words
        }

        func hash(into hasher: inout Hasher) {
            // Keyed and uniform already: a part of it will do.
            hasher.combine(words.0)
        }
    }

    private struct State {
        var accounts: [[UInt8]: Account] = [:]
        /// Logins that were right, with the hash that said so: when a user's hash changes they count no more.
        var known: [Digest: PasswordHash] = [:]
    }

    private static let capacity = 4096

    private let state = Mutex(State())
    private let key = Password.randomBytes(32)
    /// One derivation at a time: a flood of wrong passwords takes one core and 16 MiB, and no more. Beyond the queue's
    /// length logins are refused at once.
    private let workers = Workers(count: 1, capacity: 64)

    /// A user whose name and password hash are the same as before keeps the account.
    func replaceUsers(_ users: [User]) {
        state.withLock { state in
            let before = state.accounts
            state.accounts = Dictionary(
                users.map { user in
                    let name = Array(user.name.utf8)
                    let hash = PasswordHash(user.passwordHash) ?? Password.unmatchable
                    let same = before[name].flatMap { $0.hash == hash ? $0 : nil }
                    return (name, same ?? Account(name: user.name, hash: hash))
                }, uniquingKeysWith: { first, _ in first })
            let valid = Set(state.accounts.values.map(\.hash))
            state.known = state.known.filter { valid.contains($0.value) }
        }
    }

    /// Whether a login that was right still would be.
    func holds(_ account: Account) -> Bool {
        state.withLock { $0.accounts[Array(account.name.utf8)] === account }
    }

    /// - Parameter listener: where the client came to. A user whom the listener does not let in is refused like one whose password is
    ///   wrong, and waits as long.
    /// - Returns: whose login it is; nil if it is not right.
    func accept(_ login: Login, on listener: Listener) async -> Account? {
        let digest = digest(login)
        let isPermitted = listener.permits(String(decoding: login.name, as: UTF8.self))
        if isPermitted, let account = known(login, digest) { return account }
        let account = try? await workers.run { [self] in derive(login, digest, isPermitted: isPermitted) }
        // The password may have been changed meanwhile, and nobody knew yet that this session was to be ended for it.
        guard let account, holds(account) else { return nil }
        return account
    }

    private func known(_ login: Login, _ digest: Digest) -> Account? {
        state.withLock { state in
            guard let hash = state.known[digest], let account = state.accounts[login.name] else { return nil }
            return account.hash == hash ? account : nil
        }
    }

    private func derive(_ login: Login, _ digest: Digest, isPermitted: Bool) -> Account? {
        // Of a hundred connections that a client opens at once, only the first has to wait for a derivation of its own.
        if isPermitted, let account = known(login, digest) { return account }
        // scrypt's HMAC pads its key with zeros, so that "x" and "x" with a NUL are one password to it: none has a NUL.
        let account = login.password.contains(0) ? nil : state.withLock { $0.accounts[login.name] }
        guard Password.verify(login.password, against: account?.hash ?? Password.unmatchable), let account, isPermitted
        else { return nil }
        state.withLock { state in
            if state.known.count >= Self.capacity, let victim = state.known.keys.first { state.known[victim] = nil }
            state.known[digest] = account.hash
        }
        return account
    }

    private func digest(_ login: Login) -> Digest {
        // Unambiguous, since no password that is ever remembered has a NUL.
        let message = login.name + [0] + login.password
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { output in
            var length: UInt32 = 0
            let result = HMAC(
                EVP_sha256(), key, Int32(key.count), message, message.count,
                output.baseAddress!.assumingMemoryBound(to: UInt8.self), &length)
            precondition(result != nil && length == 32, "HMAC-SHA256 failed")
        }
        return Digest(words: words)
    }
}

extension Login {
    /// The name as a log may show it. The password has no such form.
    var printableName: String {
        String(decoding: name.map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
