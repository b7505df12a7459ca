import Address
import Glibc
import Logging
import Policy
import Synchronization

/// What came of what the clients of one reactor wanted lately, in memory; and, if the operator wants that, in the log. Touched on the
/// reactor's thread alone.
///
/// An entry is a plain value in a ring: thousands of sessions pass here in a second, and what is kept must not keep anything else alive.
final class SessionLog {
    /// What a client wanted, and what came of it.
    enum Outcome {
        case allowed
        case refused(DialFailure)
        case wrongLogin
        case busyLogin(LoginVerdict.Cause)
        /// The listener serves other networks.
        case fromElsewhere
        case otherProtocol(String)
        case noTLS(String)
        /// The client was asked for a password and gave none.
        case noLogin
        /// What the client said was not to be understood, or it came to nothing for this reason after it was let.
        case failed(String)
        /// The firewall could not be opened for what the client wanted, for this reason.
        case noPinhole(String)
    }

    struct Target {
        let host: Host
        let port: UInt16
    }

    fileprivate struct Entry {
        let time: Int
        let session: Int
        let kind: Listener.Kind
        let listener: Endpoint
        let client: Endpoint
        let device: UInt16
        let user: String?
        let target: Target?
        let outcome: Outcome
    }

    /// Oldest first from `oldest` on.
    private struct Ring {
        private var entries: [Entry] = []
        private var oldest = 0

        mutating func add(_ entry: Entry) {
            if entries.count < SessionLog.length {
                entries.append(entry)
            } else {
                entries[oldest] = entry
                oldest = (oldest + 1) % SessionLog.length
            }
        }

        var newest: Entry? { entries.isEmpty ? nil : entries[(oldest + entries.count - 1) % entries.count] }
        var inOrder: [Entry] { Array(entries[oldest...] + entries[..<oldest]) }
    }

    private static let length = 1024
    /// Milliseconds in which the same client's asking for the same again is no news: datagrams come by the thousand.
    fileprivate static let repetition = 1000

    /// Apart, so that what goes well does not push out what does not.
    private var allowed = Ring()
    private var others = Ring()
    private let journal: SessionJournal
    private let names: DeviceNames

    init(_ journal: SessionJournal, names: DeviceNames) {
        self.journal = journal
        self.names = names
    }

    func note(_ outcome: Outcome, _ target: Target?, of session: Session, as user: String?) {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let entry = Entry(
            time: time.tv_sec * 1000 + time.tv_nsec / 1_000_000, session: session.id, kind: session.kind,
            listener: session.listener.endpoint, client: session.client, device: session.device, user: user,
            target: target, outcome: outcome)
        if case .allowed = outcome {
            allowed.add(entry)
        } else {
            if let newest = others.newest, entry.repeats(newest) { return }
            others.add(entry)
        }
        if journal.isOn.load(ordering: .relaxed) { journal.write(entry.published(by: names)) }
    }

    func list(_ query: SessionLogQuery) -> SessionLogList {
        let all = others.inOrder + (query.leavesOutAllowed ? [] : allowed.inOrder)
        let meant = all.lazy.filter { query.client?.contains($0.client.address.unmapped) ?? true }
            .map { [names] in $0.published(by: names) }.filter { query.device == nil || query.device == $0.device }
        return SessionLogList(merging: [SessionLogList(Array(meant))], for: query)
    }
}

extension SessionLog.Entry {
    fileprivate func repeats(_ other: Self) -> Bool {
        session == other.session && target?.host == other.target?.host && target?.port == other.target?.port
            && time - other.time < SessionLog.repetition && kind == other.kind && outcome.isDenial
    }

    fileprivate func published(by names: DeviceNames) -> SessionLogEntry {
        var entry = SessionLogEntry(
            time: time, session: session, kind: kind, listener: listener,
            client: Endpoint(address: client.address.unmapped, port: client.port), device: names[device], user: user,
            verdict: outcome.verdict,
            reason: outcome.reason, rule: outcome.rule)
        entry.target = target.map { target in
            if case .address(.v6(let bits)) = target.host {
                return "\(Endpoint(address: .v6(bits), port: target.port))"
            }
            return "\(target.host):\(target.port)"
        }
        return entry
    }
}

extension SessionLog.Outcome {
    /// Whether datagrams meet it, each of which asks anew.
    fileprivate var isDenial: Bool { if case .refused = self { true } else { false } }

    /// Whether the gateway refused to take the client there; nil: the client went nowhere for another reason.
    var isRefusedVisit: Bool? {
        switch self {
        case .allowed, .refused(.unreachable): false
        case .refused(.notAllowed): true
        default: nil
        }
    }

    /// The rule that refused it; 0: none allows it, and the default is to deny. nil: it was not for a rule.
    var refusingRule: Int? {
        switch self {
        case .refused(.notAllowed(_, .rule(let id))): id
        case .refused(.notAllowed(_, .noRule)): 0
        default: nil
        }
    }

    fileprivate var verdict: SessionLogEntry.Verdict {
        switch self {
        case .allowed: .allowed
        case .refused(.notAllowed), .refused(.overLimit), .wrongLogin, .busyLogin, .noLogin, .fromElsewhere: .denied
        case .refused(.unresolved), .refused(.unreachable), .otherProtocol, .noTLS, .noPinhole, .failed: .failed
        }
    }

    fileprivate var reason: String? {
        switch self {
        case .allowed: nil
        case .refused(.notAllowed(let host, let reason)): "\(host) is not allowed: \(reason)"
        case .refused(.overLimit(let refusal)): "\(refusal)"
        case .refused(let failure): "\(failure)"
        case .wrongLogin: "wrong name or password"
        case .busyLogin(let cause): "\(cause)"
        case .noLogin: "no password was given"
        case .failed(let reason): reason
        case .fromElsewhere: "the listener does not serve this network"
        case .otherProtocol(let name): "the client speaks \(name)"
        case .noTLS(let complaint): "no TLS: \(complaint)"
        case .noPinhole(let refusal): "the firewall could not be opened: \(refusal)"
        }
    }

    fileprivate var rule: Int? { if case .refused(.notAllowed(_, .rule(let id))) = self { id } else { nil } }
}

/// Writes what comes of sessions to the log, for whoever wants to have it there. Shared by all reactors.
final class SessionJournal: Sendable {
    let isOn = Atomic<Bool>(false)
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// Names in capitals are fields of the journal (systemd.journal-fields(7)), where it is there.
    fileprivate func write(_ entry: SessionLogEntry) {
        var fields: Logger.Metadata = [
            "CLIENT": "\(entry.client)", "VERDICT": "\(entry.verdict)", "LISTENER": "\(entry.listener)",
            "SESSION": "\(entry.session)",
        ]
        if let device = entry.device { fields["DEVICE"] = "\(device)" }
        if let user = entry.user { fields["USER"] = "\(user)" }
        if let target = entry.target { fields["TARGET"] = "\(target)" }
        if let reason = entry.reason { fields["REASON"] = "\(reason)" }
        if let rule = entry.rule { fields["RULE"] = "\(rule)" }
        logger.notice("session \(entry.verdict)", metadata: fields)
    }
}
