import Glibc
import Reactor
import Wire

/// One end of an HTTP exchange: a connection that carries one message after another, and what has come over it and nobody has
/// taken yet. It belongs to its reactor; one task may read from it while another writes to it.
final class HTTPConnection {
    var socket: Socket
    var inbox: Inbox
    /// Where an origin's leads.
    let address: SocketAddress?
    /// The session whose client has logged in for the connection (NTLM), which from then on is for that one alone: what comes
    /// after a login does not show it.
    var owner: Int?

    /// The longest head, a trailer section, or a good amount of content.
    private static let mostUnread = 64 * 1024

    init(client socket: consuming Socket) {
        self.socket = socket
        address = nil
        inbox = Inbox(limit: Self.mostUnread)
    }

    init(origin socket: consuming Socket, at address: SocketAddress) {
        self.socket = socket
        self.address = address
        // Most responses fit at once.
        inbox = Inbox(limit: Self.mostUnread, size: 16 * 1024)
    }

    /// Reads what there is.
    ///
    /// - Parameters:
    ///   - other: for whom: if that one fails nobody waits any more, and no longer than `patience` once it has hung up.
    /// - Returns: how many bytes; 0 at the end of the stream.
    func fill(for other: HTTPConnection? = nil, patience: Duration = .zero) async throws(Errno) -> Int {
        guard let room = inbox.room() else { throw Errno(EMSGSIZE) }
        let count: Int
        if let other {
            count = try await socket.read(into: room, for: other.socket, patience: patience)
        } else {
            count = try await socket.read(into: room)
        }
        inbox.received(count)
        return count
    }
}

/// Content on its way from one connection to another, as it comes (RFC 9112 §6).
final class HTTPTransfer {
    enum Failure: Error {
        /// The connection it came from ended or failed before all had come.
        case source(Errno?)
        /// The one it went to takes nothing more.
        case sink(Errno)
        case malformed(HTTPError)
    }

    private let source: HTTPConnection
    private let sink: HTTPConnection
    let idle: Duration
    private(set) var body: HTTPBody
    /// Once it is set and the waits of both connections have been ended, `run` returns.
    var isStopped = false

    /// Bytes that one transfer may move before others get their turn.
    private static let turnBytes = 1 << 20

    /// - Parameter idle: how long nothing may move.
    init(_ body: HTTPBody, from source: HTTPConnection, to sink: HTTPConnection, idle: Duration) {
        self.body = body
        self.source = source
        self.sink = sink
        self.idle = idle
    }

    /// Moves what is left of it.
    ///
    /// - Parameters:
    ///   - reader: for whom the source is read, as in `HTTPConnection.fill`.
    ///   - count: is told of all bytes that were written, and takes its time if they were too many.
    func run(
        for reader: HTTPConnection? = nil, patience: Duration = .zero, on reactor: Reactor,
        _ count: (Int) async -> Void
    ) async throws(Failure) {
        var moved = 0
        while true {
            if !source.inbox.isEmpty { moved += try await passUnread(count) }
            if body.isComplete { return }
            if moved > Self.turnBytes {
                moved = 0
                await reactor.rest()
            }
            if isStopped { throw .source(.canceled) }
            source.socket.setDeadline(after: idle)
            sink.socket.setDeadline(after: idle)
            let more: Int
            do throws(Errno) {
                more = try await source.fill(for: reader, patience: patience)
            } catch {
                throw .source(error)
            }
            if more == 0 {
                if body.mayEndHere { return }
                throw .source(nil)
            }
        }
    }

    private func passUnread(_ count: (Int) async -> Void) async throws(Failure) -> Int {
        let (kept, taken): (UnsafeRawBufferPointer, Int)
        do throws(HTTPError) { (kept, taken) = try source.inbox.take(&body) } catch { throw .malformed(error) }
        let moved = kept.count
        var failure: Errno?
        if !kept.isEmpty {
            do throws(Errno) { try await sink.socket.write(kept) } catch { failure = error }
        }
        // The body counts them as gone, whether or not anybody took them: left here they would be read as the next message.
        source.inbox.drop(taken)
        if let failure { throw .sink(failure) }
        if moved > 0 { await count(moved) }
        return moved
    }
}
