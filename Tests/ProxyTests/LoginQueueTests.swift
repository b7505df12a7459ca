import Address
import Testing

@testable import Proxy

/// Whose login is checked next, as a table of arrivals and times.
@Suite struct LoginQueueTests {
    private typealias Queue = LoginQueue<String>
    private let attacker = IPAddress.v4(0x0a00_0001)
    private let alice = IPAddress.v4(0x0a00_0002)
    private let far: UInt64 = 1_000_000_000_000

    private func order(_ queue: inout Queue, at now: UInt64 = 0, atMost most: Int = .max) -> [String] {
        var all: [String] = []
        while all.count < most, case .attempt(let attempt) = queue.next(at: now) { all.append(attempt) }
        return all
    }

    @Test func `Clients take turns, however many logins each has waiting`() throws {
        var queue = Queue()
        for index in 0..<5 { try queue.add("a\(index)", from: attacker, deadline: far) }
        try queue.add("alice", from: alice, deadline: far)
        #expect(order(&queue) == ["a0", "alice", "a1", "a2", "a3", "a4"])
        #expect(queue.waiting == 0)
    }

    @Test func `A network of many addresses has one turn, and its addresses take turns for it`() throws {
        var queue = Queue()
        let network: UInt128 = 0x2001_0db9 << 96
        for index in 0..<3 { try queue.add("x\(index)", from: .v6(network | UInt128(index)), deadline: far) }
        try queue.add("x0 again", from: .v6(network), deadline: far)
        try queue.add("alice", from: .v6(network | 1 << 64), deadline: far)
        #expect(order(&queue) == ["x0", "alice", "x1", "x2", "x0 again"])
    }

    @Test func `What waits is bounded for a client, for a network and in sum, and the others still get in`() throws {
        var queue = Queue()
        let network: UInt128 = 0x2001_0db9 << 96
        for _ in 0..<Queue.clientShare { try queue.add("a", from: attacker, deadline: far) }
        #expect(throws: Queue.Refusal.share) { try queue.add("a", from: attacker, deadline: far) }
        for index in 0..<Queue.networkShare { try queue.add("n", from: .v6(network | UInt128(index)), deadline: far) }
        #expect(throws: Queue.Refusal.share) { try queue.add("n", from: .v6(network | 7 << 32), deadline: far) }
        var count: UInt32 = 0
        while queue.waiting < Queue.capacity {
            count += 1
            try queue.add("o", from: .v4(0x0b00_0000 + count), deadline: far)
        }
        #expect(throws: Queue.Refusal.whole) { try queue.add("o", from: .v4(0x0c00_0000), deadline: far) }
        _ = queue.next(at: 0)
        try queue.add("o", from: .v4(0x0c00_0000), deadline: far)
    }

    @Test func `Wrong passwords make their network wait, longer each time up to two seconds, and nobody else`() throws {
        var queue = Queue()
        for count in 1...Queue.freeGuesses { #expect(queue.noteGuess(from: attacker, at: 0) == count) }
        try queue.add("free", from: attacker, deadline: far)
        #expect(order(&queue) == ["free"])
        var pauses: [UInt64] = []
        for _ in 0..<8 {
            _ = queue.noteGuess(from: attacker, at: 0)
            try queue.add("guess", from: attacker, deadline: far)
            try queue.add("alice", from: alice, deadline: far)
            #expect(order(&queue) == ["alice"])
            guard case .nothing(let time) = queue.next(at: 0) else { throw Missing() }
            pauses.append(time / 1_000_000)
            #expect(order(&queue, at: time - 1) == [] && order(&queue, at: time) == ["guess"])
        }
        #expect(pauses == [100, 200, 400, 800, 1600, 2000, 2000, 2000])
        // A quarter of an hour later all is forgotten.
        #expect(queue.noteGuess(from: attacker, at: 901_000_000_000) == 1)
    }

    /// In a home with IPv6 all are in one /64, and one device that guessed kept all the others waiting.
    @Test func `One that guesses keeps no neighbour waiting, and many that guess together wait together`() throws {
        var queue = Queue()
        func device(_ number: UInt128) -> IPAddress { .v6(0x2001_0db9 << 96 | number) }
        for _ in 0..<200 { _ = queue.noteGuess(from: device(1), at: 0) }
        try queue.add("guess", from: device(1), deadline: far)
        try queue.add("alice", from: device(2), deadline: far)
        #expect(order(&queue) == ["alice"])
        guard case .nothing(let time) = queue.next(at: 0) else { throw Missing() }
        #expect(time == 2_000_000_000 && order(&queue, at: time) == ["guess"])
        // Another address for each guess does not help.
        for number in 0..<UInt128(Queue.guessers * Queue.freeGuesses) {
            _ = queue.noteGuess(from: device(100 + number), at: time)
        }
        try queue.add("fresh", from: device(99), deadline: far)
        #expect(order(&queue, at: time) == [])
        try queue.add("far away", from: alice, deadline: far)
        #expect(order(&queue, at: time) == ["far away"])
    }

    @Test func `A login that had no turn in time is given back, with the reason`() throws {
        var queue = Queue()
        for _ in 0...Queue.freeGuesses { _ = queue.noteGuess(from: attacker, at: 0) }
        try queue.add("guess", from: attacker, deadline: 50)
        try queue.add("late", from: attacker, deadline: 90)
        try queue.add("alice", from: alice, deadline: 60)
        let first = queue.overdue(at: 50)
        #expect(first.map(\.attempt) == ["guess"] && first.first?.cause == .share)
        let second = queue.overdue(at: 60)
        #expect(second.map(\.attempt) == ["alice"] && second.first?.cause == .whole)
        #expect(queue.waiting == 1)
        #expect(order(&queue, at: 100_000_000) == ["late"])
        guard case .empty = queue.next(at: far) else { throw Missing() }
    }

    @Test func `However many networks guess, what is remembered of them is bounded`() {
        var queue = Queue()
        for index in 0..<UInt32(3 * Queue.memory) { _ = queue.noteGuess(from: .v4(index), at: UInt64(index)) }
        #expect(queue.noteGuess(from: .v4(UInt32(3 * Queue.memory) - 1), at: far) >= 1)
        #expect(queue.remembered <= Queue.memory)
    }

    private struct Missing: Error {}
}
