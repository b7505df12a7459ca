import CLinux
import Foundation
import Glibc
import Testing

@testable import Reactor

@Suite("A channel")
struct ChannelTests {
    /// Runs a body with one end on a reactor; the test has the other, a plain descriptor.
    @discardableResult
    private func withChannel<Value: Sendable>(
        _ use: (Int32) throws -> Void, _ body: @escaping @Sendable (Channel, isolated Reactor) async throws -> Value
    ) throws -> Value {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let ends = try Channel.pair()
        defer { close(ends.child) }
        try use(ends.child)
        return try on(reactor) { reactor in
            try await body(Channel(adopting: Descriptor(adopting: ends.parent), on: reactor), reactor)
        }
    }

    @Test("Packets keep their bounds, and descriptors come along")
    func descriptors() throws {
        let pipe = try Pipe()
        let received = try withChannel({ child in
            #expect(linux_send_packet(child, "first", 5, [pipe.writing], 1) == 5)
            #expect(linux_send_packet(child, "second", 6, nil, 0) == 6)
        }) { channel, _ in
            guard var first = try await channel.receive() else { throw Errno(EPIPE) }
            #expect(first.bytes == Array("first".utf8) && first.descriptorCount == 1)
            guard let descriptor = first.takeDescriptor() else { throw Errno(EPIPE) }
            #expect(first.descriptorCount == 0)
            #expect(fcntl(descriptor.number, F_GETFD) == FD_CLOEXEC)
            _ = linux_write(descriptor.number, "through", 7)
            guard let second = try await channel.receive() else { throw Errno(EPIPE) }
            #expect(second.descriptorCount == 0)
            return second.bytes
        }
        #expect(received == Array("second".utf8))
        #expect(pipe.readToEnd() == "through")
    }

    @Test("Descriptors that nobody takes are closed with their packet")
    func untaken() throws {
        let pipe = try Pipe()
        try withChannel({ _ = linux_send_packet($0, "x", 1, [pipe.writing, pipe.writing], 2) }) { channel, _ in
            guard let packet = try await channel.receive() else { throw Errno(EPIPE) }
            #expect(packet.descriptorCount == 2)
        }
        #expect(pipe.readToEnd() == "")
    }

    @Test("A packet that is too long is refused whole, with its descriptors; the next one is not")
    func oversize() throws {
        let pipe = try Pipe()
        try withChannel({ child in
            let long = [UInt8](repeating: 1, count: Channel.packetLimit + 1)
            #expect(linux_send_packet(child, long, long.count, [pipe.writing], 1) == long.count)
            _ = linux_send_packet(child, "next", 4, nil, 0)
        }) { channel, _ in
            await #expect(throws: Errno(EMSGSIZE)) { _ = try await channel.bytes() }
            let next = try await channel.bytes()
            #expect(next == Array("next".utf8))
        }
        #expect(pipe.readToEnd() == "")
        try withChannel({ _ in }) { channel, _ in
            #expect(throws: Errno(EMSGSIZE)) {
                try channel.send([UInt8](repeating: 0, count: Channel.packetLimit + 1))
            }
        }
    }

    @Test("A packet with more descriptors than are taken is refused, and none of them stays open")
    func tooManyDescriptors() throws {
        let pipe = try Pipe()
        try withChannel({ child in
            let all = [Int32](repeating: pipe.writing, count: Channel.descriptorLimit + 4)
            #expect(sendDescriptors(all, over: child) == 1)
        }) { channel, _ in
            await #expect(throws: Errno(EMSGSIZE)) { _ = try await channel.bytes() }
        }
        #expect(pipe.readToEnd() == "")
    }

    @Test("An empty packet is the end, and what came along is closed")
    func empty() throws {
        let pipe = try Pipe()
        try withChannel({ _ = linux_send_packet($0, "", 0, [pipe.writing], 1) }) { channel, _ in
            let end = try await channel.bytes()
            #expect(end == nil)
            #expect(throws: Errno(EINVAL)) { try channel.send([]) }
        }
        #expect(pipe.readToEnd() == "")
    }

    @Test("A peer that is gone ends the packets and refuses new ones")
    func gone() throws {
        let reactor = try Reactor(counters: Counters())
        reactor.start()
        defer { reactor.stop() }
        let ends = try Channel.pair()
        _ = linux_send_packet(ends.child, "last", 4, nil, 0)
        close(ends.child)
        try on(reactor) { reactor in
            let channel = Channel(adopting: Descriptor(adopting: ends.parent), on: reactor)
            let next = try await channel.bytes()
            #expect(next == Array("last".utf8))
            let end = try await channel.bytes()
            #expect(end == nil)
            #expect(throws: Errno(EPIPE)) { try channel.send([1]) }
        }
    }

    @Test("A peer that reads nothing is told from one that is gone")
    func hanging() throws {
        try withChannel({ _ in }) { channel, _ in
            #expect(throws: Errno.wouldBlock) {
                for _ in 0..<10_000 { try channel.send([UInt8](repeating: 0, count: Channel.packetLimit)) }
            }
        }
    }

    @Test("Sealed memory is read as it was written, and cannot be changed")
    func sealed() throws {
        let bytes = noise(300_000, seed: 30)
        let memory = try SealedMemory.create(bytes)
        #expect(try SealedMemory.read(memory, atMost: 300_000) == bytes)
        #expect(throws: Errno(EFBIG)) { try SealedMemory.read(memory, atMost: 299_999) }
        #expect(linux_write(memory.number, "x", 1) == -Int(EPERM))
        #expect(ftruncate(memory.number, 0) == -1 && errno == EPERM)
        let nothing = try SealedMemory.create([])
        #expect(try SealedMemory.read(nothing, atMost: 10) == [])
    }

    @Test("Memory that somebody could still change is not read")
    func unsealed() throws {
        let shared = Descriptor(adopting: linux_shared_memory(100))
        #expect(throws: Errno(EPERM)) { try SealedMemory.read(shared, atMost: 1000) }
        let pipe = try Pipe()
        let reading = try Descriptor(adopting: dup(pipe.reading)).duplicate()
        #expect(throws: Errno(EINVAL)) { try SealedMemory.read(reading, atMost: 1000) }
    }

    /// A pipe whose writing end is to be closed by who gets it.
    private final class Pipe {
        let reading: Int32
        private(set) var writing: Int32

        init() throws {
            var ends: (Int32, Int32) = (-1, -1)
            try checked(
                withUnsafeMutableBytes(of: &ends) { linux_pipe($0.bindMemory(to: Int32.self).baseAddress, 4096) })
            (reading, writing) = ends
            _ = fcntl(reading, F_SETFL, 0)
        }

        /// What was written, once every copy of the writing end is closed: it would hang if one were not.
        func readToEnd() -> String {
            close(writing)
            writing = -1
            var text = ""
            var waiting = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
            var byte: UInt8 = 0
            while true {
                guard poll(&waiting, 1, 5000) == 1 else { return text + " …and is still open" }
                guard read(reading, &byte, 1) == 1 else { return text }
                text.append(Character(Unicode.Scalar(byte)))
            }
        }

        deinit {
            close(reading)
            if writing >= 0 { close(writing) }
        }
    }

    /// SCM_RIGHTS without the limit that the shim has (cmsg(3)).
    private func sendDescriptors(_ descriptors: [Int32], over socket: Int32) -> Int {
        let header = MemoryLayout<cmsghdr>.size
        let length = header + descriptors.count * 4
        let control = UnsafeMutableRawPointer.allocate(byteCount: (length + 7) & ~7, alignment: 8)
        defer { control.deallocate() }
        control.storeBytes(of: length, as: Int.self)
        control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
        control.storeBytes(of: 1, toByteOffset: 12, as: Int32.self)
        for (index, descriptor) in descriptors.enumerated() {
            control.storeBytes(of: descriptor, toByteOffset: header + index * 4, as: Int32.self)
        }
        var byte: UInt8 = 1
        return withUnsafeMutablePointer(to: &byte) { byte in
            var vector = iovec(iov_base: byte, iov_len: 1)
            return withUnsafeMutablePointer(to: &vector) { vector in
                var message = msghdr()
                message.msg_iov = vector
                message.msg_iovlen = 1
                message.msg_control = control
                message.msg_controllen = (length + 7) & ~7
                return sendmsg(socket, &message, 0)
            }
        }
    }
}

extension Channel {
    /// The next packet's bytes; nil at the end.
    fileprivate func bytes() async throws -> [UInt8]? {
        try await receive()?.bytes
    }
}
