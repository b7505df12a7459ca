/// What the loop knows of one descriptor, or of one alarm.
///
/// A slot is reused after its descriptor was closed; its generation, which also travels in the epoll data, tells a late
/// event of the former one from one of the present.
struct Slot {
    typealias Index = UInt32
    static let none = Index.max

    struct Flags: OptionSet {
        let rawValue: UInt32
        /// Not known to have nothing to read.
        static let readable = Flags(rawValue: 1)
        /// Not known to refuse a write.
        static let writable = Flags(rawValue: 2)
        /// The peer has sent a FIN, or the connection is gone: a short read does not mean "nothing left".
        static let hangup = Flags(rawValue: 4)
        /// EPOLLERR was seen: ask SO_ERROR before believing an end of file.
        static let failed = Flags(rawValue: 8)
        /// TCP urgent data: splice(2) stops at it, and a short read does not mean "nothing left".
        static let urgent = Flags(rawValue: 16)
        /// The deadline has passed.
        static let expired = Flags(rawValue: 32)
        /// The slot is in use.
        static let open = Flags(rawValue: 64)
        /// Counted in the reactor's load and in its account.
        static let counted = Flags(rawValue: 128)
        /// In the timer wheel.
        static let armed = Flags(rawValue: 256)
        /// epoll(7) would not take it, so that nothing will ever be heard of it.
        static let deaf = Flags(rawValue: 512)
        /// Known to epoll; must be deleted there before close, since its open file lives on elsewhere.
        static let shared = Flags(rawValue: 1024)
        /// Its session has taken it from the budget already.
        static let prepaid = Flags(rawValue: 2048)
        /// Its session was ended from outside: whoever waits here, now or later, is told so.
        static let revoked = Flags(rawValue: 4096)
        /// Its bytes pass through `layer`.
        static let secure = Flags(rawValue: 8192)
        /// Ended ahead of its deadline when descriptors are short: its client asks for nothing yet, or nothing any more.
        static let expendable = Flags(rawValue: 16384)
        /// Nagle's algorithm is on still (`Loop.willSend`).
        static let delaying = Flags(rawValue: 32768)
        /// Something was sent while it was.
        static let hasSent = Flags(rawValue: 65536)
        /// Expired whatever its deadline, until that is cleared.
        static let interrupted = Flags(rawValue: 131072)

        /// What it takes from the budget of descriptors.
        var share: Int { contains(.prepaid) ? 0 : contains(.counted) ? DescriptorBudget.session : 1 }
    }

    var descriptor: Int32 = -1
    var generation: UInt32 = 0
    var flags: Flags = []
    var account: UInt16 = 0
    /// The tunnel that owns the descriptor, once one does.
    var tunnel: Tunnel.Index = Tunnel.none
    /// Another slot to wake with each event of this one: the alarm of a task that looks after several slots (`Dial.Race`,
    /// `Rendezvous`), or the origin that a task reads from on behalf of this client (`Socket.read(into:for:)`). `none`: no other.
    var alsoWakes: Index = Slot.none
    var deadline: UInt32 = 0
    /// Of an expendable one: the tick from which on it may be ended.
    var sparedUntil: UInt32 = 0
    var previous: Index = Slot.none
    var next: Index = Slot.none
    /// The task that waits until it is readable, and the one that waits until it is writable.
    var reader: UnsafeContinuation<Void, Never>?
    var writer: UnsafeContinuation<Void, Never>?
    /// The session that it ends with.
    var session: SessionEntry.Index = SessionEntry.none
    /// The next that has joined the same session.
    var sibling: Index = Slot.none
    /// Called on every event, for descriptors that no task waits for.
    var watcher: Watcher?
    /// What encrypts its bytes, if anything does.
    var layer: (any SecureLayer)?
}
