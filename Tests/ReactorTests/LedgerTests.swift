import Glibc
import Synchronization
import TestProcess
import Testing

@testable import Reactor

/// Limits that hold across processes and threads.
@Suite("The ledger")
struct LedgerTests {
    /// Two parties of one ledger, as two processes have it.
    private func parties() throws -> (Ledger, Ledger) {
        let first = try Ledger()
        let memory = Descriptor(adopting: dup(first.memory.number))
        return (first, try Ledger(memory: memory, party: 1))
    }

    @Test("Sessions are counted over both parties, and one that ends makes room")
    func sessions() throws {
        let (first, second) = try parties()
        let (one, two) = (first.subject([1, 2, 3]), second.subject([1, 2, 3]))
        #expect(one == two && one != first.subject([1, 2]))
        let place = try #require(first.enter(one, atMost: 3))
        _ = try #require(second.enter(two, atMost: 3))
        _ = try #require(second.enter(two, atMost: 3))
        #expect(first.enter(one, atMost: 3) == nil && second.enter(two, atMost: 3) == nil)
        #expect(first.sessions(of: one) == 3)
        first.leave(place)
        #expect(second.enter(two, atMost: 3) != nil)
        #expect(first.enter(first.subject([9]), atMost: 1) != nil)
    }

    @Test("A party that died takes its sessions along, and only its own")
    func death() throws {
        let (first, second) = try parties()
        let subject = first.subject([7])
        let place = try #require(first.enter(subject, atMost: 10))
        for _ in 0..<9 { _ = try #require(second.enter(subject, atMost: 10)) }
        #expect(second.enter(subject, atMost: 10) == nil)
        first.forget(party: 1)
        #expect(first.sessions(of: subject) == 1)
        first.leave(place)
        #expect(first.sessions(of: subject) == 0)
    }

    @Test("From many threads at once no more get in than may, and no fewer")
    func threads() throws {
        let (first, second) = try parties()
        let granted = Atomic<Int>(0)
        let work = (0..<8).map { thread in
            background { [ledger = thread % 2 == 0 ? first : second] in
                let subject = ledger.subject([1])
                for _ in 0..<20_000 {
                    guard let place = ledger.enter(subject, atMost: 5) else { continue }
                    #expect(ledger.sessions(of: subject) <= 5)
                    granted.add(1, ordering: .relaxed)
                    ledger.leave(place)
                }
            }
        }
        for thread in work { try thread.get().get() }
        #expect(granted.load(ordering: .relaxed) > 20_000)
        #expect(first.sessions(of: first.subject([1])) == 0)
    }

    @Test("Five seconds' worth of new sessions may come at once, and then so many a second")
    func rate() throws {
        let (first, second) = try parties()
        var attempt: UInt8 = 0
        // Only the lower side suffers from a machine that stands still: what nobody takes in a second is lost.
        let (granted, expected) = measure(until: { $0 > Int($1) - 2 }) {
            attempt += 1
            let subject = first.subject([2, attempt])
            var granted = 0
            let start = MonotonicClock.nanoseconds
            func entitlement() -> Double { 100 + 20 * Double(MonotonicClock.nanoseconds - start) / 1e9 }
            for index in 0..<200 {
                if (index % 2 == 0 ? first : second).enter(subject, rate: 20) != nil { granted += 1 }
            }
            #expect(granted >= 100 && granted <= Int(entitlement()) + 1)
            while MonotonicClock.nanoseconds - start < 2_000_000_000 {
                if first.enter(subject, rate: 20) != nil { granted += 1 }
                usleep(1000)
            }
            while first.enter(subject, rate: 20) != nil { granted += 1 }
            let expected = entitlement()
            #expect(granted <= Int(expected) + 1)
            // One that is refused costs nothing.
            #expect(first.sessions(of: subject) == granted)
            return (granted, expected)
        }
        #expect(granted > Int(expected) - 2, "\(granted) instead of \(expected)")
    }

    @Test("More subjects than places: those without sessions give way, and with no place left nobody is turned away")
    func crowd() throws {
        let (first, second) = try parties()
        for round in 0..<3 {
            for number in 0..<Ledger.capacity {
                let subject = first.subject([UInt8(round)] + withUnsafeBytes(of: number) { Array($0) })
                let ledger = number % 2 == 0 ? first : second
                let place = try #require(ledger.enter(subject, atMost: 1))
                #expect(ledger.enter(subject, atMost: 1) == nil)
                ledger.leave(place)
            }
        }
        #expect(first.overflows == 0)
        var uncounted = 0
        for number in 0..<2 * Ledger.capacity {
            let subject = first.subject([9] + withUnsafeBytes(of: number) { Array($0) })
            if case .uncounted = first.admit(subject, atMost: 1, rate: nil) { uncounted += 1 }
        }
        #expect(uncounted >= Ledger.capacity && uncounted == first.overflows)
    }

    @Test("What is used up is remembered for a subject without sessions")
    func memory() throws {
        let ledger = try Ledger()
        let subject = ledger.subject([3])
        func throttle(_ place: Ledger.Place) throws -> Throttle {
            try #require(Throttle([(place, 1000)], in: ledger))
        }
        let place = try #require(ledger.enter(subject))
        try throttle(place).charge(1_000_000, isUp: true)
        ledger.leave(place)
        for number in 0..<4 * Ledger.capacity {
            let other = ledger.subject([4] + withUnsafeBytes(of: number) { Array($0) })
            if let place = ledger.enter(other, atMost: 1) { ledger.leave(place) }
        }
        let again = try throttle(try #require(ledger.enter(subject)))
        #expect(again.allowance(isUp: true, atMost: 1) == 0 && again.allowance(isUp: false, atMost: 1) == 1)
    }

    @Test("The lock of a party that died is given back")
    func lock() throws {
        let (first, second) = try parties()
        second.pretendToDieInTheLock()
        if case .uncounted = first.admit(first.subject([1]), atMost: 1, rate: nil) {} else { Issue.record("a lock?") }
        first.forget(party: 1)
        #expect(first.enter(first.subject([1]), atMost: 1) != nil)
    }

    /// A compromised relay can write whatever it likes; checked arithmetic on it would end the other one.
    enum Use: String, CaseIterable, Codable {
        case leave, count, rate, number, overflow, charge, delay, tunnel
    }

    @Test("Whatever another process writes there, nobody dies of it", arguments: Use.allCases)
    func vandalism(use: Use) async {
        await #expect(processExitsWith: .success) { [use] in
            let ledger = try Ledger()
            let subject = ledger.subject([1])
            guard let place = ledger.enter(subject), let throttle = Throttle([(place, 1000)], in: ledger) else {
                fatalError("no place")
            }
            let entry = ledger.entry(at: place)
            func write(_ word: UInt64) {
                entry.pointee.begun.store(word, ordering: .relaxed)
                entry.pointee.sent.store(word, ordering: .relaxed)
                entry.pointee.received.store(word, ordering: .relaxed)
            }
            switch use {
            case .leave:
                entry.pointee.sessions.store(5 << 32, ordering: .relaxed)
                ledger.leave(place)
                #expect(ledger.sessions(of: subject) == 5)
            case .count:
                entry.pointee.sessions.store(.max, ordering: .relaxed)
                _ = try Ledger(memory: Descriptor(adopting: dup(ledger.memory.number)), party: 1).enter(subject)
            case .rate:
                for word: UInt64 in [.max, .max - 5_000_000_000] {
                    write(word)
                    #expect(ledger.enter(subject, rate: 20) == nil)
                }
            case .number, .overflow:
                // The header has the key, the number of the last session, the lock, and the count of overflows.
                let header = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ledger.memory.number, 0)!
                header.storeBytes(of: Int.max, toByteOffset: 16, as: Int.self)
                header.storeBytes(of: UInt64.max, toByteOffset: 24, as: UInt64.self)
                header.storeBytes(of: UInt64.max, toByteOffset: 32, as: UInt64.self)
                if use == .number { _ = ledger.nextSession() } else { _ = ledger.enter(ledger.subject([2])) }
            case .charge:
                write(.max)
                throttle.charge(1000, isUp: true)
                #expect(throttle.allowance(isUp: true, atMost: 1) == 0)
            case .delay:
                write(.max)
                #expect(throttle.delay(isUp: false) < 1 << 50)
            case .tunnel:
                let (client, origin, relay) = try Attended.joined(TunnelLimits()) {
                    $0.hold(to: Throttle([(place, 1000)], in: ledger))
                }
                try client.write("x")
                #expect(try origin.text(1) == "x")
                write(UInt64.max / 2)
                try client.write("y")
                client.waitUntilSent()
                // It is asked when it may go on, by the tunnel and as a task would.
                let pause = try on(relay.reactor) { relay.pause($0) }
                #expect(pause ?? .zero > .zero)
                try on(relay.reactor) { relay.hold($0, to: nil) }
                #expect(try origin.text(1) == "y")
            }
        }
    }
    @Test("The hash is SipHash-2-4")
    func hash() {
        // The key and the message of the paper's appendix A: bytes 0 to 15, and 0 to 14.
        let key: (UInt64, UInt64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let message: [UInt8] = Array(0..<15)
        #expect(message.withUnsafeBytes { SipHash.hash($0, key: key) } == 0xa129_ca61_49be_45e5)
    }
}

extension Ledger {
    fileprivate func enter(_ subject: Subject, atMost most: Int? = nil, rate: Int? = nil) -> Place? {
        guard case .granted(let place) = admit(subject, atMost: most, rate: rate) else { return nil }
        return place
    }
}

/// Bandwidth: token buckets that sessions share.
@Suite("A throttle")
struct ThrottleTests {
    /// What a stream may take at first: see `Throttle`.
    private func burst(_ rate: Int) -> Int { max(rate / 4, 64 << 10) }

    private func throttle(_ ledger: Ledger, _ rate: Int) -> @Sendable (SessionHandle) -> Void {
        { handle in
            guard case .granted(let place) = ledger.admit(ledger.subject([1]), atMost: nil, rate: nil) else { return }
            handle.hold(to: Throttle([(place, rate)], in: ledger))
        }
    }

    @Test(
        "A tunnel moves as fast as it may, each way, and every byte is right", arguments: Mode.allCases, [true, false])
    func rate(mode: Mode, isUp: Bool) throws {
        // Its shares fill the buffer, so that it is spliced where it may be.
        let rate = 6_000_000
        let bytes = noise(rate * 3, seed: 41)
        let expected = Double(bytes.count - burst(rate)) / Double(rate)
        let seconds = try measure(until: { $0 < 1.12 * expected }) {
            let ledger = try Ledger()
            let (client, origin, relay) = try Attended.joined(mode.limits, prepare: throttle(ledger, rate))
            let start = MonotonicClock.nanoseconds
            let (source, sink) = isUp ? (client, origin) : (origin, client)
            let received = background { try sink.read(exactly: bytes.count + 1) }
            try source.write(bytes)
            source.finish()
            let all = try received.get().get()
            let seconds = Double(MonotonicClock.nanoseconds - start) / 1e9
            let isWhole = all == bytes
            #expect(isWhole)
            #expect(seconds > 0.88 * expected, "\(seconds) s instead of \(expected)")
            withExtendedLifetime(relay) {}
            return seconds
        }
        #expect(seconds < 1.12 * expected, "\(seconds) s instead of \(expected)")
    }

    @Test("Tunnels of one subject share what it may move, on several reactors", arguments: Mode.allCases)
    func shared(mode: Mode) throws {
        let rate = 3_000_000
        func isFair(_ counts: [Int]) -> Bool { counts.allSatisfy { $0 > counts.reduce(0, +) / 10 } }
        func isEnough(_ counts: [Int]) -> Bool { counts.reduce(0, +) > (3 * rate + burst(rate)) * 7 / 8 }
        let counts = try measure(until: { isFair($0) && isEnough($0) }) {
            let ledger = try Ledger()
            let start = MonotonicClock.nanoseconds
            let floods = try (0..<3).map { _ in
                let (client, origin, relay) = try Attended.joined(mode.limits, prepare: throttle(ledger, rate))
                _ = background { while true { try origin.write([UInt8](repeating: 1, count: 1 << 16)) } }
                return background {
                    var count = 0
                    while MonotonicClock.nanoseconds - start < 3_000_000_000 { count += try client.read().count }
                    client.reset()
                    withExtendedLifetime(relay) {}
                    return count
                }
            }
            let counts = try floods.map { try $0.get().get() }
            let seconds = Double(MonotonicClock.nanoseconds - start) / 1e9
            let most = seconds * Double(rate) + Double(burst(rate))
            #expect(Double(counts.reduce(0, +)) < most * 9 / 8, "\(counts) instead of \(most) bytes in all")
            return counts
        }
        #expect(isFair(counts) && isEnough(counts), "\(counts)")
    }

    @Test("The other direction is not held up", arguments: Mode.allCases)
    func independent(mode: Mode) throws {
        let ledger = try Ledger()
        let (client, origin, relay) = try Attended.joined(mode.limits, prepare: throttle(ledger, 1000))
        let sent = background { try client.write([UInt8](repeating: 1, count: 1 << 20)) }
        // The upload has used up all that it may, for a minute.
        _ = try origin.read(exactly: 60_000)
        let start = MonotonicClock.nanoseconds
        try origin.write("now")
        #expect(try client.text(3) == "now")
        #expect(MonotonicClock.nanoseconds - start < 5_000_000_000)
        client.reset()
        _ = try? sent.get().get()
        withExtendedLifetime(relay) {}
    }

    @Test("A tunnel that waits for its turn is not idle, and costs no time", arguments: Mode.allCases)
    func patience(mode: Mode) throws {
        let ledger = try Ledger()
        var limits = mode.limits
        limits.idle = .seconds(1)
        // 64 kB come at once; the next 16 kB take 1.6 s.
        let (client, sent, relay) = try keepingPace(.milliseconds(500)) { _ in
            let (client, origin, relay) = try Attended.joined(limits, prepare: throttle(ledger, 10_000))
            let sent = background { try origin.write([UInt8](repeating: 1, count: 90_000)) }
            guard try client.read(exactly: 65_536).count == 65_536 else { throw Errno(ENODATA) }
            return (client, sent, relay)
        }
        let before = clock()
        #expect(try client.read(exactly: 16_384).count == 16_384)
        #expect(Double(clock() - before) / Double(CLOCKS_PER_SEC) < 0.3)
        client.reset()
        _ = try? sent.get().get()
        withExtendedLifetime(relay) {}
    }

    /// The wheel disarms all that is due before anything of it happens, and a tunnel was known to wait for tokens by its
    /// origin's deadline: one whose client's deadline came in the same tick, and first, was reset.
    @Test(
        "A tunnel that waits for its turn is not idle in the moment either in which it comes", arguments: Mode.allCases)
    func sameTick(mode: Mode) throws {
        let ledger = try Ledger()
        let (client, origin, relay) = try Attended.joined(mode.limits, prepare: throttle(ledger, 1000))
        let sent = background { try origin.write([UInt8](repeating: 1, count: 90_000)) }
        #expect(try client.read(exactly: 65_536).count == 65_536)
        try eventually("it waits for tokens") {
            try on(relay.reactor) { $0.loop.slots[$0.loop.tunnels[0].pointee.origin].pointee.flags.contains(.armed) }
        }
        try on(relay.reactor) { reactor in
            let loop = reactor.loop
            let tunnel = loop.tunnels[0]
            let (client, origin) = (loop.slots[tunnel.pointee.client], loop.slots[tunnel.pointee.origin])
            repeat {
                loop.setDeadline(tunnel.pointee.origin, after: 1)
                // The last one in is the first one out.
                loop.setDeadline(tunnel.pointee.client, after: 1)
            } while client.pointee.deadline != origin.pointee.deadline
            tunnel.pointee.lastMoved = loop.tick &- loop.limits.idle
            await reactor.sleep(for: .milliseconds(50))
        }
        try client.write("still here")
        #expect(try origin.text(10) == "still here")
        client.reset()
        _ = try? sent.get().get()
    }

    @Test("A limit that is lifted lets a waiting tunnel go on at once", arguments: Mode.allCases)
    func lifted(mode: Mode) throws {
        let ledger = try Ledger()
        let (client, origin, relay) = try Attended.joined(mode.limits, prepare: throttle(ledger, 10_000))
        let bytes = noise(2_000_000, seed: 42)
        let sent = background {
            try origin.write(bytes)
            origin.finish()
        }
        _ = try client.read(exactly: 60_000)
        try on(relay.reactor) { relay.hold($0, to: nil) }
        let start = MonotonicClock.nanoseconds
        #expect(client.readToEnd().count == bytes.count - 60_000)
        #expect(MonotonicClock.nanoseconds - start < 2_000_000_000)
        try sent.get().get()
    }
}
