import Address
import Policy

/// The names that an association's client has sent to, with the address that each goes to while it is in use, and what waits
/// for those that are being looked up. Everything in it is bounded.
struct NameTable {
    struct Target: Hashable {
        let host: Host
        let port: UInt16
    }

    final class Entry {
        /// nil while it is being looked up.
        fileprivate(set) var address: IPAddress?
        fileprivate var waiting: [[UInt8]] = []
        fileprivate var lastUse = ContinuousClock.now
        /// Where it goes, once something was sent there, and since when.
        fileprivate var flow: (Flow, since: ContinuousClock.Instant)?
        /// The other family had its chance.
        fileprivate let isAgain: Bool

        fileprivate init(isAgain: Bool) {
            self.isAgain = isAgain
        }
    }

    enum Found {
        case address(IPAddress, Entry)
        case pending
        case unknown
    }

    private static let capacity = 128
    private static let longestSilence: Duration = .seconds(1)
    private static let mostPending = 16
    private static let mostWaiting = 16
    private static let mostBytes = 128 << 10

    private var entries: [Target: Entry] = [:]
    private var pending = 0
    private var waitingBytes = 0

    mutating func look(for target: Target, within life: Duration) -> Found {
        guard let entry = entries[target] else { return .unknown }
        guard let address = entry.address else { return .pending }
        guard isFresh(entry, within: life) else {
            entries[target] = nil
            return .unknown
        }
        return .address(address, entry)
    }

    /// Whether the entry is still in use: it is from now on, if so.
    func isFresh(_ entry: Entry, within life: Duration) -> Bool {
        let now = ContinuousClock.now
        guard now - entry.lastUse <= life else { return false }
        entry.lastUse = now
        return true
    }

    func didSend(_ entry: Entry, on flow: Flow) {
        if entry.flow?.0 !== flow { entry.flow = (flow, .now) }
    }

    /// Whether the client goes on sending to a name of which nothing comes back: TCP would go on to the other family by now
    /// (RFC 8305), since that a way leads nowhere is often told to nobody.
    func isSilent(_ entry: Entry) -> Bool {
        guard !entry.isAgain, let (flow, since) = entry.flow, !flow.isAnswered else { return false }
        return ContinuousClock.now - since > Self.longestSilence
    }

    /// A name that is to be looked up, with its first datagram, or `isAgain`, because nothing comes back. False: too many are
    /// already.
    mutating func begin(_ target: Target, with payload: UnsafeRawBufferPointer, isAgain: Bool = false) -> Bool {
        guard pending < Self.mostPending else { return false }
        if entries.count >= Self.capacity { makeRoom() }
        entries[target] = Entry(isAgain: isAgain)
        pending += 1
        _ = queue(payload, to: target)
        return true
    }

    /// False: too much waits already.
    mutating func queue(_ payload: UnsafeRawBufferPointer, to target: Target) -> Bool {
        guard let entry = entries[target], entry.waiting.count < Self.mostWaiting,
            waitingBytes + payload.count <= Self.mostBytes
        else { return false }
        entry.waiting.append(Array(payload))
        waitingBytes += payload.count
        return true
    }

    /// Notes what a name was found to be; nil: nothing. Answers what has waited for it.
    mutating func settle(_ target: Target, _ address: IPAddress?) -> (waiting: [[UInt8]], entry: Entry?) {
        guard let entry = entries[target], entry.address == nil else { return ([], nil) }
        pending -= 1
        let waiting = entry.waiting
        entry.waiting = []
        waitingBytes -= waiting.reduce(0) { $0 + $1.count }
        entry.lastUse = .now
        entry.address = address
        if address == nil { entries[target] = nil }
        return (waiting, address == nil ? nil : entry)
    }

    private mutating func makeRoom() {
        let victim = entries.filter { $0.value.address != nil }.min { $0.value.lastUse < $1.value.lastUse }
        if let victim { entries[victim.key] = nil }
    }
}
