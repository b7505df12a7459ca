import Address
import Policy
import Reactor

/// A limit that was reached when a session came or when its user logged in: it gets no connection.
enum LimitRefusal: Error {
    case clientHandshakes, clientSessions, clientRate, userSessions, userRate

    var isUsers: Bool { self == .userSessions || self == .userRate }
}

extension LimitRefusal: CustomStringConvertible {
    var description: String {
        switch self {
        case .clientHandshakes: "this client has begun as many sessions as it may without asking for anything"
        case .clientSessions: "this client has as many sessions as it may have; close some"
        case .clientRate: "this client begins more sessions than it may; slow down"
        case .userSessions: "this user has as many sessions as they may have; close some"
        case .userRate: "this user begins more sessions than they may; slow down"
        }
    }
}

/// What a session takes up of its client's and its user's limits, over all processes.
struct Allowance {
    /// What is counted of a session for a client, or for the network that the client is in. Places are in the ledger; nil where no limit
    /// holds.
    fileprivate struct Share {
        var session: Ledger.Place?
        /// Until the client has said what it wants.
        var handshake: Ledger.Place?
    }

    fileprivate var client = Share()
    fileprivate var neighbourhood = Share()
    fileprivate var user: Ledger.Place?
    private(set) var refusal: LimitRefusal?

    /// Counts the session for its client.
    mutating func enter(_ client: LimitTable.Client, _ limit: Limit, in ledger: Ledger) {
        guard limit.boundsSessions else { return }
        admit(ledger.subject(of: client.key), limit, times: 1, in: ledger, \.client)
        guard let network = client.neighbourhood, refusal == nil else { return }
        admit(ledger.subject(ofNetwork: network), limit, times: LimitTable.neighbours, in: ledger, \.neighbourhood)
    }

    /// The client has said what it wants.
    mutating func endHandshake(in ledger: Ledger) {
        if let place = client.handshake.take() { ledger.endHandshake(place) }
        if let place = neighbourhood.handshake.take() { ledger.endHandshake(place) }
    }

    /// Counts the session for its user, and no longer for the one before.
    mutating func logIn(_ name: String, _ limit: Limit?, in ledger: Ledger) {
        leave(\.user, in: ledger)
        if refusal?.isUsers == true { refusal = nil }
        guard let limit else { return }
        switch ledger.admit(ledger.subject(ofUser: name), atMost: limit.sessions, rate: limit.rate) {
        case .granted(let place): user = place
        case .tooManySessions: refusal = refusal ?? .userSessions
        case .tooFast: refusal = refusal ?? .userRate
        case .uncounted: break
        }
    }

    /// Other limits are in force. A session that stands is counted even beyond a limit: limits refuse new sessions only.
    mutating func change(
        client: (client: LimitTable.Client, limit: Limit), user: (name: String, limit: Limit?)?, in ledger: Ledger
    ) {
        let limit = client.limit.boundsSessions ? client.limit : nil
        follow(ledger.subject(of: client.client.key), limit, in: ledger, \.client.session)
        if let network = client.client.neighbourhood {
            follow(ledger.subject(ofNetwork: network), limit, in: ledger, \.neighbourhood.session)
        }
        if let user { follow(ledger.subject(ofUser: user.name), user.limit, in: ledger, \.user) }
    }

    /// The session is over.
    mutating func leave(in ledger: Ledger) {
        endHandshake(in: ledger)
        leave(\.client.session, in: ledger)
        leave(\.neighbourhood.session, in: ledger)
        leave(\.user, in: ledger)
    }

    func throttle(client: Limit, user: Limit?, in ledger: Ledger) -> Throttle? {
        guard client.bandwidth != nil || user?.bandwidth != nil else { return nil }
        var parts: [(place: Ledger.Place, bytesPerSecond: Int)] = []
        if let place = self.client.session, let bandwidth = client.bandwidth { parts.append((place, bandwidth)) }
        if let place = self.user, let bandwidth = user?.bandwidth { parts.append((place, bandwidth)) }
        return Throttle(parts, in: ledger)
    }

    private mutating func admit(
        _ subject: Ledger.Subject, _ limit: Limit, times factor: Int, in ledger: Ledger,
        _ share: WritableKeyPath<Allowance, Share>
    ) {
        if let most = limit.handshakes {
            switch ledger.beginHandshake(subject, atMost: most * factor) {
            case .granted(let place): self[keyPath: share].handshake = place
            case .tooManySessions, .tooFast: refusal = .clientHandshakes
            case .uncounted: break
            }
            guard refusal == nil else { return }
        }
        let (sessions, rate) = (limit.sessions.map { $0 * factor }, limit.rate.map { $0 * factor })
        switch ledger.admit(subject, atMost: sessions, rate: rate) {
        case .granted(let place): self[keyPath: share].session = place
        case .tooManySessions: refusal = .clientSessions
        case .tooFast: refusal = .clientRate
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
    /// Whether a client may send datagrams to one more place. For each session that it may begin it may begin so with ten: programs that
    /// find each other ask many, and to keep each costs the gateway and its kernel less than a connection does.
    func mayReachAnother(_ client: LimitTable.Client, _ limit: Limit) -> Bool {
        guard let rate = limit.rate else { return true }
        switch admit(subject(ofDestinationsOf: client.key), atMost: nil, rate: rate * 10) {
        case .granted(let place):
            leave(place)
            return true
        case .tooFast, .tooManySessions: return false
        case .uncounted: return true
        }
    }
}

extension Limit {
    /// Whether there is anything to count of a session. What a limit says of names is counted where names are looked up.
    fileprivate var boundsSessions: Bool {
        sessions != nil || rate != nil || bandwidth != nil || handshakes != nil
    }
}

extension Ledger {
    fileprivate func subject(of client: LimitTable.Client.Key) -> Subject {
        switch client {
        case .address(let address): subject(4, address)
        case .device(let number): subject(2, number)
        }
    }

    fileprivate func subject(ofDestinationsOf client: LimitTable.Client.Key) -> Subject {
        switch client {
        case .address(let address): subject(8, address)
        case .device(let number): subject(10, number)
        }
    }

    fileprivate func subject(ofNetwork first: IPAddress) -> Subject { subject(64, first) }

    fileprivate func subject(ofUser name: String) -> Subject { subject([1] + Array(name.utf8)) }

    private func subject(_ kind: UInt8, _ address: IPAddress) -> Subject {
        switch address {
        case .v4(let bits): subject(kind, bits)
        case .v6(let bits): subject(kind, bits)
        }
    }

    /// The kind and the number behind it, on the stack: each session of a client asks.
    private func subject(_ kind: UInt8, _ number: some FixedWidthInteger) -> Subject {
        withUnsafeTemporaryAllocation(byteCount: 1 + number.bitWidth / 8, alignment: 1) { bytes in
            bytes[0] = kind
            bytes.baseAddress!.storeBytes(of: number.bigEndian, toByteOffset: 1, as: type(of: number))
            return subject(UnsafeRawBufferPointer(bytes))
        }
    }
}
