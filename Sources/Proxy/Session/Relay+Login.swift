import Policy
import Wire

extension Relay {
    /// Checks a login, which may have to wait for its turn. With the right one the session is its user's.
    func logIn(_ login: Login, _ session: Session) async -> LoginVerdict {
        // However long the queue is, the client is not late.
        session.enter(.serving)
        let verdict = await credentials.check(login, from: session.address, on: session.listener)
        switch verdict {
        case .right(let account): session.logIn(account, limitTable)
        case .wrong: session.note(.wrongLogin, claim: login.printableName)
        case .busy(let cause): session.note(.busyLogin(cause), claim: login.printableName)
        }
        // A SOCKS client has yet to send its request; over HTTP the phase is the next answer's to change.
        if session.kind == .socks5 { session.enter(.request) }
        return verdict
    }
}
