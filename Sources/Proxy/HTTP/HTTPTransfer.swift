import Reactor
import Wire

/// Content on its way from one end of a session to the other, as it comes (RFC 9112 §6).
final class HTTPTransfer {
    /// Why a transfer stopped before its end.
    enum Stop: Error {
        /// The connection that the content comes from ended (nil) or failed before all had come.
        case source(Errno?)
        /// The connection that the content goes to takes nothing more.
        case sink(Errno)
        case malformed(HTTPError)
    }

    private let source: Connection
    private let sink: Connection
    private let session: Session
    private(set) var body: HTTPBody
    /// What the session waits for meanwhile.
    var phase: Phase
    /// Once it is set and the waits of both connections have been ended, `run` returns.
    var isStopped = false

    /// Bytes that one transfer may move before others get their turn.
    private static let turnBytes = 1 << 20

    init(_ body: HTTPBody, from source: Connection, to sink: Connection, of session: Session, in phase: Phase) {
        self.phase = phase
        self.body = body
        self.source = source
        self.sink = sink
        self.session = session
    }

    /// Moves what is left of the content.
    ///
    /// - Parameters:
    ///   - fill: reads more from the source, as `Connection.fill` does.
    ///   - count: is told of all bytes that were written.
    ///   - pause: waits until more may be written. Behind the last byte nothing waits: the end is known, and passed on at once.
    func run(
        on reactor: Reactor, _ fill: (Connection) async throws(Errno) -> Int, count: (Int) -> Void,
        pause: () async -> Void
    ) async throws(Stop) {
        var moved = 0
        while true {
            if !source.inbox.isEmpty { moved += try await passUnread(count) }
            if body.isComplete { return }
            await pause()
            if moved > Self.turnBytes {
                moved = 0
                await reactor.rest()
            }
            if isStopped { throw .source(.canceled) }
            session.enter(phase)
            let more: Int
            do throws(Errno) { more = try await fill(source) } catch { throw .source(error) }
            if more == 0 {
                if body.mayEndHere { return }
                throw .source(nil)
            }
        }
    }

    private func passUnread(_ count: (Int) -> Void) async throws(Stop) -> Int {
        let part: Connection.Content
        do throws(HTTPError) { part = try source.take(&body) } catch { throw .malformed(error) }
        let renewed = part.renewed
        let moved = renewed?.count ?? part.kept.count
        var failure: Errno?
        if moved > 0 {
            do throws(Errno) {
                if let renewed { try await sink.socket.write(renewed) } else { try await sink.socket.write(part.kept) }
            } catch { failure = error }
        }
        // The body counts them as gone, whether or not anybody took them: left here they would be read as the next message.
        source.inbox.drop(part.taken)
        if let failure { throw .sink(failure) }
        if moved > 0 { count(moved) }
        return moved
    }
}
