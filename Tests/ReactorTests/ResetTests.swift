import CLinux
import Foundation
import Glibc
import Testing

@testable import Reactor

/// CORRECTNESS 2: a stream that was cut must not look whole. Each runs copied and spliced.
@Suite("A reset")
struct ResetTests {
    @Test("2: a client's RST reaches the origin as one", arguments: Mode.allCases)
    func fromClient(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        try client.write("half a")
        #expect(try origin.text(6) == "half a")
        client.reset()
        #expect(throws: Errno(ECONNRESET)) { try origin.read() }
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: an origin's RST reaches the client as one", arguments: Mode.allCases)
    func fromOrigin(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        try origin.write("half a")
        #expect(try client.text(6) == "half a")
        origin.reset()
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: all that a client sent before its RST arrives, then the RST", arguments: Mode.allCases)
    func behindDataFromClient(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits, originBuffer: 4096)
        try checkThatAllArrives(from: client, to: origin)
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: all that an origin sent before its RST arrives, then the RST", arguments: Mode.allCases)
    func behindDataFromOrigin(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits, clientBuffer: 4096)
        try checkThatAllArrives(from: origin, to: client)
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    /// Sends until nothing more goes, so that the relay's every buffer is full: the socket it reads from, the pipe or the
    /// copy, the socket it writes to. Then a RST. What the sender's kernel knows to be taken has to come out in the end.
    private func checkThatAllArrives(from source: Peer, to sink: Peer) throws {
        let written = try source.fill(seed: 6)
        let acknowledged = written.count - Int(linux_unsent(source.descriptor))
        try #require(acknowledged > 100_000)
        source.reset()
        let received = sink.readToEnd { count in
            if count % 64 == 0 { usleep(200) }
        }
        #expect(received.count >= acknowledged)
        #expect(received == .reset(after: Array(written[..<received.count])))
    }

    /// A relay learns of such a RST by writing, while the answer is still in its receive queue. At first it was lost there.
    @Test("2: an answer before a RST arrives, though the relay was writing when it came", arguments: Mode.allCases)
    func whileWriting(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits, clientBuffer: 4096, originBuffer: 4096)
        _ = try client.fill(seed: 7)
        let answer = noise(60_001, seed: 8)
        let written = try origin.fill(answer)
        eventually("the relay's kernel has half of it") { linux_unsent(origin.descriptor) < 30_000 }
        let acknowledged = written - Int(linux_unsent(origin.descriptor))
        // Closed with unread data: a RST (RFC 9293 §3.6).
        origin.reset()
        let received = client.readToEnd { _ in usleep(200) }
        #expect(received.count >= acknowledged && acknowledged > 30_000)
        #expect(received == .reset(after: Array(answer[..<received.count])))
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: a client's RST after its FIN reaches the origin", arguments: Mode.allCases)
    func afterFin(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        client.finish()
        #expect(try origin.read() == [])
        client.reset()
        // tcp_reset(): after a FIN the error is EPIPE.
        eventually("the origin is reset") { linux_socket_error(origin.descriptor) == EPIPE }
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: an origin's RST after its FIN reaches the client", arguments: Mode.allCases)
    func originAfterFin(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        origin.finish()
        #expect(try client.read() == [])
        origin.reset()
        eventually("the client is reset") { linux_socket_error(client.descriptor) == EPIPE }
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("2: a reset waits no longer than it may for an end that takes nothing", arguments: Mode.allCases)
    func deadReader(mode: Mode) throws {
        var limits = mode.limits
        limits.resetDrain = .milliseconds(300)
        let (client, origin, relay) = try Relay.joined(limits, clientBuffer: 4096)
        _ = try origin.fill(seed: 9)
        let start = monotonicMilliseconds()
        origin.reset()
        eventually("the session is over") { relay.reactors[0].load == 0 }
        #expect(monotonicMilliseconds() - start >= 300)
        #expect(client.readToEnd().errno == Errno(ECONNRESET))
    }

    @Test("2: when both ends are reset nothing is left", arguments: Mode.allCases)
    func both(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits, clientBuffer: 4096, originBuffer: 4096)
        _ = try client.fill(seed: 10)
        _ = try origin.fill(seed: 11)
        client.reset()
        origin.reset()
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }
}
