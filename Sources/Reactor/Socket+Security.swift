import Glibc

extension Socket {
    /// From now on all that is read and written passes through `layer`.
    package borrowing func secure(with layer: any SecureLayer) {
        loop.slots[slot].pointee.layer = layer
        loop.slots[slot].pointee.flags.insert(.secure)
    }

    /// From now on bytes are read and written as they are: for last words to a client that does not speak TLS.
    package borrowing func removeLayer() {
        loop.slots[slot].pointee.layer = nil
        loop.slots[slot].pointee.flags.remove(.secure)
    }

    package var isSecure: Bool { loop.slots[slot].pointee.flags.contains(.secure) }

    /// - Throws: `ETIMEDOUT` past the deadline; what the layer or the socket failed with.
    package borrowing func shakeHands() async throws(Errno) {
        _ = try await through { $0.shakeHands() }
    }

    /// Makes calls on the layer until one does something.
    borrowing func through(_ call: (any SecureLayer) -> SecureStep) async throws(Errno) -> Int {
        while true {
            // What a layer has read ahead is there without a wait.
            if loop.isTurnOver() { await loop.rest() }
            let state = loop.slots[slot]
            if !state.pointee.flags.isDisjoint(with: [.expired, .deaf]) { throw loop.expiry(of: slot) }
            guard let layer = state.pointee.layer else { throw .canceled }
            let step = call(layer)
            loop.note(step, of: state)
            if step.count >= 0 { return step.count }
            guard step.count == -Int(EAGAIN) else { throw Errno(Int32(-step.count)) }
            let readiness: Slot.Flags = step.want == .writing ? .writable : .readable
            try await waitBeside(readiness)
        }
    }

    /// Waits for what another task may wait for as well.
    borrowing func waitBeside(_ readiness: Slot.Flags) async throws(Errno) {
        if loop.isAwaited(slot, readiness) {
            // A read that takes a write first, while another task waits to write: rare, and no event is only for it.
            await Alarm(on: loop).wait(atMost: 1)
        } else {
            try await loop.wait(slot, for: readiness)
        }
    }
}
