import Address
import CLinux
import Glibc
import Testing

@testable import Reactor

/// The far end of a connection as a client or an origin has it: a blocking socket of the test's own, which gives up after
/// 20 s rather than hang.
final class Peer: @unchecked Sendable {
    let descriptor: Int32
    private var isOpen = true
    /// What must not end before this end does.
    var companion: AnyObject?

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Whether a RST has come; nothing is waited for.
    var isReset: Bool {
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&event, 1, 0) == 1 && event.revents & Int16(POLLERR | POLLHUP) != 0
    }

    /// - Parameter receiveBuffer: SO_RCVBUF, to be a reader whose kernel takes little ahead of it.
    convenience init(connectingTo address: Endpoint, receiveBuffer: Int32? = nil) throws {
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.init(adopting: descriptor)
        if let receiveBuffer { _ = linux_set_option(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        let (storage, length) = address.socketAddress
        try checked(withUnsafePointer(to: storage) { linux_connect(descriptor, $0, length) })
    }

    deinit { close() }

    var localAddress: Endpoint {
        get throws { try Endpoint.local(of: descriptor) }
    }

    /// Sends all of it, or throws.
    func write(_ bytes: [UInt8], urgent: Bool = false) throws {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | (urgent ? oob : 0))
            }
            guard count > 0 else { throw Errno(errno) }
            offset += count
        }
    }

    /// Writes as much as goes at all; answers how much that was.
    func fill(_ bytes: [UInt8]) throws -> Int {
        var offset = 0
        var lastProgress = monotonicMilliseconds()
        while offset < bytes.count, monotonicMilliseconds() - lastProgress < 250 {
            let count = bytes[offset...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 {
                offset += count
                lastProgress = monotonicMilliseconds()
            } else {
                guard errno == EAGAIN else { throw Errno(errno) }
                usleep(1000)
            }
        }
        return offset
    }

    /// Writes noise until no more of it goes; answers what was written. How much that will be cannot be told beforehand: a
    /// receive buffer grows up to the last value of tcp_rmem (tcp(7)), 32 MB since Linux 6.16.
    func fill(seed: UInt64) throws -> [UInt8] {
        var noise = Noise(seed: seed)
        var written: [UInt8] = []
        while true {
            let block = noise.bytes(1 << 20)
            let count = try fill(block)
            written += block[..<count]
            if count < block.count { return written }
        }
    }

    func write(_ text: String) throws {
        try write(Array(text.utf8))
    }

    /// What there is, at most `limit` bytes; empty at the end of the stream.
    func read(atMost limit: Int = 65536) throws(Errno) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let result = Glibc.read(descriptor, buffer.baseAddress, limit)
            if result < 0 { failure = errno }
            count = max(0, result)
        }
        guard failure == 0 else { throw Errno(failure) }
        return bytes
    }

    /// Exactly `count` bytes, fewer if the stream ends before.
    func read(exactly count: Int) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try read(atMost: count - bytes.count)
            guard !more.isEmpty else { break }
            bytes += more
        }
        return bytes
    }

    func text(_ count: Int) throws -> String {
        String(decoding: try read(exactly: count), as: UTF8.self)
    }

    /// Everything up to the end of the stream, and the error if it ended with one.
    func readToEnd(pause: (Int) -> Void = { _ in }) -> Ending {
        var ending = Ending()
        do throws(Errno) {
            while case let bytes = try read(), !bytes.isEmpty {
                ending.take(bytes)
                pause(ending.count)
            }
        } catch {
            ending.errno = error
        }
        return ending
    }

    /// The FIN.
    func finish() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// A RST, whatever is unread or unsent.
    func reset() {
        _ = linux_set_reset_on_close(descriptor)
        close()
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        _ = linux_close(descriptor)
    }

    /// Waits until the other end has acknowledged all that was written: its kernel has it.
    func waitUntilSent() {
        eventually("the peer's kernel has everything") { linux_unsent(descriptor) == 0 }
    }

    private var oob: Int32 { Int32(MSG_OOB) }
}

/// What a stream was when it ended.
struct Ending: Equatable, Sendable {
    var count = 0
    var hash = Hash()
    var errno: Errno?

    mutating func take(_ bytes: [UInt8]) {
        count += bytes.count
        hash.take(bytes)
    }

    /// How `bytes`, ended by a FIN, would read.
    static func whole(_ bytes: [UInt8]) -> Ending {
        var ending = Ending()
        ending.take(bytes)
        return ending
    }

    static func reset(after bytes: [UInt8]) -> Ending {
        var ending = Ending.whole(bytes)
        ending.errno = Errno(ECONNRESET)
        return ending
    }
}

/// FNV-1a over eight bytes at a time, wherever the reads cut the stream.
struct Hash: Equatable, Sendable {
    private var value: UInt64 = 0xcbf2_9ce4_8422_2325
    private var word: UInt64 = 0
    private var length = 0

    mutating func take(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { bytes in
            for byte in bytes {
                word = word << 8 | UInt64(byte)
                length &+= 1
                if length & 7 == 0 { value = (value ^ word) &* 0x100_0000_01b3 }
            }
        }
    }
}

/// A listening socket of the test's own.
final class Origin: Sendable {
    let descriptor: Int32
    let address: Endpoint

    init(_ address: Endpoint = .v4(0x7f00_0001, port: 0), receiveBuffer: Int32? = nil) throws {
        let listener = try ListeningSocket.tcp(address)
        if let receiveBuffer { _ = linux_set_option(listener.number, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        self.address = try ListeningSocket.address(of: listener)
        descriptor = listener.release()
        _ = fcntl(descriptor, F_SETFL, 0)
    }

    deinit { _ = linux_close(descriptor) }

    func accept() throws -> Peer {
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let accepted = Glibc.accept(descriptor, nil, nil)
        guard accepted >= 0 else { throw Errno(errno) }
        return Peer(adopting: accepted)
    }
}
