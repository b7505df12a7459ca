import Address
import CLinux
import Glibc
import Synchronization
import TestProcess
import Testing

@testable import Reactor

private let loopback: UInt32 = 0x7f00_0001

/// A UDP socket of the test's own, which gives up after 20 s rather than hang.
private final class DatagramPeer: Sendable {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    let address: Endpoint

    init() throws {
        try Endpoint.v4(loopback, port: 0).bind(descriptor)
        address = try Endpoint.local(of: descriptor)
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func receive() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw Errno(errno) }
        return Array(bytes[..<count])
    }

    func send(_ bytes: [UInt8], to address: Endpoint) throws {
        let (storage, length) = address.socketAddress
        let sent = withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, 0, $0, length)
            }
        }
        guard sent == bytes.count else { throw Errno(errno) }
    }
}

@Suite("Datagrams in batches")
struct DatagramTests {
    private let reactor: Reactor

    init() throws {
        reactor = try Reactor(counters: Counters())
        reactor.start()
    }

    /// Sends these through a reactor's socket; how many were lost, and how many messages of the kernel they were.
    ///
    /// - Parameter isCut: whether the kernel cuts runs up; it does not for a socket without checksums
    ///   (udp_send_skb() in the kernel).
    private func send(
        _ datagrams: [[UInt8]], to peers: [Endpoint], isConnected: Bool = false, isCut: Bool = true
    ) throws -> Int {
        defer { reactor.stop() }
        return try on(reactor) { reactor in
            let descriptor = Descriptor(adopting: try checked(linux_socket(AF_INET, Int32(SOCK_DGRAM.rawValue))))
            if !isCut { try checked(linux_set_option(descriptor.number, SOL_SOCKET, SO_NO_CHECK, 1)) }
            let socket = DatagramSocket(adopting: descriptor, on: reactor)
            if isConnected { try socket.connect(to: peers[0]) }
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: datagrams.reduce(0) { $0 + $1.count }, alignment: 1)
            defer { bytes.deallocate() }
            var lost = 0
            var start = 0
            for (index, datagram) in datagrams.enumerated() {
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[start..<(start + datagram.count)])
                part.copyBytes(from: datagram)
                start += datagram.count
                // In two parts, as a header and a payload are.
                let cut = min(3, part.count)
                lost += socket.add(
                    header: UnsafeRawBufferPointer(rebasing: part[..<cut]),
                    UnsafeRawBufferPointer(rebasing: part[cut...]),
                    to: isConnected ? nil : PackedEndpoint(peers[index % peers.count]), in: reactor.datagrams)
            }
            return lost + socket.flush(reactor.datagrams)
        }
    }

    private func numbered(_ count: Int, size: (Int) -> Int) -> [[UInt8]] {
        (0..<count).map { number in
            [3, UInt8(truncatingIfNeeded: number)] + [UInt8](repeating: UInt8(number % 251), count: size(number))
        }
    }

    @Test(
        "Runs of one size, and what breaks them, arrive each by itself and in order",
        arguments: [
            { _ in 64 }, { $0 % 10 == 9 ? 20 : 64 }, { $0 % 10 == 9 ? 90 : 64 }, { $0 * 37 % 200 },
            // About the size from which on what is sent is left where it is.
            { _ in 600 }, { $0 % 10 == 9 ? 20 : 600 }, { 250 + $0 / 3 % 5 }, { 600 - $0 * 4 },
        ] as [@Sendable (Int) -> Int], [true, false])
    func runs(size: @escaping @Sendable (Int) -> Int, isCut: Bool) throws {
        let peer = try DatagramPeer()
        _ = linux_set_option(peer.descriptor, SOL_SOCKET, SO_RCVBUF, 4 << 20)
        let datagrams = numbered(150, size: size)
        #expect(try send(datagrams, to: [peer.address], isCut: isCut) == 0)
        for datagram in datagrams { #expect(try peer.receive() == datagram) }
    }

    @Test("A run never joins two destinations")
    func destinations() throws {
        let peers = [try DatagramPeer(), try DatagramPeer()]
        let datagrams = numbered(60) { _ in 100 }
        #expect(try send(datagrams, to: peers.map(\.address)) == 0)
        for (index, datagram) in datagrams.enumerated() { #expect(try peers[index % 2].receive() == datagram) }
    }

    @Test("More than a list holds is sent in several")
    func overflow() throws {
        let peer = try DatagramPeer()
        _ = linux_set_option(peer.descriptor, SOL_SOCKET, SO_RCVBUF, 4 << 20)
        // Alternately longer and shorter, so that no run holds more than two.
        let datagrams = numbered(700) { ($0 + 1) % 2 }
        let outcome = background { try (0..<700).map { _ in try peer.receive() } }
        #expect(try send(datagrams, to: [peer.address]) == 0)
        #expect(try outcome.get().get() == datagrams)
    }

    @Test("What is too large for a run goes by itself, and begins another")
    func large() throws {
        let peer = try DatagramPeer()
        let datagrams = numbered(3) { $0 < 2 ? 40_000 : 100 }
        #expect(try send(datagrams, to: [peer.address]) == 0)
        for datagram in datagrams { #expect(try peer.receive() == datagram) }
    }

    @Test("What no datagram can hold is lost, and the next one is not")
    func tooLarge() throws {
        let peer = try DatagramPeer()
        let datagrams = numbered(3) { $0 == 1 ? 65_506 : 10 }
        #expect(try send(datagrams, to: [peer.address]) == 1)
        #expect(try peer.receive() == datagrams[0])
        #expect(try peer.receive() == datagrams[2])
    }

    @Test("An ICMP error of one datagram costs none of the next")
    func icmp() throws {
        let peer = try DatagramPeer()
        let dead = try { try DatagramPeer().address }()
        defer { reactor.stop() }
        let lost = try on(reactor) { reactor in
            let socket = try DatagramSocket(bound: .v4(loopback, port: 0), on: reactor)
            try socket.connect(to: dead)
            var byte: UInt8 = 7
            return withUnsafeBytes(of: &byte) { bytes in
                var lost = socket.add(bytes, in: reactor.datagrams) + socket.flush(reactor.datagrams)
                // The port unreachable is here by now, and would be told to the next call.
                try? socket.connect(to: peer.address)
                lost += socket.add(bytes, in: reactor.datagrams) + socket.flush(reactor.datagrams)
                return lost
            }
        }
        #expect(lost == 0)
        #expect(try peer.receive() == [7])
    }

    @Test("What was sent as a run is received as one")
    func coalesced() throws {
        defer { reactor.stop() }
        let outcome = Outcome<[Int]>()
        let peer = try DatagramPeer()
        try on(reactor) { reactor in
            let (sender, receiver) = (
                try DatagramSocket(bound: .v4(loopback, port: 0), on: reactor),
                try DatagramSocket(bound: .v4(loopback, port: 0), on: reactor)
            )
            let source = PackedEndpoint(try sender.localAddress)
            let target = PackedEndpoint(try receiver.localAddress)
            try receiver.whenReadable { [unowned receiver] in
                let batch = reactor.datagrams
                let count = receiver.receive(into: batch)
                guard count > 0 else { return }
                let runs = (0..<count).map { batch[$0] }
                if runs.contains(where: { $0.source != source || $0.segment != 50 }) { return outcome.set([]) }
                outcome.set(runs.map(\.bytes.count))
            }
            let bytes = [UInt8](repeating: 1, count: 50)
            bytes.withUnsafeBytes { bytes in
                for _ in 0..<20 { _ = sender.add(bytes, to: target, in: reactor.datagrams) }
                _ = sender.flush(reactor.datagrams)
            }
            await reactor.sleep(for: .milliseconds(500))
        }
        #expect(try outcome.get() == [1000])
        withExtendedLifetime(peer) {}
    }

    @Test("A port of the range that is free is found, and none when all are taken")
    func ports() throws {
        defer { reactor.stop() }
        let range = freePorts(3, SOCK_DGRAM)
        let (ports, errno) = try on(reactor) { reactor in
            let sockets = try (0..<3).map { _ in
                try DatagramSocket(bound: .v4(loopback, port: 0), ports: range, on: reactor)
            }
            var refusal: Errno?
            do throws(Errno) { _ = try DatagramSocket(bound: .v4(loopback, port: 0), ports: range, on: reactor) } catch
            {
                refusal = error
            }
            return (Set(try sockets.map { try $0.localAddress.port }), refusal)
        }
        #expect(ports == Set(range))
        #expect(errno == Errno(EADDRINUSE))
    }
}
