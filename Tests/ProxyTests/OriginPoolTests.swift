import Address
import Foundation
import Glibc
import Reactor
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1))) struct OriginPoolTests {
    /// Of a request that could be repeated the kernel was not asked: what an origin said in the very turn in which the
    /// connection was taken again passed for the answer.
    @Test(arguments: [(false, true), (true, false)])
    func `31 A connection on which the origin says something at the last moment is not used again`(
        _ speaks: Bool, _ isUsed: Bool
    ) async throws {
        let reactor = try Reactor(counters: Counters())
        Thread.detachNewThread { reactor.run() }
        defer { reactor.stop() }
        let origin = try Origin()
        let near = try await Peer.connect(to: origin.port)
        let (server, _) = try await origin.accept()
        let address = Endpoint.v4(loopback, port: origin.port)
        let wasUsed = await withCheckedContinuation { continuation in
            // One turn: nothing that comes meanwhile is announced before its end.
            reactor.spawn { reactor in
                let descriptor = Descriptor(adopting: dup(near.descriptor))
                _ = fcntl(descriptor.number, F_SETFL, O_NONBLOCK)
                let pool = OriginPool(life: .seconds(10))
                pool.keep(Connection(origin: Socket(adopting: descriptor, on: reactor), at: address), isLoggedIn: false)
                if speaks {
                    send(server.descriptor, "x", 1, Int32(MSG_NOSIGNAL))
                    var arrival = pollfd(fd: near.descriptor, events: Int16(POLLIN), revents: 0)
                    poll(&arrival, 1, 10_000)
                }
                continuation.resume(returning: pool.borrow(to: [address], isRepeatable: true) != nil)
            }
        }
        #expect(wasUsed == isUsed)
    }
}
