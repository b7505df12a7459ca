import CLinux
import Glibc
import Synchronization

extension Loop {
    @inline(__always)
    func count(sent bytes: Int, of client: UnsafeMutablePointer<Slot>) {
        counters[client.pointee.account].pointee.sent.add(UInt64(bytes), ordering: .relaxed)
        guard client.pointee.session != SessionEntry.none else { return }
        let session = sessions[client.pointee.session]
        session.pointee.traffic.sent &+= UInt64(bytes)
        if session.pointee.throttle != nil { session.pointee.throttle?.charge(bytes, isUp: true) }
    }

    @inline(__always)
    func count(received bytes: Int, of client: UnsafeMutablePointer<Slot>) {
        counters[client.pointee.account].pointee.received.add(UInt64(bytes), ordering: .relaxed)
        guard client.pointee.session != SessionEntry.none else { return }
        let session = sessions[client.pointee.session]
        session.pointee.traffic.received &+= UInt64(bytes)
        if session.pointee.throttle != nil { session.pointee.throttle?.charge(bytes, isUp: false) }
    }

    func setDeadline(ofSession index: SessionEntry.Index, after ticks: UInt32?, isExpendable: Bool) {
        let client = sessions[index].pointee.client
        if let ticks, isExpendable { setExpendableDeadline(client, after: ticks) } else { setDeadline(client, ticks) }
        var slot = sessions[index].pointee.joined
        while slot != Slot.none {
            setDeadline(slot, ticks)
            slot = slots[slot].pointee.sibling
        }
    }

    private func setDeadline(_ slot: Slot.Index, _ ticks: UInt32?) {
        // What was interrupted stays so, until the task that did it is done.
        if let ticks {
            setDeadline(slot, after: ticks)
        } else if slots[slot].pointee.flags.isDisjoint(with: .interrupted) {
            clearDeadline(slot)
        }
    }

    func endSession(_ index: SessionEntry.Index) {
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

    /// Ends the task's use of a slot by a RST. The task still owns the slot, and closes it when it returns.
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
        if slot.pointee.alsoWakes != Slot.none { wake(slot.pointee.alsoWakes) }
    }

    /// Called when a slot is closed, or outlives its session. With its client's slot the session is over.
    func leave(_ slot: Slot.Index) {
        let index = slots[slot].pointee.session
        slots[slot].pointee.session = SessionEntry.none
        let session = sessions[index].pointee
        guard session.client == slot, let owner = session.owner else { return unlink(slot, from: index) }
        // The index is about to be reused: the joined slots must not be taken for the next session's.
        var joined = session.joined
        while joined != Slot.none {
            slots[joined].pointee.session = SessionEntry.none
            joined = slots[joined].pointee.sibling
        }
        sessions.release(index)
        owner.sessionEnded(session.traffic)
    }

    private func unlink(_ slot: Slot.Index, from session: SessionEntry.Index) {
        let next = slots[slot].pointee.sibling
        guard sessions[session].pointee.joined != slot else {
            sessions[session].pointee.joined = next
            return
        }
        // One socket has joined, or for a moment two.
        var former = sessions[session].pointee.joined
        while slots[former].pointee.sibling != slot { former = slots[former].pointee.sibling }
        slots[former].pointee.sibling = next
    }
}
