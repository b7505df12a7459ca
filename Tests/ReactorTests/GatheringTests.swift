import Address
import CLinux
import Foundation
import Glibc
import Synchronization
import TestProcess
import Testing

@testable import Reactor

private let loopback: UInt32 = 0x7f00_0001

@Suite("Datagrams gather while many come")
struct GatheringTests {
    @Test("Few datagrams wait for nobody, and many do until there are few again")
    func rate() {
        var gathering = Gathering()
        for now in 1000..<2000 as Range<UInt64> {
            gathering.didReceive(8, at: now)
            #expect(!gathering.isWorthwhile(at: now))
        }
        gathering.didReceive(32, at: 2000)
        #expect(!gathering.isWorthwhile(at: 2000))
        gathering.didReceive(1, at: 2000)
        #expect(gathering.isWorthwhile(at: 2000))
        #expect(!gathering.isWorthwhile(at: 2001))
        // However long a flood was, it is forgotten soon.
        for now in 2000..<3000 as Range<UInt64> { gathering.didReceive(500, at: now) }
        #expect(gathering.isWorthwhile(at: 3002))
        #expect(!gathering.isWorthwhile(at: 3003))
    }

    /// Before, each wait for a thread that only computes lasted until its slice ended: a relay beside two of them forwarded a
    /// quarter of what it did without giving way.
    @Test("A thread that keeps the processor is waited for a fifth of the time and no longer")
    func hog() {
        var gathering = Gathering()
        var now: UInt64 = 1000
        var waited: UInt64 = 0
        while now < 3000 {
            gathering.didReceive(64, at: now)
            if gathering.isWorthwhile(at: now) {
                gathering.didGiveWay(from: now * 1_000_000, to: (now + 4) * 1_000_000)
                now += 4
                waited += 4
            } else {
                now += 1
            }
        }
        #expect(waited == 400)
    }

    @Test("A burst that takes its time is waited for each time")
    func burst() {
        var gathering = Gathering()
        for now in 1000..<2000 as Range<UInt64> {
            gathering.didReceive(64, at: now)
            gathering.didGiveWay(from: now * 1_000_000, to: now * 1_000_000 + 900_000)
            #expect(gathering.isWorthwhile(at: now))
        }
    }

    /// Both threads have one processor: what the other one sends when it is asked to is there in time only if the loop lets
    /// it run first. Other processes may come between, so that not every try has to succeed.
    @Test("While many come, a loop lets a thread of its processor send before it receives")
    func sender() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let (asked, isOver, target) = (Count(), Flag(), Outcome<Endpoint>())
        let sender = background {
            try pinToFirstProcessor()
            let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(descriptor) }
            try target.get().connect(descriptor)
            var sent = 0
            while !isOver.isSet {
                if asked.value.load(ordering: .relaxed) > sent {
                    #expect(send(descriptor, "x", 1, 0) == 1)
                    sent += 1
                }
                sched_yield()
            }
        }
        let isInTime = try on(reactor) { reactor in
            try pinToFirstProcessor()
            let batch = reactor.datagrams
            let flood = try DatagramSocket(bound: .v4(loopback, port: 0), on: reactor)
            let receiver = try DatagramSocket(bound: .v4(loopback, port: 0), on: reactor)
            let address = try receiver.localAddress
            target.set(address)
            let end = monotonicMilliseconds() + 20_000
            while monotonicMilliseconds() < end {
                for _ in 0..<40 {
                    _ = [7].withUnsafeBytes { flood.add($0, to: PackedEndpoint(address), in: batch) }
                    #expect(flood.flush(batch) == 0)
                }
                #expect(receiver.receive(into: batch) == 40)
                asked.value.add(1, ordering: .relaxed)
                if receiver.receive(into: batch) == 1 { return true }
                while receiver.receive(into: batch) == 0 { sched_yield() }
                await reactor.rest()
            }
            return false
        }
        isOver.set()
        try sender.get().get()
        #expect(isInTime)
    }
}

private final class Count: Sendable {
    let value = Atomic<Int>(0)
}

/// The thread that calls runs on the lowest processor only from now on.
private func pinToFirstProcessor() throws {
    // "PID/task/TID"
    let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
    let thread = try #require(path.split(separator: "/").last)
    let (status, output) = try ChildProcess.run(["taskset", "--pid", "1", String(thread)])
    try #require(status == 0, "\(output)")
}
