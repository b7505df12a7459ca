import Wire

/// What comes of a login.
enum LoginVerdict: Sendable {
    case right(Account)
    /// There is no such user, the password is another, or the listener does not let the user in: which of these is told to nobody.
    case wrong
    /// It was not looked at: too much waits already, and this says nothing about the password.
    case busy(Cause)

    enum Cause: Sendable {
        /// The client's own logins, or those of its network.
        case client
        /// Everybody's together.
        case everybody
    }
}

extension LoginVerdict.Cause: CustomStringConvertible {
    /// What the client is told.
    var description: String {
        switch self {
        case .client: "too many logins from your address wait to be checked; the password has not been looked at"
        case .everybody: "too many logins wait to be checked; the password has not been looked at"
        }
    }
}

extension LoginVerdict.Cause {
    /// RFC 6585 §4, RFC 9110 §15.6.4. Not 407: programs forget a password that was refused.
    var status: HTTPStatus {
        switch self {
        case .client: .tooManyRequests
        case .everybody: .serviceUnavailable
        }
    }
}
