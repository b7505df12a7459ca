import Address
import Policy
import Reactor

/// One client's connection, from accept to close: who the client is, where the session leads, and what it may take up. Rules, limits and
/// the list of sessions go by it. It belongs to its reactor.
///
/// It outlives the session's task, and an idle tunnel costs little more than this: every field here counts.
final class Session: SessionOwner {
    private let entrance: Entrance
    let sessions: Sessions
    let id: Int
    /// When the client came (`MonotonicClock`).
    let began: UInt64
    /// Where the client connected from.
    let client: Endpoint
    /// The number of the client's device, which the kernel marks connections with; 0: it does not know the device.
    let device: UInt16
    /// Where the session leads now, or led last.
    private(set) var origin: Endpoint?
    /// Once the client has given the right password.
    private(set) var account: Account?
    /// The name that the client asked for; nil if it asked for an address.
    private(set) var name: String?
    /// nil when the session is over.
    private var handle: SessionHandle?
    /// Whether somebody ended it: its task may need another turn to notice, and it is listed no more.
    private(set) var isEnding = false
    private var allowance = Allowance()
    /// The listener's kind when the client came. On a `mixed` listener it becomes the protocol that the client turns out to speak.
    var kind: Listener.Kind
    private(set) var activity = SessionRecord.Activity.handshake
    /// Whether bytes may go between the client and `origin`, so that rules decide about it.
    private var isConnected = false
    /// The port that rules go by: the one that was asked for. The peer of a BIND has another.
    private var askedPort: UInt16 = 0
    /// Bytes that the session's task keeps for it beyond what each session takes, so far as that is much.
    var keeps: Int32 = 0

    /// Begins the session of a client that was accepted. It ends when `client` is closed, by its task or by its tunnel.
    init(_ client: Connection, by entrance: Entrance, in sessions: Sessions) {
        self.entrance = entrance
        self.sessions = sessions
        id = sessions.ledger.nextSession()
        kind = entrance.listener.kind
        self.client = client.peer
        device = UInt16(truncatingIfNeeded: client.socket.mark)
        began = MonotonicClock.nanoseconds
        handle = client.socket.beginSession(of: self)
    }

    /// The listener as it was when the client came.
    var listener: Listener { entrance.listener }

    var user: String? { account?.name }

    /// Who the client is, as Policy asks for it.
    var identity: Access.Client {
        Access.Client(
            listener: entrance.listener.endpoint, kind: kind, address: client.address, user: user, device: device)
    }

    var needsPassword: Bool { entrance.listener.authentication == .required }

    // MARK: time

    /// From now on the session waits for what `phase` says, no longer than it says: both its ends.
    func enter(_ phase: Phase) {
        if phase.isPastHandshake { allowance.endHandshake(in: sessions.ledger) }
        handle?.setDeadline(after: phase.limit(in: sessions.limits), isExpendable: phase.isExpendable)
    }

    // MARK: limits

    /// The limit that was reached when the session came, so that it gets no connection; nil: none.
    var refusal: LimitRefusal? { allowance.refusal }

    /// As `refusal`, for its client alone, whoever its user may turn out to be.
    var clientRefusal: LimitRefusal? { refusal.flatMap { $0.isUsers ? nil : $0 } }

    /// Whether the session is worth beginning, before anything is read from the client or said to it. A session that is over a limit goes
    /// on until the client asks for something, so that it can be told why; but not where that would cost a TLS handshake, or where
    /// too many do so already.
    var mayBegin: Bool { refusal != .clientHandshakes && (refusal == nil || kind != .https) }

    /// Counts the session for its client, before anything is read from it.
    func count(under limits: LimitTable) {
        allowance.enter(
            limits.client(at: address, device: device), limits.limit(forClient: address, device: device),
            in: sessions.ledger)
        throttle(limits)
    }

    /// The client has given the right password: the session counts for its user as well.
    func logIn(_ account: Account, _ limits: LimitTable) {
        guard account !== self.account else { return }
        self.account = account
        allowance.logIn(account.name, limits.limit(forUser: account.name), in: sessions.ledger)
        throttle(limits)
    }

    /// Whether the client may send datagrams to a place where it has not been.
    func mayReachAnother(_ limits: LimitTable) -> Bool {
        sessions.ledger.mayReachAnother(
            limits.client(at: address, device: device), limits.limit(forClient: address, device: device))
    }

    /// Other limits are in force.
    func change(to limits: LimitTable) {
        allowance.change(
            client: (limits.client(at: address, device: device), limits.limit(forClient: address, device: device)),
            user: user.map { ($0, limits.limit(forUser: $0)) },
            in: sessions.ledger)
        throttle(limits)
    }

    private func throttle(_ limits: LimitTable) {
        handle?.hold(
            to: allowance.throttle(
                client: limits.limit(forClient: address, device: device), user: user.flatMap(limits.limit(forUser:)),
                in: sessions.ledger))
    }

    /// The client's address; never v4-mapped.
    var address: IPAddress { client.address.unmapped }

    // MARK: where it leads

    /// The session leads to `address` from now on, which `host` is or resolved to.
    ///
    /// - Parameter port: the port that was asked for; nil: the address's own.
    func didConnect(
        _ host: Host, to address: Endpoint, port: UInt16? = nil, as activity: SessionRecord.Activity = .tunnel
    ) {
        if case .name(let name) = host { self.name = name } else { name = nil }
        origin = address
        askedPort = port ?? address.port
        self.activity = activity
        isConnected = true
    }

    /// The session leads nowhere at present: the exchange with its origin is over.
    func didDisconnect() {
        isConnected = false
    }

    /// The session does something that leads to no single origin.
    func didBegin(_ activity: SessionRecord.Activity) {
        self.activity = activity
    }

    /// Whether the policy lets the session go on as it is.
    func isAllowed(by access: Access, _ credentials: Credentials) -> Bool {
        let client = identity
        // A session with a password may go on where none is asked for any more.
        if let account, access.asksForPassword(client), !credentials.holds(account) { return false }
        if isConnected, let origin {
            let host = name.map(Host.name) ?? .address(origin.address)
            return access.verdict(on: origin.address, of: host, port: askedPort, for: client) == .allow
        }
        // A client that has not given a password yet has not been refused for it.
        return activity == .handshake && account == nil ? access.receives(client) : access.admits(client)
    }

    /// Counts bytes that a task moved itself. A tunnel's bytes are counted by the loop.
    func count(sent: Int = 0, received: Int = 0) {
        handle?.count(sent: sent, received: received)
    }

    /// Waits until the session may move more bytes, either way. A tunnel waits by itself.
    func waitForTurn(on reactor: Reactor) async {
        await waitForTurn(isUp: true, on: reactor)
        await waitForTurn(isUp: false, on: reactor)
    }

    /// - Parameter isWaiting: called now and then during the wait, for deadlines that are not to pass meanwhile.
    func waitForTurn(isUp: Bool, on reactor: Reactor, _ isWaiting: () -> Void = {}) async {
        // In portions: the session may be ended meanwhile, and the task has to notice.
        while let pause = handle?.pause(isUp: isUp) {
            isWaiting()
            await reactor.sleep(for: min(pause, .seconds(1)))
        }
    }

    /// Whether bytes may move now, for datagrams, which are dropped instead of waiting.
    func mayMove(isUp: Bool) -> Bool { handle?.pause(isUp: isUp) == nil }

    /// Makes the session the owner of `socket`: its deadlines hold for it, and waits for it end when the session is ended from outside.
    func own(_ socket: borrowing Socket) {
        if let handle { socket.join(handle) }
    }

    /// Ends the session now, whatever it does: its client is reset.
    func end() {
        isEnding = true
        handle?.end()
    }

    /// About how many bytes of this process's memory the session takes.
    var burden: Int { MemoryBudget.session + Int(keeps) + (handle?.stuckBytes ?? 0) }

    var traffic: Traffic { handle?.traffic ?? Traffic() }

    /// Notes what came of what the client wanted.
    ///
    /// - Parameters:
    ///   - host: where it wanted to go; nil: it did not come to that.
    ///   - claim: who the client said it was, if that was not right.
    func note(
        _ outcome: SessionLog.Outcome, _ host: Host? = nil, port: UInt16 = 0, over transport: Opening.Transport = .tcp,
        claim: String? = nil
    ) {
        let target = host.map { SessionLog.Target(host: $0, port: port) }
        if let host, let isRefused = outcome.isRefusedVisit {
            noteVisit(to: host, port: port, over: transport, isRefused: isRefused)
        }
        sessions.note(outcome, target, of: self, as: claim ?? user)
    }

    /// Of a device that is watched it is told where it goes.
    func noteVisit(to host: Host, port: UInt16, over transport: Opening.Transport, isRefused: Bool) {
        sessions.watch.note(host, port: port, over: transport, by: device, isRefused: isRefused)
    }

    func sessionEnded(_ traffic: Traffic) {
        handle = nil
        allowance.leave(in: sessions.ledger)
        sessions.note(self, ended: traffic)
    }

    /// A listener in a box, so that each of its sessions costs one reference and no copy.
    final class Entrance: Sendable {
        let listener: Listener

        init(_ listener: Listener) {
            self.listener = listener
        }
    }
}
