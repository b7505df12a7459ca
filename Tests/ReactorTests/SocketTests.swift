import Address
import CLinux
import Foundation
import Glibc
import Testing

@testable import Reactor

@Suite("A socket")
struct SocketTests {
    /// Runs a body with one end of a TCP connection on a reactor; the test has the other.
    private func withSocket<Value: Sendable>(
        _ use: (Peer) throws -> Void = { _ in },
        _ body: @escaping @Sendable (borrowing Socket, isolated Reactor) async throws -> Value
    ) throws -> Value {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let origin = try Origin()
        let peer = try Peer(connectingTo: origin.address)
        let accepted = try origin.accept()
        let copy = dup(accepted.descriptor)
        accepted.close()
        _ = linux_set_nonblocking(copy)
        let outcome = Outcome<Result<Value, any Error>>()
        reactor.spawn { reactor in
            let socket = Socket(adopting: Descriptor(adopting: copy), on: reactor)
            do {
                outcome.set(.success(try await body(socket, reactor)))
            } catch {
                outcome.set(.failure(error))
            }
        }
        try use(peer)
        let value = try outcome.get().get()
        return withExtendedLifetime(peer) { value }
    }

    private static func read(_ socket: borrowing Socket, _ limit: Int = 100) async throws(Errno) -> String {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 1)
        defer { buffer.deallocate() }
        let count = try await socket.read(into: buffer)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    @Test("A read past the deadline fails, and so does each that follows")
    func deadline() throws {
        let errors = try withSocket { socket, _ in
            var errors: [Errno] = []
            let bytes = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)
            defer { bytes.deallocate() }
            socket.setDeadline(after: .milliseconds(30))
            for _ in 0..<2 {
                do throws(Errno) { _ = try await Self.read(socket) } catch { errors.append(error) }
            }
            do throws(Errno) { try await socket.write(UnsafeRawBufferPointer(start: bytes, count: 1)) } catch {
                errors.append(error)
            }
            return errors
        }
        #expect(errors == [.timedOut, .timedOut, .timedOut])
    }

    @Test("One deadline holds for all reads, however many bytes come")
    func absoluteDeadline() throws {
        let stop = Flag()
        let milliseconds = try withSocket({ peer in
            while !stop.isSet {
                try? peer.write(".")
                usleep(10_000)
            }
        }) { socket, _ in
            defer { stop.set() }
            let start = monotonicMilliseconds()
            socket.setDeadline(after: .milliseconds(200))
            while (try? await Self.read(socket)) != nil {}
            return monotonicMilliseconds() - start
        }
        #expect(milliseconds >= 200 && milliseconds < 2000)
    }

    @Test("A deadline that is cleared after it has passed holds no more")
    func clearedDeadline() throws {
        let text = try withSocket({ try $0.write("late") }) { socket, reactor in
            socket.setDeadline(after: .milliseconds(10))
            await reactor.sleep(for: .milliseconds(60))
            socket.clearDeadline()
            return try await Self.read(socket)
        }
        #expect(text == "late")
    }

    @Test("A write of megabytes waits for a reader")
    func bigWrite() throws {
        let bytes = noise(7_000_001, seed: 20)
        let received = Outcome<Ending>()
        try withSocket({ received.set($0.readToEnd()) }) { socket, _ in
            try await socket.write(bytes)
            await socket.finish()
        }
        #expect(try received.get() == .whole(bytes))
    }

    @Test("A write to a peer that is gone is an error and no signal")
    func brokenWrite() throws {
        let errno = try withSocket({ $0.reset() }) { socket, _ in
            do throws(Errno) {
                for _ in 0..<1000 { try await socket.write([UInt8](repeating: 0, count: 100_000)) }
                return Errno(0)
            } catch {
                return error
            }
        }
        #expect([ECONNRESET, EPIPE].contains(errno.code))
    }

    @Test("Draining before the close lets the answer arrive, whatever the peer still sends")
    func drain() throws {
        let received = Outcome<Ending>()
        try withSocket({ peer in
            _ = try peer.fill(noise(300_000, seed: 21))
            peer.finish()
            received.set(peer.readToEnd())
        }) { socket, _ in
            socket.setDeadline(after: .seconds(5))
            try await socket.write(Array("the answer".utf8))
            await socket.finish()
            await socket.drain(atMost: 1 << 20)
        }
        #expect(try received.get() == .whole(Array("the answer".utf8)))
    }

    /// The last words of one relay once went to a connection of the next one in the process, which had the number by then.
    @Test("Once its reactor has stopped a socket reaches nobody")
    func afterTheEnd() throws {
        let (written, heard) = try withSocket { socket, reactor in
            let number = socket.descriptor
            reactor.stop()
            // Waits until then.
            _ = try? await Self.read(socket)
            var pair: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            // Either end may have the number already.
            let far = fcntl(pair[1], F_DUPFD, 500)
            try #require(far >= 500 && dup2(pair[0], number) == number)
            defer { for end in Set(pair + [number, far]) { close(end) } }
            socket.setDeadline(after: .seconds(10))
            var written: Errno?
            do throws(Errno) { try await socket.write(Array("late".utf8)) } catch { written = error }
            await socket.finish()
            var byte: UInt8 = 0
            return (written, recv(far, &byte, 1, Int32(MSG_DONTWAIT)) < 0 ? errno : 0)
        }
        #expect(written == Errno(EBADF) && heard == EAGAIN)
    }

    /// A deadline that was set after it undid it: whoever had been told not to wait any more waited that long.
    @Test("An interrupted socket stays so until that is undone, not until another deadline is set")
    func interrupted() throws {
        let (error, count) = try withSocket {
            try $0.write("x")
        } _: { socket, reactor in
            socket.interrupt()
            socket.setDeadline(after: .seconds(30))
            socket.setExpendableDeadline(after: .seconds(30))
            var error: Errno?
            do throws(Errno) { _ = try await socket.read(into: reactor.loop.scratch) } catch let failure {
                error = failure
            }
            socket.endInterruption()
            return (error, try await socket.read(into: reactor.loop.scratch))
        }
        #expect(error == .timedOut && count == 1)
    }
    @Test("A socket tells its own address")
    func localAddress() throws {
        let address = try withSocket { socket, _ in try socket.localAddress }
        #expect(address.address == .v4(0x7f00_0001) && address.port != 0)
    }

    @Test(
        "An address survives the kernel's form",
        arguments: [
            .v4(0x0102_0304, port: 5), .v4(0xffff_ffff, port: 65535),
            .v6(0x2001_0db8_0000_0001_0002_0003_0004_0005, port: 443), .v6(1, port: 0),
            Endpoint(address: .v6(0xfe80 << 112 | 1), port: 9, scope: 7),
        ] as [Endpoint])
    func addresses(address: Endpoint) {
        #expect(Endpoint(address.socketAddress.0) == address)
        #expect(PackedEndpoint(address).endpoint == address)
    }

    @Test("A taken port, an address of somebody else's and an unknown interface are told apart")
    func listening() throws {
        let origin = try Origin()
        #expect(throws: Errno(EADDRINUSE)) { _ = try ListeningSocket.tcp(origin.address).number }
        #expect(throws: Errno(EADDRNOTAVAIL)) { _ = try ListeningSocket.tcp(.v4(0x0808_0808, port: 0)).number }
        #expect(throws: Errno(ENODEV)) {
            _ = try ListeningSocket.tcp(.v4(0x7f00_0001, port: 0), interface: "nosuch0").number
        }
        #expect(throws: Errno(ENAMETOOLONG)) {
            _ = try ListeningSocket.unix(path: "/tmp/" + String(repeating: "x", count: 103)).number
        }
    }
}
