import CLinux
import Glibc

/// What encrypts a socket's bytes, between the kernel and whoever reads and writes here. How it does so is not the Reactor's
/// to know.
///
/// It uses the socket's descriptor by itself and belongs to the thread of the socket's reactor. What it could not send yet
/// it keeps, and counts the bytes as not taken: they are to be given to `write` again, the same ones first.
package protocol SecureChannel: AnyObject {
    /// Takes the handshake as far as it goes; 0 once it is done.
    func shakeHands() -> SecureStep
    /// Decrypts what has come. A count of 0 says that the peer has announced its end. An end of the stream without that is
    /// ECONNRESET: somebody may have cut it (RFC 8446 §6.1).
    func read(into buffer: UnsafeMutableRawBufferPointer) -> SecureStep
    /// Encrypts and sends.
    func write(_ bytes: UnsafeRawBufferPointer) -> SecureStep
    /// Announces the end of what this side sends; 0 once that has gone out.
    func sendClose() -> SecureStep
    /// The kernel encrypts: what is written or spliced to the descriptor itself goes out as it should.
    var kernelSends: Bool { get }
}

/// What a call on a channel came to.
package struct SecureStep {
    package enum Want: Sendable {
        case nothing, reading, writing
    }

    /// Plain bytes; or -errno, which is -EAGAIN if nothing can be done before the socket is ready for `want`.
    package var count: Int
    /// What the socket would not do. Reading may take a write first and the other way round (RFC 8446 §4.6.3).
    package var want: Want

    package init(_ count: Int, _ want: Want = .nothing) {
        self.count = count
        self.want = want
    }

    package static func blocked(on want: Want) -> SecureStep {
        SecureStep(-Int(EAGAIN), want)
    }
}

extension Socket {
    /// From now on all that is read and written passes through `channel`.
    package borrowing func secure(with channel: any SecureChannel) {
        loop.slots[slot].pointee.channel = channel
        loop.slots[slot].pointee.flags.insert(.secure)
    }

    /// From now on bytes are read and written as they are: for last words to somebody who does not speak TLS.
    package borrowing func dropChannel() {
        loop.slots[slot].pointee.channel = nil
        loop.slots[slot].pointee.flags.remove(.secure)
    }

    package var isSecure: Bool { loop.slots[slot].pointee.flags.contains(.secure) }

    /// - Throws: `ETIMEDOUT` past the deadline; what the channel or the socket failed with.
    package borrowing func shakeHands() async throws(Errno) {
        _ = try await through { $0.shakeHands() }
    }

    /// Makes calls on the channel until one does something.
    borrowing func through(_ call: (any SecureChannel) -> SecureStep) async throws(Errno) -> Int {
        while true {
            // What a channel has read ahead is there without a wait.
            if loop.isTurnOver() { await loop.rest() }
            let state = loop.slots[slot]
            if !state.pointee.flags.isDisjoint(with: [.expired, .deaf]) { throw loop.expiry(of: slot) }
            guard let channel = state.pointee.channel else { throw .canceled }
            let step = call(channel)
            loop.note(step, of: state)
            if step.count >= 0 { return step.count }
            guard step.count == -Int(EAGAIN) else { throw Errno(Int32(-step.count)) }
            let readiness: Slot.Flags = step.want == .writing ? .writable : .readable
            if loop.isAwaited(slot, readiness) {
                // A read that takes a write first, while another task waits to write: rare, and no event is only for it.
                await Alarm(on: loop).wait(atMost: 1)
            } else {
                try await loop.wait(slot, for: readiness)
            }
        }
    }
}

extension Loop {
    /// A channel reads ahead and holds what it has not given out yet, so that only its own word says that the socket has
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
        let step = slot.pointee.channel!.read(into: buffer)
        note(step, of: slot)
        return step.count
    }

    private func sendSecurely(_ bytes: UnsafeRawBufferPointer, to slot: UnsafeMutablePointer<Slot>) -> Int {
        let step = slot.pointee.channel!.write(bytes)
        note(step, of: slot)
        return step.count
    }

    /// Says to the peer that nothing more comes: the FIN, and what a channel says before it. `EAGAIN` if it has to be tried
    /// again.
    func sendFin(to slot: UnsafeMutablePointer<Slot>) -> Errno? {
        if slot.pointee.flags.contains(.secure) {
            let step = slot.pointee.channel!.sendClose()
            note(step, of: slot)
            guard step.count >= 0 else { return Errno(Int32(-step.count)) }
        }
        _ = shutdown(slot.pointee.descriptor, Int32(SHUT_WR))
        return nil
    }

    /// Whether splice(2) can carry bytes from one to the other: not where they pass through a channel's hands.
    func canSplice(from source: UnsafeMutablePointer<Slot>, to sink: UnsafeMutablePointer<Slot>) -> Bool {
        guard limits.splice, !source.pointee.flags.contains(.secure) else { return false }
        return sink.pointee.channel?.kernelSends ?? true
    }
}
