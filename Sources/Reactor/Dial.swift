package import Address
import CLinux
import Glibc

/// Opening connections.
package enum Dial {
    /// Why no attempt succeeded: the error and the address of the attempt that failed last.
    package struct Failure: Error, Sendable {
        package let errno: Errno
        package let address: Endpoint
    }

    /// Addresses that become known while others are being dialled already.
    package final class Late {
        fileprivate private(set) var addresses: [Endpoint] = []
        fileprivate private(set) var hasEnded = false
        fileprivate weak var alarm: Alarm?

        package init() {}

        /// These are all; may be none.
        package func end(with addresses: [Endpoint]) {
            self.addresses = addresses
            hasEnded = true
            alarm?.ring()
        }
    }

    /// Connects to the first of `addresses` that answers (happy eyeballs, RFC 8305 §5): the next attempt starts `stagger`
    /// after the one before, or as soon as one fails. The first to succeed wins; the others are closed.
    ///
    /// - Parameters:
    ///   - addresses: at least one, in the order of preference.
    ///   - late: what comes after them, once it is known; nil: nothing.
    ///   - client: on whose behalf; nil: on nobody's.
    /// - Throws: `ETIMEDOUT` if none has answered after `timeout`; `ECANCELED` as soon as the client is lost or its session is ended;
    ///   else the last attempt's error.
    package static func connect(
        to addresses: [Endpoint], followedBy late: Late? = nil, stagger: Duration = .milliseconds(250),
        timeout: Duration, for client: Connection? = nil, on reactor: Reactor
    ) async throws(Failure) -> Connection {
        let loop = reactor.currentLoop
        let client = client?.socket.slot
        defer { if let client { loop.slots[client].pointee.alsoWakes = Slot.none } }
        guard addresses.count > 1 || late != nil else {
            return try await connect(to: addresses[0], timeout: timeout, for: client, on: loop)
        }
        let race = Race(addresses: addresses, late: late, alarm: Alarm(on: reactor), client: client, loop: loop)
        return try await race.run(stagger: TimerWheel.ticks(stagger), timeout: TimerWheel.ticks(timeout))
    }

    private static func connect(
        to address: Endpoint, timeout: Duration, for client: Slot.Index?, on loop: Loop
    ) async throws(Failure) -> Connection {
        do throws(Errno) {
            let attempt = try begin(address, isPrepaid: true, on: loop)
            let socket = Socket(slot: attempt.slot, loop: loop)
            if !attempt.isConnected {
                socket.setDeadline(after: timeout)
                if let client { loop.slots[client].pointee.alsoWakes = attempt.slot }
                repeat {
                    guard !isGone(client, on: loop) else { throw .canceled }
                    try await loop.wait(attempt.slot, for: .writable)
                } while !loop.slots[attempt.slot].pointee.flags.contains(.writable)
                socket.clearDeadline()
                if let error = failure(of: socket.slot, on: loop) { throw error }
            }
            return Connection(origin: socket, at: address)
        } catch {
            throw Failure(errno: error, address: address)
        }
    }

    /// Whether nobody waits for the connection any more. A client that has sent its FIN may still wait.
    private static func isGone(_ client: Slot.Index?, on loop: Loop) -> Bool {
        client.map { !loop.slots[$0].pointee.flags.isDisjoint(with: [.failed, .revoked]) } ?? false
    }

    /// Starts a connect. True if it is there already, as on loopback.
    private static func begin(
        _ address: Endpoint, isPrepaid: Bool, on loop: Loop
    ) throws(Errno) -> (slot: Slot.Index, isConnected: Bool) {
        let descriptor = try checked(linux_socket(address.family, Int32(SOCK_STREAM.rawValue)))
        TCPOptions.keepUrgentInline(descriptor)
        let (storage, length) = address.socketAddress
        let result = withUnsafePointer(to: storage) { linux_connect(descriptor, $0, length) }
        guard result == 0 || result == -EINPROGRESS else {
            _ = linux_close(descriptor)
            throw Errno(-result)
        }
        let slot = loop.open(descriptor, isPrepaid: isPrepaid)
        guard !loop.slots[slot].pointee.flags.contains(.deaf) else {
            loop.close(slot)
            throw Errno(ENOSPC)
        }
        loop.slots[slot].pointee.flags.insert(result == 0 ? [.delaying, .writable] : .delaying)
        return (slot, result == 0)
    }

    /// The error of a connect that has ended; nil: it succeeded. A failed connect comes with EPOLLERR and EPOLLHUP (connect(2), epoll_ctl(2)).
    private static func failure(of slot: Slot.Index, on loop: Loop) -> Errno? {
        let flags = loop.slots[slot].pointee.flags
        guard !flags.isDisjoint(with: [.failed, .hangup]) else { return nil }
        let error = linux_socket_error(loop.slots[slot].pointee.descriptor)
        return error == 0 ? nil : Errno(error)
    }

    /// Attempts under way, all waking one alarm.
    private final class Race {
        var addresses: [Endpoint]
        /// nil: nothing comes any more.
        var late: Late?
        let alarm: Alarm
        let client: Slot.Index?
        let loop: Loop
        /// Slots of the attempts, by the index of their address.
        var attempts: [(slot: Slot.Index, address: Endpoint)] = []
        var started = 0
        var lastFailure: Failure?

        init(addresses: [Endpoint], late: Late?, alarm: Alarm, client: Slot.Index?, loop: Loop) {
            self.addresses = addresses
            self.late = late
            late?.alarm = alarm
            self.alarm = alarm
            self.client = client
            self.loop = loop
        }

        deinit {
            for attempt in attempts { loop.close(attempt.slot) }
        }

        func run(stagger: UInt32, timeout: UInt32) async throws(Failure) -> Connection {
            let deadline = loop.freshTick &+ timeout
            if let client { loop.slots[client].pointee.alsoWakes = alarm.slot }
            while true {
                var end = deadline
                if let winner = startNext() { return winner }
                addLate()
                if attempts.isEmpty {
                    if hasMore { continue }
                    if late == nil { throw lastFailure! }
                    // All that is known has failed, and the client is to hear of it: what may come is not waited for long.
                    let limit = loop.freshTick &+ TimerWheel.ticks(.milliseconds(500))
                    if Int32(bitPattern: end &- limit) > 0 { end = limit }
                }
                let next = loop.freshTick &+ stagger
                var hasFailed = false
                while !hasFailed {
                    let isPatient = hasMore && Int32(bitPattern: end &- next) > 0
                    let left = Int32(bitPattern: (isPatient ? next : end) &- loop.tick)
                    if left <= 0 {
                        if isPatient { break }
                        throw attempts.isEmpty ? lastFailure! : Failure(errno: .timedOut, address: attempts[0].address)
                    }
                    await alarm.wait(atMost: UInt32(left))
                    guard !Dial.isGone(client, on: loop) else {
                        throw Failure(errno: .canceled, address: attempts.first?.address ?? addresses[0])
                    }
                    let underWay = attempts.count
                    if let winner = findWinner() { return winner }
                    addLate()
                    hasFailed =
                        attempts.isEmpty ? underWay > 0 || hasMore || late == nil : attempts.count < underWay && hasMore
                }
            }
        }

        private var hasMore: Bool { started < addresses.count }

        private func addLate() {
            guard let late, late.hasEnded else { return }
            addresses += late.addresses
            self.late = nil
        }

        /// Starts the next attempt; answers it if it is connected at once. Beside another one it costs a descriptor that no
        /// session has paid for, and has to wait for one to spare.
        private func startNext() -> Connection? {
            let isPrepaid = attempts.isEmpty
            guard started < addresses.count, isPrepaid || DescriptorBudget.shared.hasRoom else { return nil }
            let address = addresses[started]
            started += 1
            do throws(Errno) {
                let (slot, isConnected) = try Dial.begin(address, isPrepaid: isPrepaid, on: loop)
                if isConnected { return win(slot, address) }
                loop.slots[slot].pointee.alsoWakes = alarm.slot
                attempts.append((slot, address))
            } catch {
                lastFailure = Failure(errno: error, address: address)
            }
            return nil
        }

        /// The first attempt that is connected, in the order of preference; nil: none is. Attempts that have failed are dropped.
        private func findWinner() -> Connection? {
            var index = 0
            while index < attempts.count {
                let (slot, address) = attempts[index]
                guard loop.slots[slot].pointee.flags.contains(.writable) else {
                    index += 1
                    continue
                }
                attempts.remove(at: index)
                guard let error = Dial.failure(of: slot, on: loop) else {
                    loop.slots[slot].pointee.alsoWakes = Slot.none
                    return win(slot, address)
                }
                lastFailure = Failure(errno: error, address: address)
                loop.close(slot)
            }
            return nil
        }

        private func win(_ slot: Slot.Index, _ address: Endpoint) -> Connection {
            loop.prepay(slot)
            return Connection(origin: Socket(slot: slot, loop: loop), at: address)
        }
    }
}
