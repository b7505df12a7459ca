/// The loop's record of one descriptor, or of one alarm.
///
/// A slot is reused after its descriptor was closed; its generation, which also travels in the epoll data, tells a late
/// event of the former one from one of the present.
struct Slot {
    typealias Index = UInt32
    static let none = Index.max

    struct Flags: OptionSet {
        let rawValue: UInt32
        /// A read may find something: it has not been seen to find nothing since the last event.
        static let readable = Flags(rawValue: 1)
        /// A write may be taken: none has been refused since the last event.
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
        /// The session has reserved the descriptor already (`DescriptorBudget`).
        static let prepaid = Flags(rawValue: 2048)
        /// The session was ended from outside: every wait for the slot, now or later, throws ECANCELED.
        static let revoked = Flags(rawValue: 4096)
        /// The bytes pass through `layer`.
        static let secure = Flags(rawValue: 8192)
        /// The client may be ended before its deadline when descriptors are short: it asks for nothing yet, or nothing any more.
        static let expendable = Flags(rawValue: 16384)
        /// Nagle's algorithm is still on (`Loop.willSend`).
        static let delaying = Flags(rawValue: 32768)
        /// Something has been sent with Nagle's algorithm on.
        static let hasSent = Flags(rawValue: 65536)
        /// Expired whatever the deadline, until `clearDeadline`.
        static let interrupted = Flags(rawValue: 131072)
        /// What is there to be read waits for the end of the turn (`Loop.bulkTime`).
        static let bulk = Flags(rawValue: 262144)

        /// Descriptors that the slot takes from the budget itself.
        var share: Int { contains(.prepaid) ? 0 : contains(.counted) ? DescriptorBudget.session : 1 }
    }

    var descriptor: Int32 = -1
    var generation: UInt32 = 0
    var flags: Flags = []
    var account: UInt16 = 0
    /// The tunnel that owns the descriptor, once one does.
    var tunnel: Tunnel.Index = Tunnel.none
    /// Another slot to wake with this one: the alarm of a task that looks after several slots (`Dial.Race`, `Rendezvous`), at each event;
    /// or, for a client's slot that hangs up, the origin's that a task dials or reads from on its behalf. `none`: no other.
    var alsoWakes: Index = Slot.none
    var deadline: UInt32 = 0
    /// Of an expendable slot: the tick from which on it has been so.
    var expendableSince: UInt32 = 0
    var previous: Index = Slot.none
    var next: Index = Slot.none
    /// The task that waits until it is readable, and the one that waits until it is writable.
    var reader: UnsafeContinuation<Void, Never>?
    var writer: UnsafeContinuation<Void, Never>?
    /// The session that the slot ends with; `none`: of no session.
    var session: SessionEntry.Index = SessionEntry.none
    /// The next slot that has joined the same session.
    var sibling: Index = Slot.none
    /// Called on every event, for descriptors that no task waits for.
    var watcher: Watcher?
    /// What encrypts the slot's bytes; nil: nothing does.
    var layer: (any SecureLayer)?
}
