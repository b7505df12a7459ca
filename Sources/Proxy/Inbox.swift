import Reactor
import Wire

/// Why no message came.
enum Interruption<Malformation: Error>: Error {
    case malformed(Malformation)
    /// The peer closed, the deadline passed, or the connection failed; and whether a part of a message had come.
    case lost(Errno?, hasBegun: Bool)
}

/// What a client has sent and nobody has taken yet. It reads as much as there is, so several messages may wait in it, and
/// what is left when the tunnel begins belongs to the origin.
struct Inbox: ~Copyable {
    private var storage: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private let limit: Int

    /// - Parameter limit: the longest message; memory grows up to it as it is needed.
    init(limit: Int) {
        self.limit = limit
        storage = .allocate(byteCount: min(limit, 1536), alignment: 1)
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
            let parsed: Parsed<Value>
            do throws(Malformation) {
                let bytes = unread.bindMemory(to: UInt8.self)
                parsed = try parse(bytes.span)
            } catch {
                throw .malformed(error)
            }
            if case .done(let value, let consumed) = parsed {
                start += consumed
                if isEmpty { (start, end) = (0, 0) }
                return value
            }
            let isMore: Bool
            do throws(Errno) { isMore = try await fill(from: socket) } catch {
                throw .lost(error, hasBegun: !isEmpty)
            }
            guard isMore else { throw .lost(nil, hasBegun: !isEmpty) }
        }
    }

    /// False at the end of the stream, and when a message is longer than any may be.
    private mutating func fill(from socket: borrowing Socket) async throws(Errno) -> Bool {
        if end == storage.count { makeRoom() }
        guard end < storage.count else { return false }
        let count = try await socket.read(into: UnsafeMutableRawBufferPointer(rebasing: storage[end...]))
        end += count
        return count > 0
    }

    private mutating func makeRoom() {
        let size = start > 0 ? storage.count : min(limit, storage.count * 4)
        let roomier = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        roomier.copyMemory(from: unread)
        storage.deallocate()
        storage = roomier
        (start, end) = (0, end - start)
    }
}

extension Socket {
    /// Sends the last words and closes so that they arrive: closing over unread bytes would send a RST, which may overtake
    /// them. Bounded in time and in bytes, whatever the peer does.
    borrowing func close(saying lastWords: [UInt8], within limit: Duration) async {
        guard !lastWords.isEmpty else { return }
        setDeadline(after: limit)
        guard (try? await write(lastWords)) != nil else { return }
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
