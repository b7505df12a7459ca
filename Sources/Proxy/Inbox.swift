import Reactor
import Wire

/// Why no message came.
enum Interruption<Malformation: Error>: Error {
    case malformed(Malformation)
    /// The peer closed, the deadline passed, or the connection failed; and whether a part of a message had come.
    case lost(Errno?, hasBegun: Bool)
}

/// What has come over a connection and nobody has taken yet. It reads as much as there is, so several messages may wait in
/// it, and what is left when a tunnel begins belongs to the other end.
struct Inbox: ~Copyable {
    private var storage: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private let size: Int
    private let limit: Int
    /// The last read left no room: there is more where that came from.
    private var wasFilled = false

    /// - Parameters:
    ///   - limit: the longest message; memory grows up to it as it is needed.
    ///   - size: what it has from the first read on. Most heads fit into 1 kB, which malloc has at hand (tcache, malloc(3)).
    init(limit: Int, size: Int = 1024) {
        self.limit = limit
        self.size = min(limit, size)
        storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    deinit {
        storage.deallocate()
    }

    var unread: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[start..<end]) }

    var isEmpty: Bool { start == end }

    /// The next message, waiting for as much of it as has not come yet.
    mutating func message<Value: Sendable, Malformation: Error>(
        from socket: borrowing Socket,
        _ parse: (borrowing Span<UInt8>) throws(Malformation) -> Parsed<Value>
    ) async throws(Interruption<Malformation>) -> Value {
        while true {
            let value: Value?
            do throws(Malformation) { value = try next(parse) } catch { throw .malformed(error) }
            if let value { return value }
            // A message longer than any may be counts as lost.
            guard let room = room() else { throw .lost(nil, hasBegun: true) }
            let count: Int
            do throws(Errno) { count = try await socket.read(into: room) } catch {
                throw .lost(error, hasBegun: !isEmpty)
            }
            guard count > 0 else { throw .lost(nil, hasBegun: !isEmpty) }
            received(count)
        }
    }

    /// The next message, if all of it has come.
    mutating func next<Value: Sendable, Malformation: Error>(
        _ parse: (borrowing Span<UInt8>) throws(Malformation) -> Parsed<Value>
    ) throws(Malformation) -> Value? {
        let bytes = unread.bindMemory(to: UInt8.self)
        guard case .done(let value, let consumed) = try parse(bytes.span) else { return nil }
        drop(consumed)
        return value
    }

    /// What of the unread bytes is `body`'s, edited in place: the bytes that are to be passed on, which stay where they are until
    /// so many as were taken are dropped.
    mutating func take(
        _ body: inout HTTPBody
    ) throws(HTTPError) -> (kept: UnsafeRawBufferPointer, taken: Int) {
        let bytes = UnsafeMutableRawBufferPointer(rebasing: storage[start..<end]).bindMemory(to: UInt8.self)
        var span = bytes.mutableSpan
        let portion = try body.take(&span)
        return (UnsafeRawBufferPointer(rebasing: unread[..<portion.kept]), portion.taken)
    }

    mutating func drop(_ count: Int) {
        start += count
        if isEmpty { (start, end) = (0, 0) }
    }

    // MARK: room

    /// Where the next bytes go, to be followed by `received`; nil if there are as many unread as there may be.
    mutating func room() -> UnsafeMutableRawBufferPointer? {
        // Whoever sends faster than this is read gets larger reads.
        if end == storage.count || wasFilled && isEmpty && storage.count < limit { makeRoom() }
        guard end < storage.count else { return nil }
        return UnsafeMutableRawBufferPointer(rebasing: storage[end...])
    }

    mutating func received(_ count: Int) {
        end += count
        wasFilled = end == storage.count
    }

    /// Gives back what it has grown by; nothing may be unread.
    mutating func shrink() {
        wasFilled = false
        guard isEmpty, storage.count > size else { return }
        storage.deallocate()
        storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    private mutating func makeRoom() {
        let size = start > 0 ? storage.count : min(limit, max(self.size, storage.count * 4))
        let roomier = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        roomier.copyMemory(from: unread)
        storage.deallocate()
        storage = roomier
        (start, end) = (0, end - start)
        wasFilled = false
    }
}

extension Socket {
    /// Sends the last words and closes so that they arrive: closing over unread bytes would send a RST, which may overtake
    /// them. Bounded in time and in bytes, whatever the peer does.
    borrowing func close(saying lastWords: [UInt8], within limit: Duration) async {
        guard !lastWords.isEmpty else {
            guard isSecure else { return }
            // TLS has an end of its own, which is to be said (RFC 8446 §6.1).
            setExpendableDeadline(after: limit)
            return await finish()
        }
        setExpendableDeadline(after: limit)
        guard (try? await write(lastWords)) != nil else { return }
        await finishAndDrain(within: limit)
    }

    /// As `close(saying:within:)`, once the last words have been written.
    borrowing func finishAndDrain(within limit: Duration) async {
        setExpendableDeadline(after: limit)
        await finish()
        await drain(atMost: 1 << 20)
    }

    /// Sends an origin what its client sent right behind the request; false if the origin did not take it.
    borrowing func take(early bytes: UnsafeRawBufferPointer, within limit: Duration) async -> Bool {
        if bytes.isEmpty { return true }
        setDeadline(after: limit)
        guard (try? await write(bytes)) != nil else { return false }
        clearDeadline()
        return true
    }
}
