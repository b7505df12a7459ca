import Address
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
    private let queue = Mutex(LoginQueue<Attempt>())
    private let doorbell: Doorbell

    /// A login that waits for its derivation.
    private struct Attempt {
        let login: Login
        let digest: Digest
        let client: IPAddress
        let isPermitted: Bool
        let continuation: UnsafeContinuation<LoginVerdict, Never>
    }

    /// How long a login waits for its turn, in nanoseconds: less than clients wait for an answer.
    private static let patience: UInt64 = 8_000_000_000

    /// Called for each wrong login with its name, where it came from, and how many from there were wrong lately.
    private let onGuess: @Sendable (Login, IPAddress, Int) -> Void

    init(onGuess: @escaping @Sendable (Login, IPAddress, Int) -> Void = { _, _, _ in }) {
        self.onGuess = onGuess
        do { doorbell = try Doorbell() } catch { fatalError("no thread for passwords: \(error)") }
        // One derivation at a time: a flood of wrong passwords takes one core and 16 MiB, and no more.
        POSIXThread.start(name: "passwords") { [weak self, doorbell] in
            while let pause = self?.work() { doorbell.wait(atMost: pause) }
        }
    }

    deinit { doorbell.ring() }

    /// A user whose name and password hash are the same as before keeps the account.
    func replaceUsers(_ users: [User]) {
        state.withLock { state in
            let before = state.accounts
            state.accounts = Dictionary(
                users.map { user in
                    let name = user.name.normalizedUTF8
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
        state.withLock { $0.accounts[account.name.normalizedUTF8] === account }
    }

    /// - Parameters:
    ///   - client: in whose turn the login is checked, unless it is known to be right.
    ///   - listener: where the client came to. A user whom the listener does not let in is refused like one whose password is wrong,
    ///     and waits as long.
    func check(_ login: Login, from client: IPAddress, on listener: Listener) async -> LoginVerdict {
        let digest = digest(login)
        let name = String(decoding: login.normalized.name, as: UTF8.self)
        let isPermitted = listener.permits(name)
        if isPermitted, let account = known(login, digest) { return .right(account) }
        let verdict = await withUnsafeContinuation { continuation in
            let attempt = Attempt(
                login: login, digest: digest, client: client, isPermitted: isPermitted, continuation: continuation)
            let deadline = MonotonicClock.nanoseconds + Self.patience
            let refusal: LoginVerdict.Cause? = queue.withLock { queue in
                do throws(LoginQueue<Attempt>.Refusal) {
                    try queue.add(attempt, from: client, deadline: deadline)
                    return nil
                } catch {
                    return LoginVerdict.Cause(error)
                }
            }
            if let refusal { continuation.resume(returning: .busy(refusal)) } else { doorbell.ring() }
        }
        // The password may have been changed meanwhile, and nobody knew yet that this session was to be ended for it.
        if case .right(let account) = verdict, !holds(account) { return .wrong }
        return verdict
    }

    /// Checks what there is to check, on the thread for it.
    ///
    /// - Returns: nanoseconds until there is more, should nobody ring before; the longest time there is: until somebody does.
    private func work() -> UInt64 {
        while true {
            let now = MonotonicClock.nanoseconds
            let (overdue, next) = queue.withLock { ($0.overdue(at: now), $0.next(at: now)) }
            for (attempt, cause) in overdue {
                attempt.continuation.resume(returning: .busy(LoginVerdict.Cause(cause)))
            }
            switch next {
            case .empty: return .max
            case .nothing(let time): return time - min(time, now)
            case .attempt(let attempt): attempt.continuation.resume(returning: verdict(on: attempt))
            }
        }
    }

    private func verdict(on attempt: Attempt) -> LoginVerdict {
        if let account = derive(attempt.login, attempt.digest, isPermitted: attempt.isPermitted) {
            return .right(account)
        }
        let count = queue.withLock { $0.noteGuess(from: attempt.client, at: MonotonicClock.nanoseconds) }
        onGuess(attempt.login, attempt.client, count)
        return .wrong
    }

    private func known(_ login: Login, _ digest: Digest) -> Account? {
        state.withLock { state in
            guard let hash = state.known[digest], let account = state.accounts[login.normalized.name] else {
                return nil
            }
            return account.hash == hash ? account : nil
        }
    }

    private func derive(_ login: Login, _ digest: Digest, isPermitted: Bool) -> Account? {
        // Of a hundred connections that a client opens at once, only the first has to wait for a derivation of its own.
        if isPermitted, let account = known(login, digest) { return account }
        // scrypt's HMAC pads its key with zeros, so that "x" and "x" with a NUL are one password to it: none has a NUL.
        let account = login.password.contains(0) ? nil : state.withLock { $0.accounts[login.normalized.name] }
        let hash = account?.hash ?? Password.unmatchable
        // An unknown name costs as many derivations as a known one.
        let isRight = login.spellings.reduce(false) { Password.verify($1, against: hash) || $0 }
        guard isRight, let account, isPermitted else { return nil }
        state.withLock { state in
            if state.known.count >= Self.capacity, let victim = state.known.keys.first { state.known[victim] = nil }
            state.known[digest] = account.hash
        }
        return account
    }

    private func digest(_ login: Login) -> Digest {
        // Unambiguous, since no password that is ever remembered has a NUL.
        let login = login.normalized
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

extension LoginVerdict.Cause {
    fileprivate init<Attempt>(_ refusal: LoginQueue<Attempt>.Refusal) {
        self = refusal == .share ? .client : .everybody
    }
}

extension Login {
    /// The name as a log may show it. The password has no such form.
    var printableName: String {
        String(decoding: name.map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
