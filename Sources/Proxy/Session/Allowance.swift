import Address
import Policy
import Reactor

/// A limit that was reached when a session came or when its user logged in: it gets no connection.
enum LimitRefusal: Error {
    case clientSessions, clientRate, userSessions, userRate

    fileprivate var isUsers: Bool { self == .userSessions || self == .userRate }
}

extension LimitRefusal: CustomStringConvertible {
    var description: String {
        switch self {
        case .clientSessions: "this client has as many sessions as it may have; close some"
        case .clientRate: "this client begins more sessions than it may; slow down"
        case .userSessions: "this user has as many sessions as they may have; close some"
        case .userRate: "this user begins more sessions than they may; slow down"
        }
    }
}

/// What a session takes up of its client's and its user's limits, over all processes.
struct Allowance {
    /// The places in the ledger where the session is counted; nil where no limit holds.
    fileprivate var client: Ledger.Place?
    fileprivate var user: Ledger.Place?
    private(set) var refusal: LimitRefusal?

    var isCounted: Bool { client != nil || user != nil }

    /// Counts the session for its client.
    mutating func enter(_ address: IPAddress, _ limit: Limit?, in ledger: Ledger) {
        guard let limit else { return }
        admit(ledger.subject(ofClient: address), limit, (.clientSessions, .clientRate), in: ledger, \.client)
    }

    /// Counts the session for its user, and no longer for the one before.
    mutating func logIn(_ name: String, _ limit: Limit?, in ledger: Ledger) {
        leave(\.user, in: ledger)
        if refusal?.isUsers == true { refusal = nil }
        guard let limit else { return }
        admit(ledger.subject(ofUser: name), limit, (.userSessions, .userRate), in: ledger, \.user)
    }

    /// Other limits are in force. A session that stands is counted even beyond a limit: limits refuse new sessions only.
    mutating func change(
        client: (address: IPAddress, limit: Limit?), user: (name: String, limit: Limit?)?, in ledger: Ledger
    ) {
        follow(ledger.subject(ofClient: client.address), client.limit, in: ledger, \.client)
        if let user { follow(ledger.subject(ofUser: user.name), user.limit, in: ledger, \.user) }
    }

    /// The session is over.
    mutating func leave(in ledger: Ledger) {
        leave(\.client, in: ledger)
        leave(\.user, in: ledger)
    }

    func throttle(client: Limit?, user: Limit?, in ledger: Ledger) -> Throttle? {
        var parts: [(place: Ledger.Place, bytesPerSecond: Int)] = []
        if let place = self.client, let bandwidth = client?.bandwidth { parts.append((place, bandwidth)) }
        if let place = self.user, let bandwidth = user?.bandwidth { parts.append((place, bandwidth)) }
        return Throttle(parts, in: ledger)
    }

    private mutating func admit(
        _ subject: Ledger.Subject, _ limit: Limit, _ refusals: (LimitRefusal, LimitRefusal), in ledger: Ledger,
        _ place: WritableKeyPath<Allowance, Ledger.Place?>
    ) {
        switch ledger.admit(subject, atMost: limit.sessions, rate: limit.rate) {
        case .granted(let granted): self[keyPath: place] = granted
        case .tooManySessions: refusal = refusal ?? refusals.0
        case .tooFast: refusal = refusal ?? refusals.1
        case .uncounted: break
        }
    }

    private mutating func follow(
        _ subject: Ledger.Subject, _ limit: Limit?, in ledger: Ledger,
        _ place: WritableKeyPath<Allowance, Ledger.Place?>
    ) {
        if limit == nil {
            leave(place, in: ledger)
        } else if self[keyPath: place] == nil, refusal == nil,
            case .granted(let granted) = ledger.admit(subject, atMost: nil, rate: nil)
        {
            self[keyPath: place] = granted
        }
    }

    private mutating func leave(_ place: WritableKeyPath<Allowance, Ledger.Place?>, in ledger: Ledger) {
        if let former = self[keyPath: place].take() { ledger.leave(former) }
    }
}

extension Ledger {
    fileprivate func subject(ofClient address: IPAddress) -> Subject {
        switch address {
        case .v4(let bits): subject([4] + bytes(of: bits))
        case .v6(let bits): subject([6] + bytes(of: bits))
        }
    }

    fileprivate func subject(ofUser name: String) -> Subject { subject([1] + Array(name.utf8)) }

    private func bytes(of bits: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: bits.bigEndian) { Array($0) }
    }
}
