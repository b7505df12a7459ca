import COpenSSL
import Policy
import Reactor
import Synchronization
import Wire

/// Says whether a login is right: scrypt the first time, on a thread of its own; a keyed digest from then on.
///
/// What is remembered is HMAC-SHA256 under a key that this process drew and nobody else has, so that neither a password
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
        var users: [[UInt8]: PasswordHash] = [:]
        /// Logins that were right, with the hash that said so: when a user's hash changes they count no more.
        var known: [Digest: PasswordHash] = [:]
    }

    private static let capacity = 4096

    private let state = Mutex(State())
    private let key = Password.randomBytes(32)
    /// One derivation at a time: a flood of wrong passwords takes one core and 16 MiB, and no more. Beyond the queue's
    /// length logins are refused at once.
    private let workers = Workers(count: 1, capacity: 64)

    func replaceUsers(_ users: [User]) {
        let hashes = Dictionary(
            users.map { (Array($0.name.utf8), PasswordHash($0.passwordHash) ?? Password.unmatchable) },
            uniquingKeysWith: { first, _ in first })
        state.withLock { state in
            state.users = hashes
            let valid = Set(hashes.values)
            state.known = state.known.filter { valid.contains($0.value) }
        }
    }

    /// - Parameter listener: where the client came to. Whom it does not let in is refused like one whose password is wrong,
    ///   and waits as long.
    func accept(_ login: Login, on listener: Listener) async -> Bool {
        let digest = digest(login)
        let isPermitted = listener.permits(String(decoding: login.name, as: UTF8.self))
        if isPermitted, isKnown(login, digest) { return true }
        let accepted = try? await workers.run { [self] in derive(login, digest, isPermitted: isPermitted) }
        return accepted ?? false
    }

    private func isKnown(_ login: Login, _ digest: Digest) -> Bool {
        state.withLock { state in
            guard let hash = state.known[digest] else { return false }
            return state.users[login.name] == hash
        }
    }

    private func derive(_ login: Login, _ digest: Digest, isPermitted: Bool) -> Bool {
        // Of a hundred connections that a client opens at once, only the first has to wait for a derivation of its own.
        if isPermitted, isKnown(login, digest) { return true }
        // scrypt's HMAC pads its key with zeros, so that "x" and "x" with a NUL are one password to it: none has a NUL.
        let hash = login.password.contains(0) ? nil : state.withLock { $0.users[login.name] }
        guard Password.verify(login.password, against: hash ?? Password.unmatchable), let hash, isPermitted else {
            return false
        }
        state.withLock { state in
            if state.known.count >= Self.capacity, let victim = state.known.keys.first { state.known[victim] = nil }
            state.known[digest] = hash
        }
        return true
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
