import CLinux
import Glibc
import Synchronization

/// Who keeps a session's record. It belongs to the session's reactor.
package protocol SessionOwner: AnyObject {
    /// The client's connection is closed, and with it the session is over. Called once, on the reactor's thread.
    func sessionEnded(_ traffic: Traffic)
}

/// Bytes of one session, as its origin sees them: sent to it, and received from it.
package struct Traffic: Hashable, Sendable {
    package var sent: UInt64 = 0
    package var received: UInt64 = 0

    package init(sent: UInt64 = 0, received: UInt64 = 0) {
        self.sent = sent
        self.received = received
    }
}

/// A session as its loop knows it, whoever carries it now: a task, or a tunnel.
struct Session {
    typealias Index = UInt32
    static let none = Index.max

    /// nil: the place is free.
    var owner: (any SessionOwner)?
    /// The session ends when this slot is closed.
    var client = Slot.none
    /// What else its tasks wait for: the first of a list that runs through the slots.
    var joined = Slot.none
    var traffic = Traffic()
    /// What its bytes are held to, if to anything.
    var throttle: Throttle?
}

/// Sessions by index; pages that never move.
struct SessionTable: ~Copyable {
    private static let pageSize = 64
    private var pages: [UnsafeMutablePointer<Session>] = []
    private var free: [Session.Index] = []

    deinit {
        for page in pages {
            page.deinitialize(count: SessionTable.pageSize)
            page.deallocate()
        }
    }

    @inline(__always)
    subscript(index: Session.Index) -> UnsafeMutablePointer<Session> {
        pages[Int(index) / SessionTable.pageSize] + Int(index) % SessionTable.pageSize
    }

    var indices: Range<Session.Index> { 0..<Session.Index(pages.count * SessionTable.pageSize) }

    mutating func insert(_ session: Session) -> Session.Index {
        if free.isEmpty {
            let page = UnsafeMutablePointer<Session>.allocate(capacity: SessionTable.pageSize)
            page.initialize(repeating: Session(), count: SessionTable.pageSize)
            let first = Session.Index(pages.count * SessionTable.pageSize)
            pages.append(page)
            free.append(contentsOf: (first..<first + UInt32(SessionTable.pageSize)).reversed())
        }
        let index = free.removeLast()
        self[index].pointee = session
        return index
    }

    mutating func remove(_ index: Session.Index) {
        self[index].pointee = Session()
        free.append(index)
    }
}

/// A session from its owner's side. Of use until `sessionEnded`.
package struct SessionHandle {
    fileprivate unowned(unsafe) let loop: Loop
    fileprivate let index: Session.Index

    /// What has moved so far.
    package var traffic: Traffic { loop.sessions[index].pointee.traffic }

    /// Counts what a task moved itself; a tunnel's bytes are counted by its loop.
    package func count(sent: Int = 0, received: Int = 0) {
        let client = loop.slots[loop.sessions[index].pointee.client]
        if sent > 0 { loop.count(sent: sent, of: client) }
        if received > 0 { loop.count(received: received, of: client) }
    }

    /// Holds what moves from now on to `throttle`; nil: to nothing.
    package func hold(to throttle: Throttle?) {
        guard throttle != nil || loop.sessions[index].pointee.throttle != nil else { return }
        loop.sessions[index].pointee.throttle = throttle
        let client = loop.sessions[index].pointee.client
        // A tunnel may wait for what it need not wait for any more.
        if loop.slots[client].pointee.tunnel != Tunnel.none { loop.pumpLater(loop.slots[client].pointee.tunnel) }
    }

    /// How long a task has to wait before it may move more bytes; nil: not at all, or no more for a client that is gone.
    package func pause(isUp: Bool) -> Duration? {
        let client = loop.slots[loop.sessions[index].pointee.client]
        guard client.pointee.flags.isDisjoint(with: [.revoked, .failed]),
            let delay = loop.sessions[index].pointee.throttle?.delay(isUp: isUp), delay > 0
        else { return nil }
        return .nanoseconds(Int64(delay))
    }

    /// Ends the session now: a RST to its client and, of a tunnel, to its origin. A task that carries it finds its waits
    /// for the session's sockets over (`ECANCELED`), and those that come to it later gone; it is to return.
    package func end() {
        loop.endSession(index)
    }
}

extension Socket {
    /// Makes this a session's client.
    package borrowing func beginSession(of owner: any SessionOwner) -> SessionHandle {
        let index = loop.sessions.insert(Session(owner: owner, client: slot))
        loop.slots[slot].pointee.session = index
        return SessionHandle(loop: loop, index: index)
    }

    /// Makes a task's waits for this socket end with the session: an origin's, or that of an association.
    package borrowing func join(_ session: SessionHandle) {
        leaveSession()
        loop.slots[slot].pointee.session = session.index
        loop.slots[slot].pointee.sibling = loop.sessions[session.index].pointee.joined
        loop.sessions[session.index].pointee.joined = slot
        let client = loop.sessions[session.index].pointee.client
        // It was ended while this one was on its way.
        if loop.slots[client].pointee.flags.contains(.revoked) { loop.revoke(slot) }
    }

    /// Undoes `join`: the socket outlives the session, for others to use.
    package borrowing func leaveSession() {
        if loop.slots[slot].pointee.session != Session.none { loop.leave(slot) }
    }
}

extension Reactor {
    /// Calls `body` with the owner of each session that is open. On the reactor's thread, from whichever actor; `body` may end
    /// sessions.
    package nonisolated func forEachSession(_ body: (any SessionOwner) -> Void) {
        let loop = currentLoop
        for index in loop.sessions.indices {
            if let owner = loop.sessions[index].pointee.owner { body(owner) }
        }
    }
}

extension Loop {
    @inline(__always)
    func count(sent bytes: Int, of client: UnsafeMutablePointer<Slot>) {
        counters[client.pointee.account].pointee.sent.add(UInt64(bytes), ordering: .relaxed)
        guard client.pointee.session != Session.none else { return }
        let session = sessions[client.pointee.session]
        session.pointee.traffic.sent &+= UInt64(bytes)
        if session.pointee.throttle != nil { session.pointee.throttle?.charge(bytes, isUp: true) }
    }

    @inline(__always)
    func count(received bytes: Int, of client: UnsafeMutablePointer<Slot>) {
        counters[client.pointee.account].pointee.received.add(UInt64(bytes), ordering: .relaxed)
        guard client.pointee.session != Session.none else { return }
        let session = sessions[client.pointee.session]
        session.pointee.traffic.received &+= UInt64(bytes)
        if session.pointee.throttle != nil { session.pointee.throttle?.charge(bytes, isUp: false) }
    }

    func endSession(_ index: Session.Index) {
        let client = sessions[index].pointee.client
        guard client != Slot.none else { return }
        if slots[client].pointee.tunnel != Tunnel.none { return cut(slots[client].pointee.tunnel) }
        revoke(client)
        // A task may wait for any of them.
        var slot = sessions[index].pointee.joined
        while slot != Slot.none {
            revoke(slot)
            slot = slots[slot].pointee.sibling
        }
    }

    /// Takes a slot away from the task that has it, which still owns it and closes it when it returns.
    func revoke(_ index: Slot.Index) {
        let slot = slots[index]
        guard slot.pointee.flags.contains(.open), slot.pointee.flags.isDisjoint(with: .revoked) else { return }
        clearDeadline(index)
        slot.pointee.flags.formUnion([.expired, .revoked])
        if linux_abort(slot.pointee.descriptor) < 0 {
            // Kernel TLS does not let go (tls_disconnect() in the kernel): the RST comes with the close.
            _ = linux_set_reset_on_close(slot.pointee.descriptor)
            _ = shutdown(slot.pointee.descriptor, Int32(SHUT_RDWR))
        }
        resume(slot)
        if slot.pointee.proxy != Slot.none { wake(slot.pointee.proxy) }
    }

    /// A slot is closed, or outlives its session; if it was the session's client the session is over.
    func leave(_ slot: Slot.Index) {
        let index = slots[slot].pointee.session
        slots[slot].pointee.session = Session.none
        let session = sessions[index].pointee
        guard session.client == slot, let owner = session.owner else { return unlink(slot, from: index) }
        // Its number is the next one's, with whom they have nothing to do.
        var joined = session.joined
        while joined != Slot.none {
            slots[joined].pointee.session = Session.none
            joined = slots[joined].pointee.sibling
        }
        sessions.remove(index)
        owner.sessionEnded(session.traffic)
    }

    private func unlink(_ slot: Slot.Index, from session: Session.Index) {
        let next = slots[slot].pointee.sibling
        guard sessions[session].pointee.joined != slot else {
            sessions[session].pointee.joined = next
            return
        }
        // There is one, or for a moment two.
        var former = sessions[session].pointee.joined
        while slots[former].pointee.sibling != slot { former = slots[former].pointee.sibling }
        slots[former].pointee.sibling = next
    }
}
