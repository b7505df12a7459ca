import CLinux
import Foundation
import Glibc
import TestProcess
import Testing

@testable import Reactor

/// CORRECTNESS 1, 4, 5 and 6. Each runs copied and spliced.
@Suite("A tunnel")
struct TunnelTests {
    @Test("1: after the client's FIN the origin goes on", arguments: Mode.allCases)
    func clientFinishes(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        try client.write("request")
        client.finish()
        #expect(origin.readToEnd() == .whole(Array("request".utf8)))
        try checkThatTheRestArrives(from: origin, to: client)
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("1: after the origin's FIN the client goes on", arguments: Mode.allCases)
    func originFinishes(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        try origin.write("greeting")
        origin.finish()
        #expect(client.readToEnd() == .whole(Array("greeting".utf8)))
        try checkThatTheRestArrives(from: client, to: origin)
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    private func checkThatTheRestArrives(from source: Peer, to sink: Peer) throws {
        let bytes = noise(6_000_001, seed: 3)
        let received = background { sink.readToEnd() }
        try source.write(bytes)
        source.finish()
        #expect(try received.get().get() == .whole(bytes))
    }

    @Test("4: all bytes reach a slow reader before the FIN", arguments: Mode.allCases)
    func slowReader(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits, clientBuffer: 16 << 10)
        let bytes = noise(9_000_001, seed: 4)
        let sent = background {
            try origin.write(bytes)
            origin.close()
        }
        let received = client.readToEnd { count in
            if count % 64 == 0 { usleep(500) }
        }
        try sent.get().get()
        client.close()
        #expect(received == .whole(bytes))
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("1: a tunnel whose origin has finished is reset when nothing moves", arguments: Mode.allCases)
    func ended(mode: Mode) throws {
        var limits = mode.limits
        limits.ended = .milliseconds(400)
        let (client, origin, relay) = try Relay.joined(limits)
        let start = monotonicMilliseconds()
        origin.finish()
        #expect(try client.read() == [])
        #expect(throws: Errno(ECONNRESET)) { try origin.read() }
        #expect(monotonicMilliseconds() - start >= 400)
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    @Test("1: a tunnel whose client has finished is reset when nothing moves", arguments: Mode.allCases)
    func linger(mode: Mode) throws {
        var limits = mode.limits
        limits.halfOpen = .milliseconds(400)
        let (client, origin, relay) = try Relay.joined(limits)
        try client.write("x")
        #expect(try origin.text(1) == "x")
        // At first deadlines counted from the turn before a long sleep, so this one had passed when it was set.
        usleep(600_000)
        let start = monotonicMilliseconds()
        client.finish()
        #expect(try origin.read() == [])
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        let elapsed = monotonicMilliseconds() - start
        #expect(elapsed >= 400 && elapsed < 5_000)
        eventually("the origin is reset") { linux_socket_error(origin.descriptor) == EPIPE }
        #expect(relay.reactors[0].load == 0)
    }

    @Test("5: a tunnel in which nothing moves is reset at both ends", arguments: Mode.allCases)
    func idle(mode: Mode) throws {
        var limits = mode.limits
        limits.idle = .milliseconds(300)
        let start = monotonicMilliseconds()
        let (client, origin, relay) = try Relay.joined(limits)
        #expect(throws: Errno(ECONNRESET)) { try client.read() }
        #expect(monotonicMilliseconds() - start >= 300)
        #expect(throws: Errno(ECONNRESET)) { try origin.read() }
        #expect(relay.reactors[0].load == 0)
    }

    @Test("5: a tunnel in which a byte moves now and then is not idle", arguments: Mode.allCases)
    func trickle(mode: Mode) throws {
        var limits = mode.limits
        limits.idle = .milliseconds(800)
        // Between two bytes are three steps at most.
        try keepingPace(.milliseconds(250)) { pace in
            let (client, origin, _) = try Relay.joined(limits)
            for _ in 0..<15 {
                pace.mark()
                try origin.write(".")
                guard try client.text(1) == "." else { throw Errno(ENODATA) }
                pace.mark()
                usleep(100_000)
            }
            pace.mark()
            try client.write("still here")
            guard try origin.text(10) == "still here" else { throw Errno(ENODATA) }
        }
    }

    /// The loop hears nothing of a reader that takes a little at a time: a socket announces room only when a third of its
    /// buffer is free. What the peer has not acknowledged shrinks all the while.
    @Test("5: a slow but live reader is not reaped while it takes what was sent", arguments: Mode.allCases)
    func slowButLive(mode: Mode) throws {
        var limits = mode.limits
        limits.idle = .seconds(1)
        // Four reads in a second: as much as the reader's kernel holds, so it takes more.
        try keepingPace(.milliseconds(250)) { pace in
            let (client, origin, _) = try Relay.joined(limits, clientBuffer: 4096)
            let stop = Flag()
            let sent = background {
                let block = noise(1 << 16, seed: 5)
                while !stop.isSet { try origin.write(block) }
            }
            defer {
                stop.set()
                client.close()
                _ = try? sent.get().get()
            }
            let end = monotonicMilliseconds() + 3000
            while monotonicMilliseconds() < end {
                guard try client.read(exactly: 2048).count == 2048 else { throw Errno(ENODATA) }
                pace.mark()
                usleep(40_000)
            }
        }
    }

    @Test("6: urgent data stays in the stream and does not stop it", arguments: Mode.allCases)
    func urgent(mode: Mode) throws {
        let (client, origin, relay) = try Relay.joined(mode.limits)
        let received = background { origin.readToEnd() }
        var all: [UInt8] = []
        for round in 0..<40 {
            let block = noise(round % 4 == 0 ? 300_000 : 7, seed: UInt64(round + 10))
            let mark = [UInt8(round)]
            try client.write(block)
            try client.write(mark, urgent: true)
            all += block + mark
        }
        client.finish()
        #expect(try received.get().get() == .whole(all))
        origin.close()
        eventually("the session is over") { relay.reactors[0].load == 0 }
    }

    /// splice(2) takes urgent data with a FIN behind it for the end.
    @Test("6: an urgent byte just before the FIN arrives as well", arguments: Mode.allCases)
    func urgentEnd(mode: Mode) throws {
        let block = noise(300_000, seed: 9)
        for _ in 0..<100 {
            let (client, origin, _) = try Relay.joined(mode.limits)
            let received = background { origin.readToEnd() }
            try client.write(block)
            try client.write([UInt8(ascii: "!")], urgent: true)
            try client.write("end")
            client.finish()
            let end = try received.get().get()
            #expect(end == .whole(block + Array("!end".utf8)))
        }
    }

    @Test("A quiet tunnel gets its turn beside floods", arguments: Mode.allCases)
    func fairness(mode: Mode) throws {
        let listener = try Origin()
        let relay = try Relay(to: listener.address, limits: mode.limits)
        let stop = Flag()
        var floods: [Outcome<Result<Void, any Error>>] = []
        for _ in 0..<4 {
            let client = try Peer(connectingTo: relay.address)
            let origin = try listener.accept()
            floods.append(
                background {
                    let block = [UInt8](repeating: 1, count: 1 << 20)
                    while !stop.isSet { try origin.write(block) }
                    origin.close()
                })
            floods.append(background { while try !client.read(atMost: 1 << 20).isEmpty {} })
        }
        let client = try Peer(connectingTo: relay.address)
        let origin = try listener.accept()
        let echo = background {
            while case let bytes = try origin.read(), !bytes.isEmpty { try origin.write(bytes) }
        }
        for round in 0..<200 {
            try client.write("\(round % 10)")
            #expect(try client.text(1) == "\(round % 10)")
        }
        client.finish()
        stop.set()
        for flood in floods + [echo] { try flood.get().get() }
    }

    @Test("6: both ends send at once, keep urgent data in line, and have keep-alive before long")
    func options() throws {
        let (client, origin, relay) = try Relay.joined(TunnelLimits())
        // A socket to an origin has it from the second thing on that is sent.
        for text in ["x", "y"] {
            try client.write(text)
            #expect(try origin.text(1) == text)
        }
        let sockets = try relaySockets(relay)
        #expect(sockets.count == 2)
        for socket in sockets {
            #expect(option(socket, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
            #expect(option(socket, SOL_SOCKET, SO_OOBINLINE) == 1)
        }
        // As if it were 30 s old.
        try on(relay.reactors[0]) { $0.loop.expire(tunnel: 0) }
        for socket in sockets {
            #expect(option(socket, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(option(socket, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 60)
        }
        try client.write("y")
        #expect(try origin.text(1) == "y")
    }

    /// The descriptors of the relay's own ends.
    private func relaySockets(_ relay: Relay) throws -> [Int32] {
        try on(relay.reactors[0]) { reactor in
            reactor.loop.slots.indices.filter { reactor.loop.slots[$0].pointee.tunnel != Tunnel.none }
                .map { reactor.loop.slots[$0].pointee.descriptor }
        }
    }

    private func option(_ socket: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(4)
        getsockopt(socket, level, name, &value, &length)
        return value
    }
}
