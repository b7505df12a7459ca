import CLinux
import Glibc

extension Loop {
    /// A layer reads ahead and holds what it has not given out yet, so that only its own word says that the socket has
    /// nothing left: until then the slot stays readable.
    func note(_ step: SecureStep, of slot: UnsafeMutablePointer<Slot>) {
        switch step.want {
        case .nothing: break
        case .reading: slot.pointee.flags.subtract([.readable, .urgent])
        case .writing: slot.pointee.flags.remove(.writable)
        }
    }

    /// read(2) by whatever way the slot has; notes what it tells of readiness.
    @inline(__always)
    func receive(_ buffer: UnsafeMutableRawBufferPointer, from slot: UnsafeMutablePointer<Slot>) -> Int {
        guard slot.pointee.flags.contains(.secure) else {
            let count = linux_receive(slot.pointee.descriptor, buffer.baseAddress, buffer.count)
            if count < buffer.count { noteShortRead(slot, count) }
            return count
        }
        return receiveSecurely(buffer, from: slot)
    }

    /// Nagle's algorithm holds nothing up while nothing is under way (RFC 9293 §3.7.4), so that an origin's socket gets
    /// TCP_NODELAY with the second thing that is sent: many a session sends one.
    @inline(__always)
    func willSend(_ slot: UnsafeMutablePointer<Slot>) {
        guard slot.pointee.flags.contains(.delaying) else { return }
        if slot.pointee.flags.contains(.hasSent) {
            slot.pointee.flags.remove(.delaying)
            TCPOptions.sendAtOnce(slot.pointee.descriptor)
        } else {
            slot.pointee.flags.insert(.hasSent)
        }
    }

    /// send(2) by whatever way the slot has; notes what it tells of readiness.
    @inline(__always)
    func send(_ bytes: UnsafeRawBufferPointer, to slot: UnsafeMutablePointer<Slot>) -> Int {
        guard slot.pointee.flags.contains(.secure) else {
            willSend(slot)
            let count = linux_send(slot.pointee.descriptor, bytes.baseAddress, bytes.count)
            if count < bytes.count { slot.pointee.flags.remove(.writable) }
            return count
        }
        return sendSecurely(bytes, to: slot)
    }

    private func receiveSecurely(_ buffer: UnsafeMutableRawBufferPointer, from slot: UnsafeMutablePointer<Slot>) -> Int
    {
        let step = slot.pointee.layer!.read(into: buffer)
        note(step, of: slot)
        return step.count
    }

    private func sendSecurely(_ bytes: UnsafeRawBufferPointer, to slot: UnsafeMutablePointer<Slot>) -> Int {
        let step = slot.pointee.layer!.write(bytes)
        note(step, of: slot)
        return step.count
    }

    /// Says to the peer that nothing more comes: the FIN, and what a layer says before it. `EAGAIN` if it has to be tried
    /// again.
    func sendFin(to slot: UnsafeMutablePointer<Slot>) -> Errno? {
        if slot.pointee.flags.contains(.secure) {
            let step = slot.pointee.layer!.sendClose()
            note(step, of: slot)
            guard step.count >= 0 else { return Errno(Int32(-step.count)) }
        }
        _ = shutdown(slot.pointee.descriptor, Int32(SHUT_WR))
        return nil
    }

    /// Whether splice(2) can carry bytes from one to the other: not where they pass through a layer's hands.
    func canSplice(from source: UnsafeMutablePointer<Slot>, to sink: UnsafeMutablePointer<Slot>) -> Bool {
        guard limits.splice, !source.pointee.flags.contains(.secure) else { return false }
        return sink.pointee.layer?.kernelSends ?? true
    }
}

extension Loop {
    /// After a short read from a stream the kernel has nothing left (epoll(7)), unless a FIN, an error or the urgent mark
    /// cut it short.
    func noteShortRead(_ slot: UnsafeMutablePointer<Slot>, _ count: Int) {
        if count == -Int(EAGAIN) {
            slot.pointee.flags.subtract([.readable, .urgent])
        } else if count > 0, slot.pointee.flags.isDisjoint(with: [.hangup, .urgent]) {
            slot.pointee.flags.remove(.readable)
        }
    }
}
