import Address
import CLinux
import Foundation
import Glibc
import TestProcess
import Testing

@testable import Reactor

@Suite("Dialing")
struct DialTests {
    /// What a dial came to: the address that answered, or the error; and how long it took.
    struct Result: Sendable {
        var address: Endpoint?
        var errno: Errno?
        var failed: Endpoint?
        var milliseconds: UInt64
    }

    /// - Parameter late: addresses that become known after that while.
    private func dial(
        _ addresses: [Endpoint], late: (Duration, [Endpoint])? = nil, timeout: Duration = .seconds(5)
    ) throws -> Result {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        return try on(reactor) { reactor in
            let start = monotonicMilliseconds()
            var result = Result(milliseconds: 0)
            let followers = late.map { _ in Dial.Late() }
            if let late, let followers {
                reactor.begin {
                    await reactor.sleep(for: late.0)
                    followers.end(with: late.1)
                }
            }
            do throws(Dial.Failure) {
                let connection = try await Dial.connect(
                    to: addresses, followedBy: followers, timeout: timeout, on: reactor)
                result.address = connection.peer
            } catch {
                result.errno = error.errno
                result.failed = error.address
            }
            result.milliseconds = monotonicMilliseconds() - start
            return result
        }
    }

    @Test(
        "One address that answers is connected to",
        arguments: [.v4(0x7f00_0001, port: 0), .v6(1, port: 0)] as [Endpoint])
    func one(address: Endpoint) throws {
        let origin = try Origin(address)
        #expect(try dial([origin.address]).address == origin.address)
        #expect(try origin.accept().read() == [])
    }

    @Test("35: addresses that become known late are dialled, whether the first is silent or refuses")
    func late() throws {
        let hole = try BlackHole()
        let origin = try Origin()
        for first in [hole.address, try unusedAddress()] {
            let result = try dial([first], late: (.milliseconds(100), [origin.address]))
            #expect(result.address == origin.address && result.milliseconds >= 90)
        }
        // One that is there at once is not kept waiting, and neither is the news that there is none.
        #expect(try dial([origin.address], late: (.seconds(30), [])).address == origin.address)
        let nobody = try unusedAddress()
        for wait in [Duration.milliseconds(50), .seconds(30)] {
            let result = try dial([nobody], late: (wait, []))
            #expect(result.errno == Errno(ECONNREFUSED) && result.milliseconds < 3000)
        }
    }

    @Test("A refusal is told with its address")
    func refused() throws {
        let nobody = try unusedAddress()
        let result = try dial([nobody])
        #expect(result.errno == Errno(ECONNREFUSED) && result.failed == nobody)
    }

    @Test("An address without a route fails with the kernel's reason")
    func unreachable() throws {
        // tcp_v4_connect() refuses a broadcast address itself; nothing is sent.
        #expect(try dial([.v4(0xffff_ffff, port: 80)]).errno == Errno(ENETUNREACH))
    }

    @Test("An address that does not answer fails when the time is up, and not before")
    func timeout() throws {
        let hole = try BlackHole()
        let result = try dial([hole.address], timeout: .milliseconds(300))
        #expect(result.errno == .timedOut && result.failed == hole.address)
        #expect(result.milliseconds >= 300 && result.milliseconds < 2000)
    }

    @Test("35: a first address that does not answer costs 250 ms")
    func staggered() throws {
        let hole = try BlackHole()
        let origin = try Origin()
        let best = try measure(atMost: 5, until: { $0 < 1000 }) {
            let result = try dial([hole.address, origin.address])
            #expect(result.address == origin.address)
            #expect(result.milliseconds >= 250)
            eventually("the attempt that lost is given up") { try! connecting(to: hole.address) == 0 }
            return result.milliseconds
        }
        #expect(best < 1000)
    }

    @Test("35: a first address that refuses costs nothing")
    func refusedFirst() throws {
        let origin = try Origin()
        let best = try measure(atMost: 5, until: { $0 < 200 }) {
            let result = try dial([try unusedAddress(), .v4(0x7f00_0001, port: 1), origin.address])
            #expect(result.address == origin.address)
            return result.milliseconds
        }
        #expect(best < 200)
    }

    /// At first a failure started the next attempt only when no other one was under way.
    @Test("35: a refusal beside an attempt that hangs starts the next one at once")
    func refusedBeside() throws {
        let hole = try BlackHole()
        let origin = try Origin()
        let best = try measure(atMost: 5, until: { $0 < 450 }) {
            let result = try dial([hole.address, try unusedAddress(), origin.address])
            #expect(result.address == origin.address)
            #expect(result.milliseconds >= 250)
            return result.milliseconds
        }
        #expect(best < 450)
    }

    @Test("When all refuse the last error is told")
    func allRefused() throws {
        let addresses = try (0..<3).map { _ in try unusedAddress() }
        let result = try dial(addresses)
        #expect(result.errno == Errno(ECONNREFUSED) && result.failed == addresses[2])
    }

    @Test("When none answers the time is up as for one, and every attempt is given up")
    func noneAnswers() throws {
        let holes = try (0..<3).map { _ in try BlackHole() }
        let result = try dial(holes.map(\.address), timeout: .milliseconds(700))
        #expect(result.errno == .timedOut)
        #expect(result.milliseconds >= 700 && result.milliseconds < 2500)
        for hole in holes { eventually("the attempt is given up") { try! connecting(to: hole.address) == 0 } }
    }

    @Test("The slow one may still win while a later one hangs")
    func slowWinner() throws {
        let hole = try BlackHole()
        let other = try BlackHole()
        // Room is made after both attempts have begun, before the first one's SYN is sent again.
        let room = background {
            eventually("both attempts are under way") { try! connecting(to: other.address) == 1 }
            hole.makeRoom()
        }
        let result = try dial([hole.address, other.address], timeout: .seconds(10))
        try room.get().get()
        #expect(result.address == hole.address)
    }

    /// It took two descriptors for up to ten seconds, and ending a session took as long.
    @Test(
        "A connect is given up at once when its client is lost, or its session ended", arguments: [1, 2], [false, true])
    func abandoned(addresses: Int, isEnded: Bool) throws {
        let holes = try (0..<addresses).map { _ in try BlackHole() }
        let seen = Outcome<Errno?>()
        let relay = try Attended { reactor, client, relay in
            relay.begin(client.socket)
            do throws(Dial.Failure) {
                _ = try await Dial.connect(
                    to: holes.map(\.address), timeout: .seconds(30), for: client, on: reactor)
                seen.set(nil)
            } catch {
                seen.set(error.errno)
            }
        }
        let client = try Peer(connectingTo: relay.address)
        try client.write("x")
        eventually("the attempt is under way") { try! connecting(to: holes[0].address) == 1 }
        if isEnded { try on(relay.reactor) { relay.end($0) } } else { client.reset() }
        #expect(try seen.get() == .canceled)
        for hole in holes { eventually("the attempt is given up") { try! connecting(to: hole.address) == 0 } }
    }

    /// Each attempt was taken for the one that its session had paid for, so that races took what was kept for other things.
    @Test("35: a race begins another attempt only with a descriptor to spare, and the winner is the session's own")
    func racersPay() async {
        await #expect(processExitsWith: .success) {
            let budget = DescriptorBudget.shared
            let (hole, origin) = (try BlackHole(), try Origin())
            while budget.hasRoom { budget.reserve(1) }
            let tests = DialTests()
            let alone = try tests.dial([hole.address, origin.address], timeout: .milliseconds(600))
            #expect(alone.errno == .timedOut && alone.failed == hole.address)
            // The next one's turn comes all the same when the first has failed.
            #expect(try tests.dial([tests.unusedAddress(), origin.address]).address == origin.address)
            budget.release(1)
            #expect(try tests.dial([hole.address, origin.address]).address == origin.address)
            #expect(budget.hasRoom)
            budget.reserve(1)
            #expect(!budget.hasRoom)
        }
    }

    /// Both had bound the same port before either listened, and the second to listen was told that it was taken. Later: one
    /// asked for the first port while the other listened there, and for the second when the other had moved on to it. BIND was
    /// refused though at every moment one of two ports was free.
    @Test("As many listen for one connection as there are ports, however their calls mix")
    func rendezvous() throws {
        // At an address of its own: another program's connection may have one of the two ports anywhere else.
        let base = try unusedAddress().port & ~1
        let rounds = (0..<2).map { _ in
            background { () throws -> Int in
                var refused = 0
                for _ in 0..<5000 {
                    do { _ = try Rendezvous(at: .v4(0x7f4d_0101, port: 0), ports: base...base + 1).address } catch {
                        refused += 1
                    }
                }
                return refused
            }
        }
        for round in rounds { #expect(try round.get().get() == 0) }
    }
    /// An address where connects are neither accepted nor refused: a listening socket whose queue is full.
    private final class BlackHole: Sendable {
        let origin: Origin
        private let fillers: [Int32]
        var address: Endpoint { origin.address }

        init() throws {
            origin = try Origin()
            listen(origin.descriptor, 0)
            var fillers: [Int32] = []
            let (storage, length) = origin.address.socketAddress
            while true {
                let filler = linux_socket(AF_INET, Int32(SOCK_STREAM.rawValue))
                _ = withUnsafePointer(to: storage) { linux_connect(filler, $0, length) }
                var waiting = pollfd(fd: filler, events: Int16(POLLOUT), revents: 0)
                // The first that hangs shows that the queue is full, and is given up.
                guard poll(&waiting, 1, 150) == 1 else {
                    _ = linux_close(filler)
                    break
                }
                fillers.append(filler)
            }
            self.fillers = fillers
            eventually("no attempt of its own is left") { try! connecting(to: origin.address) == 0 }
        }

        func makeRoom() {
            listen(origin.descriptor, 16)
        }

        deinit {
            for filler in fillers { _ = linux_close(filler) }
        }
    }

    /// A port on which nobody listens.
    private func unusedAddress() throws -> Endpoint {
        try Origin().address
    }
}

/// How many sockets of this network namespace are in SYN_SENT towards `address` (proc_net_tcp: state 02).
func connecting(to address: Endpoint) throws -> Int {
    try sockets(inState: "02") { $0.remotePort == address.port }
}

/// How many IPv4 sockets of this network namespace are in a state and match.
func sockets(
    inState state: String, where matches: ((localPort: UInt16, remotePort: UInt16)) -> Bool
) throws -> Int {
    let file = try #require(FileHandle(forReadingAtPath: "/proc/self/net/tcp"))
    let table = String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
    // At least the listener of whoever asks.
    try #require(table.contains(" 0A "))
    return table.split(separator: "\n").dropFirst().count { line in
        let fields = line.split(separator: " ")
        let port = { (field: Substring) in UInt16(field.split(separator: ":")[1], radix: 16)! }
        return fields[3] == state && matches((port(fields[1]), port(fields[2])))
    }
}
