import CLinux
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// The loop alone, taking its turns on the test's own thread.
@Suite("The loop")
struct LoopTests {
    @Test("A slot is another one after it was given back")
    func generations() {
        var slots = PagedTable<Slot>()
        let first = slots.open()
        slots[first].pointee.descriptor = 7
        let generation = slots[first].pointee.generation
        slots.close(first)
        let second = slots.open()
        #expect(second == first)
        #expect(slots[second].pointee.generation == generation &+ 1)
        #expect(slots[second].pointee.descriptor == -1 && slots[second].pointee.flags == .open)
    }

    @Test("Slots do not move when the table grows")
    func growth() {
        var slots = PagedTable<Slot>()
        let pointer = slots[slots.open()]
        pointer.pointee.descriptor = 42
        let all = (0..<1000).map { _ in slots.open() }
        #expect(Set(all).count == 1000)
        #expect(pointer.pointee.descriptor == 42)
    }

    @Test("An event of what was closed in its turn finds nobody, not even a successor")
    func staleEvents() throws {
        let loop = try Loop(counters: Counters(), limits: TunnelLimits())
        var pairs: [(Int32, Int32)] = []
        for _ in 0..<3 {
            let pair = try Channel.pair()
            pairs.append((pair.parent, pair.child))
        }
        defer {
            for pair in pairs {
                close(pair.0)
                close(pair.1)
            }
        }
        let calls = Calls()
        var watched: [Slot.Index] = []
        for index in 0..<2 {
            let slot = try loop.watch(pairs[index].0, for: LINUX_EPOLLIN) { _ in
                calls.names.append("\(index)")
                // Whichever is first closes both and opens a third in their stead.
                for slot in calls.slots { loop.close(slot) }
                guard calls.successor == nil else { return }
                calls.successor = try? loop.watch(pairs[2].0, for: LINUX_EPOLLIN) { _ in calls.names.append("successor")
                }
            }
            watched.append(slot)
        }
        calls.slots = watched
        for pair in pairs.prefix(2) { _ = linux_send_packet(pair.1, "x", 1, nil, 0) }
        _ = loop.poll(mayBlock: true)
        loop.deliver()
        #expect(calls.names.count == 1 && calls.names != ["successor"])
        #expect(!watched.contains(try #require(calls.successor)))
        loop.freeClosed()
        _ = linux_send_packet(pairs[2].1, "x", 1, nil, 0)
        _ = loop.poll(mayBlock: true)
        loop.deliver()
        #expect(calls.names.count == 2 && calls.names.last == "successor")
        // The slots may be reused now, under another generation.
        let reused = loop.openAlarm()
        #expect(watched.contains(reused))
    }

    private final class Calls {
        var names: [String] = []
        var slots: [Slot.Index] = []
        var successor: Slot.Index?
    }

    @Test("Who waits for a descriptor of which epoll knows nothing is told")
    func deaf() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        #expect(throws: Errno.timedOut) {
            try on(reactor) { reactor in
                // A regular file: EPERM (epoll_ctl(2)).
                let file = Descriptor(adopting: open("/proc/self/exe", O_RDONLY | O_CLOEXEC))
                try await Source(adopting: file, on: reactor).readable()
            }
        }
    }

    @Test("A ring before the wait counts, once")
    func alarm() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let rang = try on(reactor) { reactor in
            let alarm = Alarm(on: reactor)
            alarm.ring()
            alarm.ring()
            let first = await alarm.wait(atMost: .seconds(5))
            let second = await alarm.wait(atMost: .milliseconds(20))
            let third = await alarm.wait(atMost: .milliseconds(20))
            return [first, second, third]
        }
        #expect(rang == [true, false, false])
    }

    @Test("A ring from another task ends the wait")
    func ring() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let rang = try on(reactor) { reactor in
            let alarm = Alarm(on: reactor)
            nonisolated(unsafe) let shared = alarm
            reactor.spawn { reactor in
                await reactor.sleep(for: .milliseconds(20))
                shared.ring()
            }
            return await alarm.wait()
        }
        #expect(rang)
    }

    @Test("A ring in the turn in which the time is up is not lost")
    func ringInTime() throws {
        let loop = try Loop(counters: Counters(), limits: TunnelLimits())
        let slot = loop.openAlarm()
        loop.setDeadline(slot, after: 1)
        usleep(40_000)
        loop.wake(slot)
        _ = loop.poll(mayBlock: false)
        loop.deliver()
        #expect(loop.slots[slot].pointee.flags.isSuperset(of: [.readable, .expired]))
    }

    @Test("Work from many threads is all done, on the reactor's thread")
    func spawning() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let done = Mutex(0)
        let threads = (0..<8).map { _ in
            background {
                for _ in 0..<500 {
                    reactor.spawn { reactor in
                        reactor.preconditionIsolated()
                        await reactor.sleep(for: .zero)
                        reactor.preconditionIsolated()
                        done.withLock { $0 += 1 }
                    }
                }
            }
        }
        for thread in threads { try thread.get().get() }
        eventually("all of it is done") { done.withLock { $0 } == 4000 }
    }

    /// A wait that finds what it waits for does not suspend, so a client that always had something to say had the thread for
    /// itself: no timer, no event and no work of another thread came by. One on the admin socket ended the daemon so.
    @Test("What is always ready does not keep others from their turn", arguments: [false, true])
    func alwaysReady(isSecure: Bool) throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let ends = try Channel.pair()
        defer { close(ends.child) }
        _ = linux_send_packet(ends.child, "x", 1, nil, 0)
        let (isOver, hasBegun, hasSlept, isIn) = (Flag(), Flag(), Flag(), Flag())
        defer { isOver.set() }
        reactor.spawn { reactor in
            let descriptor = Descriptor(adopting: ends.parent)
            if isSecure {
                let socket = Socket(adopting: descriptor, on: reactor)
                socket.secure(with: Chatter())
                hasBegun.set()
                while !isOver.isSet { _ = try? await socket.read(into: reactor.loop.scratch) }
            } else {
                let source = Source(adopting: descriptor, on: reactor)
                try? await source.readable()
                hasBegun.set()
                while !isOver.isSet { try? await source.readable() }
            }
        }
        reactor.spawn { reactor in
            await reactor.sleep(for: .milliseconds(20))
            hasSlept.set()
        }
        eventually("it is under way") { hasBegun.isSet }
        reactor.spawn { _ in isIn.set() }
        eventually("a timer and work from outside come by", within: 5) { hasSlept.isSet && isIn.isSet }
    }

    /// Has always something to read.
    private final class Chatter: SecureLayer {
        let kernelSends = false
        func shakeHands() -> SecureStep { SecureStep(0) }
        func read(into buffer: UnsafeMutableRawBufferPointer) -> SecureStep { SecureStep(1) }
        func write(_ bytes: UnsafeRawBufferPointer) -> SecureStep { SecureStep(bytes.count) }
        func sendClose() -> SecureStep { SecureStep(0) }
    }
}
