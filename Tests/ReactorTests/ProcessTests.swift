import Address
import CLinux
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Reactor

@Suite("Threads, signals and shared counters")
struct ProcessTests {
    @Test("Work is done off the reactor, and what does not fit is refused")
    func workers() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let workers = Workers(count: 1, capacity: 2)
        let isHeld = DispatchSemaphore(value: 0)
        let hold = DispatchSemaphore(value: 0)
        let results = Mutex<[Int]>([])
        let refusals = Mutex(0)
        let submit = { (number: Int) in
            reactor.spawn { reactor in
                do throws(Errno) {
                    let result = try await workers.run { () -> Int in
                        if number == 0 {
                            isHeld.signal()
                            hold.wait()
                        }
                        return reactor.executor.isCurrent ? -1 : number
                    }
                    reactor.preconditionIsolated()
                    results.withLock { $0.append(result) }
                } catch {
                    #expect(error == .wouldBlock)
                    refusals.withLock { $0 += 1 }
                }
            }
        }
        submit(0)
        isHeld.wait()
        for number in 1...5 { submit(number) }
        eventually("three are refused") { refusals.withLock { $0 } == 3 }
        hold.signal()
        eventually("the rest is done") { results.withLock { $0 } == [0, 1, 2] }
        submit(6)
        eventually("there is room again") { results.withLock { $0 }.last == 6 }
    }

    @Test("Counters are the same in every mapping of their memory")
    func counters() throws {
        let here = try Counters()
        let there = try Counters(memory: here.memory.duplicate())
        here[3].pointee.sessions.add(2, ordering: .relaxed)
        here[3].pointee.active.add(1, ordering: .relaxed)
        there[3].pointee.sent.add(100, ordering: .relaxed)
        there[255].pointee.received.add(7, ordering: .relaxed)
        #expect(there.read(3) == Counters.Reading(sessions: 2, active: 1, sent: 100, received: 0))
        #expect(here.read(255).received == 7)
        there.reset(3, activeOnly: true)
        #expect(here.read(3) == Counters.Reading(sessions: 2, active: 0, sent: 100, received: 0))
        there.reset(3)
        #expect(here.read(3) == Counters.Reading(sessions: 0, active: 0, sent: 0, received: 0))
    }

    @Test("Memory of another size is no page of counters, and no other process can make it one")
    func wrongSize() throws {
        #expect(throws: Errno(EINVAL)) { try Counters(memory: Descriptor(adopting: linux_shared_memory(100))) }
        let counters = try Counters()
        #expect(ftruncate(counters.memory.number, 0) == -1 && errno == EPERM)
    }

    @Test("A signal is something to read")
    func signals() async {
        await #expect(processExitsWith: .success) {
            let descriptor = try Signals.block([SIGUSR1, SIGTERM]).release()
            // To this thread: another one would die of it.
            raise(SIGTERM)
            let reactor = try Reactor(counters: Counters())
            reactor.spawn { reactor in
                let signals = Signals(adopting: Descriptor(adopting: descriptor), on: reactor)
                let first = try? await signals.next()
                raise(SIGUSR1)
                let second = try? await signals.next()
                exit(first == SIGTERM && second == SIGUSR1 ? 0 : 1)
            }
            reactor.run()
        }
    }

    @Test("A stopped reactor resets its tunnels, closes its sessions and lets its thread go")
    func stop() throws {
        let origin = try Origin()
        let relay = try Relay(to: origin.address)
        let client = try Peer(connectingTo: relay.address)
        let server = try origin.accept()
        try client.write("half a")
        #expect(try server.text(6) == "half a")
        relay.reactors[0].stop()
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        #expect(throws: Errno(ECONNRESET)) { try server.read() }
        eventually("nothing is left") { relay.reactors[0].load == 0 }
    }

    @Test("A client that arrives at a reactor which has stopped is closed")
    func lateArrival() throws {
        let origin = try Origin()
        let relay = try Relay(to: origin.address, reactors: 2)
        let first = (try Peer(connectingTo: relay.address), try origin.accept())
        // Whichever accepted it keeps it, and the second goes to the other one.
        let other = relay.reactors[0].load == 1 ? 1 : 0
        let second = (try Peer(connectingTo: relay.address), try origin.accept())
        relay.reactors[other].stop()
        #expect(throws: Errno(ECONNRESET)) { try second.0.read() }
        // The one without load is the one that has stopped; its peer hears of the end before the load does.
        eventually("the stopped reactor has no load") { relay.reactors[other].load == 0 }
        let late = try Peer(connectingTo: relay.address)
        #expect(try late.read() == [])
        try first.0.write("still here")
        #expect(try first.1.text(10) == "still here")
    }

    @Test("A closed acceptor gives its port back, and its sessions go on")
    func close() throws {
        let (client, origin, relay) = try Relay.joined(TunnelLimits())
        relay.acceptor.close()
        eventually("connects are refused") {
            do {
                _ = try Peer(connectingTo: relay.address)
                return false
            } catch {
                return error as? Errno == Errno(ECONNREFUSED)
            }
        }
        try client.write("still here")
        #expect(try origin.text(10) == "still here")
        _ = try ListeningSocket.tcp(relay.address).number
    }

    @Test("What is handed to a reactor that has ended is let go of, and counts nowhere")
    func ended() throws {
        let reactor = try Reactor(counters: Counters())
        let thread = background { reactor.run() }
        reactor.stop()
        try thread.get().get()
        weak var kept: Flag?
        do {
            let flag = Flag()
            kept = flag
            reactor.spawn { _ in flag.set() }
        }
        #expect(kept == nil)
        let acceptor = Acceptor(
            listener: try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0)), account: 0, reactors: [reactor],
            onPause: { _ in }, session: { _, _ in })
        #expect(DescriptorBudget.shared.reserveSession())
        let descriptor = linux_socket(AF_INET, Int32(SOCK_STREAM.rawValue))
        let arrival = Arrival(descriptor: descriptor, peer: .v4(0x7f00_0001, port: 1), acceptor: acceptor)
        reactor.executor.deliver(arrival, to: reactor)
        #expect(reactor.load == 0)
    }
}
