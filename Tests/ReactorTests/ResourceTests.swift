import Address
import CLinux
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// CORRECTNESS 5 and 7. Each in a process of its own, whose descriptors nobody else opens.
@Suite("Descriptors and pipes")
struct ResourceTests {
    @Test(
        "5: after two thousand sessions that end in every way no descriptor and no CLOSE_WAIT is left",
        arguments: Mode.allCases)
    func leaks(mode: Mode) async {
        await #expect(processExitsWith: .success) { [mode] in
            let listener = try Origin()
            let relay = try Relay(to: listener.address, limits: mode.limits, reactors: 2)
            let idle = { relay.reactors.allSatisfy { $0.load == 0 } }
            let block = noise(150_000, seed: 40)
            func session(_ kind: Int) throws {
                let client = try Peer(connectingTo: relay.address)
                let origin = try listener.accept()
                switch kind % 8 {
                case 0: break
                case 1: client.finish()
                case 2: origin.finish()
                case 3: client.reset()
                case 4: origin.reset()
                case 5:
                    _ = try client.fill(block)
                    origin.reset()
                case 6:
                    let sent = background { try origin.write(block) }
                    #expect(try client.read(exactly: block.count).count == block.count)
                    try sent.get().get()
                default:
                    try client.write("x")
                    client.finish()
                    #expect(origin.readToEnd().count == 1)
                }
            }
            for kind in 0..<16 { try session(kind) }
            eventually("the first sessions are over", condition: idle)
            let before = openDescriptors()
            for kind in 0..<2000 { try session(kind) }
            eventually("all sessions are over", condition: idle)
            let ports = [relay.address.port, listener.address.port]
            // A session's client is closed first, which ends the load, and then its origin.
            try eventually("no CLOSE_WAIT is left") {
                try sockets(inState: "08") { ports.contains($0.localPort) || ports.contains($0.remotePort) } == 0
            }
            // The pools may have got a pipe or two since.
            eventually("no descriptor is left") { openDescriptors() <= before + 8 }
        }
    }

    @Test("Sessions that are given up while they dial leave nothing")
    func givenUp() async {
        await #expect(processExitsWith: .success) {
            let listener = try Origin()
            let relay = try Relay(to: listener.address)
            let before = openSockets()
            for _ in 0..<300 { try Peer(connectingTo: relay.address).reset() }
            eventually("all sessions are over") { relay.reactors[0].load == 0 }
            let nobody = try Origin().address
            let other = try Relay(to: nobody)
            // The reset may come before connect(2) has returned, which then reports it.
            for _ in 0..<300 { _ = try? Peer(connectingTo: other.address).readToEnd() }
            eventually("all sessions are over") { other.reactors[0].load == 0 }
            // The second relay has a listener. Sockets are counted alone: libdispatch makes its epoll, eventfd and timerfd when
            // it likes.
            eventually("no socket is left") { openSockets() - 1 <= before }
        }
    }

    @Test("7: without descriptors accepting pauses and resumes, says so once, and tunnels live on")
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            let listener = try Origin()
            let pauses = Mutex<[Errno?]>([])
            let relay = try Relay(to: listener.address) { errno in pauses.withLock { $0.append(errno) } }
            let first = try Peer(connectingTo: relay.address)
            let firstOrigin = try listener.accept()
            // What needs a descriptor of this process is made before there is none.
            let waiting = (0..<40).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let usual = limit.rlim_cur
            limit.rlim_cur = rlim_t(openDescriptors() + 9)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let (storage, length) = relay.address.socketAddress
            for client in waiting {
                guard withUnsafePointer(to: storage, { linux_connect(client, $0, length) }) == 0 else {
                    fatalError("refused for want of descriptors: \(Errno(errno))")
                }
            }
            eventually("accepting pauses") { pauses.withLock { !$0.isEmpty } }
            for _ in 0..<20 {
                try first.write("still here")
                #expect(try firstOrigin.text(10) == "still here")
                usleep(10_000)
            }
            limit.rlim_cur = usual
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            eventually("accepting has resumed") { relay.counters.read(0).sessions == 41 }
            #expect(pauses.withLock { $0 } == [Errno(EMFILE)])
        }
    }

    /// At the end of a daemon each listener was reported as one on which the kernel refuses to accept.
    @Test("a socket that another process has shut is the end of accepting there, and no pause")
    func shut() throws {
        let socket = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
        let address = try ListeningSocket.address(of: socket)
        let copy = try socket.duplicate()
        let reactor = try Reactor(index: 0, counters: Counters(), limits: TunnelLimits())
        reactor.start()
        defer { reactor.stop() }
        let pauses = Mutex<[Errno?]>([])
        let clients = Mutex(0)
        let acceptor = Acceptor(
            listener: socket, account: 0, reactors: [reactor],
            onPause: { errno in pauses.withLock { $0.append(errno) } }
        ) { _, _ in clients.withLock { $0 += 1 } }
        _ = try Peer(connectingTo: address)
        eventually("a client is accepted") { clients.withLock { $0 } == 1 }
        shutdown(copy.number, Int32(SHUT_RDWR))
        #expect(throws: (any Error).self) { try Peer(connectingTo: address) }
        // The reactor has come to the event by then, and would have to every 50 ms.
        for _ in 0..<8 { try on(reactor) { await $0.sleep(for: .milliseconds(16)) } }
        #expect(pauses.withLock { $0 } == [])
        acceptor.close()
    }

    @Test("7: accepting pauses before the limit, so that every session that was accepted can dial")
    func budget() async {
        await #expect(processExitsWith: .success) {
            let budget = DescriptorBudget.shared
            while budget.reserveSession() {}
            // Room for ten sessions, whatever the order of accepts and dials, and for the listener of each reactor.
            budget.release(22)
            let listener = try Origin()
            let pauses = Mutex<[Errno?]>([])
            let relay = try Relay(to: listener.address, reactors: 2) { errno in pauses.withLock { $0.append(errno) } }
            var clients = try (0..<25).map { _ in try Peer(connectingTo: relay.address) }
            var origins = try (0..<10).map { _ in try listener.accept() }
            eventually("accepting pauses") { pauses.withLock { $0 == [nil] } }
            #expect(relay.counters.read(0).sessions == 10)
            clients.removeFirst(10)
            origins.removeAll()
            eventually("the first ten are over") { relay.counters.read(0).sessions == 20 }
            origins = try (0..<10).map { _ in try listener.accept() }
            clients.removeAll()
            origins.removeAll()
            origins = try (0..<5).map { _ in try listener.accept() }
            origins.removeAll()
            eventually("all sessions are over") { relay.reactors.allSatisfy { $0.load == 0 } }
            #expect(relay.counters.read(0).sessions == 25)
            #expect(pauses.withLock { $0 } == [nil])
            // What they took they have given back.
            eventually("the room is as it was") {
                budget.reserve(18)
                let hasRoom = budget.reserveSession()
                budget.release(hasRoom ? 20 : 18)
                return hasRoom
            }
        }
    }

    /// Ten thousand clients that say a byte a minute would take every descriptor until their deadline.
    @Test("7: when descriptors run out, clients that ask for nothing are ended, and whoever asks is served at once")
    func expendable() async {
        await #expect(processExitsWith: .success) {
            let budget = DescriptorBudget.shared
            while budget.reserveSession() {}
            budget.release(20)
            let pauses = Mutex<[Errno?]>([])
            let counters = try Counters()
            let reactors = try (0..<2).map { try Reactor(index: $0, counters: counters) }
            for reactor in reactors { reactor.start() }
            let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
            let address = try ListeningSocket.address(of: listener)
            let acceptor = Acceptor(
                listener: listener, account: 0, reactors: reactors,
                onPause: { errno in pauses.withLock { $0.append(errno) } },
                session: { _, client in
                    client.socket.setExpendableDeadline(after: .seconds(60))
                    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 1)
                    defer { buffer.deallocate() }
                    while let count = try? await client.socket.read(into: buffer), count > 0 {
                        client.socket.clearDeadline()
                        try? await client.socket.write(Array(buffer[..<count]))
                    }
                })
            let busy = try Peer(connectingTo: address)
            try busy.write("first")
            #expect(try busy.text(5) == "first")
            let silent = try (0..<9).map { _ in try Peer(connectingTo: address) }
            eventually("there is no room any more") {
                let hasRoom = budget.reserveSession()
                if hasRoom { budget.release(2) }
                return !hasRoom
            }
            var newcomers: [Peer] = []
            let waits = try (0..<5).map { _ in
                let began = ContinuousClock.now
                newcomers.append(try Peer(connectingTo: address))
                try newcomers.last!.write("ask")
                #expect(try newcomers.last!.text(3) == "ask")
                return ContinuousClock.now - began
            }
            // The first one may have to wait until the silent ones have had their time.
            #expect(waits.dropFirst().min()! < .seconds(1) && waits.max()! < .seconds(20), "\(waits)")
            #expect(silent.contains { $0.isReset })
            #expect(counters.read(0).active <= 10)
            try busy.write("still here")
            #expect(try busy.text(10) == "still here")
            #expect(pauses.withLock { $0 } == [nil])
            acceptor.close()
        }
    }

    /// Each listener on each reactor that met the end ended a share for itself, again and again.
    @Test("7: however many listeners find no descriptor left, no more clients are ended than wait")
    func relief() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 1024, rlim_max: 1024)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let budget = DescriptorBudget.shared
            let counters = try Counters()
            let reactor = try Reactor(counters: counters)
            reactor.start()
            var doors: [(acceptor: Acceptor, address: Endpoint)] = []
            for _ in 0..<4 {
                let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
                let address = try ListeningSocket.address(of: listener)
                let acceptor = Acceptor(
                    listener: listener, account: 0, reactors: [reactor], onPause: { _ in },
                    session: Self.answering)
                doors.append((acceptor, address))
            }
            let silent = try (0..<100).map { _ in try Peer(connectingTo: doors[0].address) }
            eventually("all are accepted") { counters.read(0).active == 100 }
            // A newcomer is spared for half a second.
            try on(reactor) { await $0.sleep(for: .milliseconds(600)) }
            while budget.hasRoom { budget.reserve(1) }
            let hold = DispatchSemaphore(value: 0)
            reactor.spawn { _ in block(on: hold) }
            let newcomers = try doors.map { try Peer(connectingTo: $0.address) }
            hold.signal()
            for newcomer in newcomers {
                try newcomer.write("x")
                #expect(try newcomer.read() == [1])
            }
            // A listener may ask for one more while another's is on its way.
            #expect(counters.read(0).active >= 99)
            withExtendedLifetime((silent, doors)) {}
        }
    }

    /// A client that is served, and may be ended all the while.
    private static let answering: SessionBody = { reactor, client in
        client.socket.setExpendableDeadline(after: .seconds(60))
        while let count = try? await client.socket.read(into: reactor.loop.scratch), count > 0 {
            try? await client.socket.write([1])
        }
    }

    @Test("7: what stands in the way of accepting and is no want of descriptors ends nobody")
    func refusal() async {
        await #expect(processExitsWith: .success) {
            let listener = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))
            let address = try ListeningSocket.address(of: listener)
            let reactor = try Reactor(counters: Counters())
            reactor.start()
            let acceptor = Acceptor(
                listener: listener, account: 0, reactors: [reactor], onPause: { _ in },
                session: Self.answering)
            let client = try Peer(connectingTo: address)
            try client.write("x")
            #expect(try client.read() == [1])
            try on(reactor) { await $0.sleep(for: .milliseconds(600)) }
            let pauses = Mutex<[Errno?]>([])
            // There is something to be read, and nobody to accept.
            var pipe: [CInt] = [0, 0]
            guard Glibc.pipe(&pipe) == 0, Glibc.write(pipe[1], "x", 1) == 1 else { throw Errno(errno) }
            let deaf = Acceptor(
                listener: Descriptor(adopting: pipe[0]), account: 0,
                reactors: [reactor], onPause: { errno in pauses.withLock { $0.append(errno) } },
                session: { _, _ in })
            eventually("accepting pauses") { pauses.withLock { $0 == [Errno(ENOTSOCK)] } }
            try client.write("x")
            #expect(try client.read() == [1])
            withExtendedLifetime((acceptor, deaf)) {}
        }
    }

    @Test(
        "7: when the kernel gives no pipe of use, tunnels copy",
        .enabled(if: getuid() == 0, "needs root: to become a user who has used up his pipes"))
    func noPipes() async {
        await #expect(processExitsWith: .success) {
            // A user whom no other run of the tests has used up.
            let user = uid_t(20_000 + getpid() % 40_000)
            try checked(linux_become(user, user, 0))
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            // pipe(7): 16 384 pages a user, then a pipe has two, and cannot be made larger.
            var taken = 0
            var size: Int32 = 1 << 20
            while size >= 64 << 10, taken < 4000 {
                var ends: (Int32, Int32) = (-1, -1)
                size = withUnsafeMutableBytes(of: &ends) {
                    linux_pipe($0.bindMemory(to: Int32.self).baseAddress, 1 << 20)
                }
                taken += 1
            }
            try #require(size > 0 && size < 64 << 10, "after \(taken) pipes one still has \(size) bytes")
            var pool = PipePool()
            let before = openDescriptors()
            let useless = [pool.borrow(), pool.borrow()]
            #expect(useless == [PipePool.none, PipePool.none])
            #expect(openDescriptors() == before)
            let (client, origin, _) = try Relay.joined(TunnelLimits())
            let bytes = noise(3_000_000, seed: 41)
            let received = background { client.readToEnd() }
            try origin.write(bytes)
            origin.finish()
            #expect(try received.get().get() == .whole(bytes))
        }
    }

    @Test("A pipe with bytes in it is emptied before it serves another tunnel")
    func dirtyPipes() throws {
        var pool = PipePool()
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { scratch.deallocate() }
        let pipe = pool.borrow()
        #expect(linux_write(pool[pipe].writing, [UInt8](repeating: 1, count: 50_000), 50_000) == 50_000)
        pool.giveBackDirty(pipe, scratch: scratch)
        #expect(pool.borrow() == pipe)
        #expect(linux_read(pool[pipe].reading, scratch.baseAddress, 1) == -Int(EAGAIN))
        #expect(pool.borrow() != pipe)
    }
}

/// How many descriptors this process has open.
func openDescriptors() -> Int {
    // One is the directory itself.
    (try! FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) - 1
}

func openSockets() -> Int {
    let directory = "/proc/self/fd/"
    return try! FileManager.default.contentsOfDirectory(atPath: directory).count {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: directory + $0)
        return target?.hasPrefix("socket:") == true
    }
}

private func block(on semaphore: DispatchSemaphore) { semaphore.wait() }
